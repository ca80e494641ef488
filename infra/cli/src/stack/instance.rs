//! One stack of this clone: its name, its ports and the folders it keeps its state in.
//!
//! What costs long to make (tools, built functions) is shared by both instances of a clone; what
//! runs is not.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::part::Part;
use super::ports::{self, Ports};
use super::record::Record;
use super::{private, stamp, workspace};

/// Which of this clone's stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum InstanceName {
    /// The developer's, on the ports of the contract.
    Dev,
    /// The one that `aigen test` makes and ends, on free ports.
    Test,
}

/// What Lambda calls this machine's processor, which the local functions run on.
pub(super) const fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

/// One stack of this clone.
pub(super) struct Instance {
    pub name: InstanceName,
    /// The workspace's root.
    pub root: PathBuf,
    /// What this instance alone keeps: data, logs, records of its processes.
    pub dir: PathBuf,
    pub ports: Ports,
}

impl Instance {
    /// The instance as the environment and its running parts say it is. Nothing is made.
    pub(super) fn find(name: InstanceName) -> Result<Self> {
        let root = workspace::root()?;
        let dir = root.join(".local").join(match name {
            InstanceName::Dev => "dev",
            InstanceName::Test => "test",
        });
        let running = |part: Part| {
            Record::read(&dir, part).filter(Record::is_alive).map(|record| record.port)
        };
        let ports = match name {
            InstanceName::Dev => Ports::for_dev(|variable| std::env::var(variable).ok(), running)?,
            InstanceName::Test => {
                let free = Ports::free(stamp::seed(&root), ports::is_free)?;
                Ports::for_dev(|_| None, |part| running(part).or(Some(free.of(part))))?
            }
        };
        Ok(Self { name, root, dir, ports })
    }

    /// What both instances share.
    pub(super) fn shared_dir(&self) -> PathBuf {
        self.root.join(".local")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.dir.join("logs")
    }

    pub(super) fn log_of(&self, part: Part) -> PathBuf {
        self.logs().join(format!("{}.log", part.id()))
    }

    pub(super) fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.gateway)
    }

    pub(super) fn model_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports.model)
    }

    /// Makes the folders that everything else writes to, and closes them to everyone else.
    pub(super) fn make_dirs(&self) -> Result<()> {
        private::make_dir(&self.shared_dir())?;
        private::make_dir(&self.dir)?;
        for dir in [self.logs(), self.dir.join("run"), self.dir.join("tmp")] {
            private::make_dir(&dir)?;
        }
        Ok(())
    }

    /// A path as a person in the workspace's root would write it.
    pub(super) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
