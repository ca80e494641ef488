//! How PostgreSQL's programs are started by whoever the person is.
//!
//! PostgreSQL refuses to run as root. In a container, where one often is root, it runs in a user
//! namespace in which root goes by another number: same files, no new user on the machine. Where
//! namespaces are forbidden it runs as `nobody`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;

use super::super::command;
use super::super::instance::Instance;
use super::super::private::{self, NOBODY};

/// How PostgreSQL's programs are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunAs {
    Me,
    /// Root under another number, in a user namespace.
    Namespace,
    Nobody,
}

impl RunAs {
    /// The first way that works here, tried with a harmless command.
    pub(super) async fn find(instance: &Instance, bin: &Path) -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self::Me);
        }
        for way in [Self::Namespace, Self::Nobody] {
            if way == Self::Nobody {
                private::let_nobody_through(&instance.shared_dir())?;
                private::let_nobody_through(&instance.dir)?;
            }
            let mut command = way.command(&bin.join("initdb"));
            command.arg("--version");
            if command::output(command, "trying").await.is_ok() {
                return Ok(way);
            }
        }
        bail!(
            "PostgreSQL refuses to run as root, user namespaces are forbidden here, and the user \
             nobody cannot reach {}: run as an ordinary user, or clone the project to a folder \
             that every user can enter",
            bin.display()
        )
    }

    pub(super) fn command(self, program: &Path) -> Command {
        match self {
            Self::Me => command::clean(program),
            Self::Namespace => {
                let mut command = command::clean("unshare");
                command
                    .args([
                        "--user",
                        &format!("--map-user={NOBODY}"),
                        &format!("--map-group={NOBODY}"),
                        "--",
                    ])
                    .arg(program);
                command
            }
            Self::Nobody => {
                let mut command = command::clean("setpriv");
                command
                    .args([
                        &format!("--reuid={NOBODY}"),
                        &format!("--regid={NOBODY}"),
                        "--clear-groups",
                        "--",
                    ])
                    .arg(program);
                command
            }
        }
    }

    /// Makes `path` belong to whom the server runs as.
    pub(super) fn give(self, path: &Path) -> Result<()> {
        if self == Self::Nobody {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY))
                .with_context(|| format!("{} cannot be given to nobody", path.display()))?;
        }
        Ok(())
    }

    /// The same for several.
    pub(super) fn give_all(self, paths: &[&Path]) -> Result<()> {
        paths.iter().try_for_each(|path| self.give(path))
    }
}
