//! What the compiler is told of what is shipped: by which processor's instructions, and under which
//! names the folders of this machine go into a program (`panic!` tells where, for one). So a
//! program does not say who built it, and is the same wherever it is built.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::super::super::command;
use super::super::super::instance::Instance;
use super::Arch;
use super::crates::{Metadata, metadata};

/// What is told, and what must not be in a program.
pub(in super::super) struct Flags {
    encoded: String,
    toolchain: String,
    /// Where cargo builds.
    pub target: PathBuf,
    /// The folders of this machine that a program might name.
    pub folders: Vec<String>,
}

impl Flags {
    /// For the sources of this clone, and the compiler that they pin.
    pub(in super::super) async fn look(instance: &Instance, arch: Arch) -> Result<Self> {
        let toolchain = toolchain(&instance.root)?;
        let metadata = metadata(instance, arch).await?;
        let ask = async |words: &[&str]| {
            let mut rustc = command::clean("rustc");
            rustc.args(words).env("RUSTUP_TOOLCHAIN", &toolchain).current_dir(&instance.root);
            command::output(rustc, "asking the compiler").await
        };
        let sysroot = PathBuf::from(ask(&["--print", "sysroot"]).await?.trim());
        let version = ask(&["-vV"]).await?;
        let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: "));
        let commit = commit.context("the compiler does not say of which commit it is")?;
        let renamed = renamed(&metadata, &sysroot, commit);
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let folders = folders(&renamed, home.as_deref())?;
        Ok(Self {
            encoded: encoded(arch, &renamed)?,
            toolchain,
            target: metadata.target_directory,
            folders,
        })
    }

    /// Cargo, of the pinned toolchain.
    pub(super) fn cargo(&self) -> Command {
        // Not the one that runs this program: what it is told of itself is not for this build.
        let mut cargo = command::clean("cargo");
        cargo.env_remove("CARGO").env("RUSTUP_TOOLCHAIN", &self.toolchain);
        cargo
    }

    /// Has a build that the command starts use them, and nothing else: they take the place of all
    /// flags that a person's shell or cargo's configuration names.
    pub(in super::super) fn put_on(&self, command: &mut Command) {
        command
            .env("CARGO_ENCODED_RUSTFLAGS", &self.encoded)
            // Queries are checked against the committed descriptions.
            .env("SQLX_OFFLINE", "true")
            .env_remove("DATABASE_URL")
            .env_remove("RUSTC_WRAPPER");
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_PROFILE_") {
                command.env_remove(name);
            }
        }
    }
}

/// The toolchain that the sources pin.
pub(super) fn toolchain(root: &Path) -> Result<String> {
    let text = std::fs::read_to_string(root.join("rust-toolchain.toml"))
        .context("rust-toolchain.toml cannot be read")?;
    let channel = text.lines().find_map(|line| line.strip_prefix("channel = \""));
    let channel = channel.and_then(|rest| rest.strip_suffix('"'));
    Ok(channel.context("rust-toolchain.toml names no channel")?.to_owned())
}

/// Folders, and what they are called in a program. Of two that fit, the compiler takes the last.
fn renamed(metadata: &Metadata, sysroot: &Path, commit: &str) -> Vec<(PathBuf, String)> {
    let mut renamed = Vec::new();
    let sources = metadata.source_folders();
    // registry/src/NAME-OF-THE-REGISTRY lies in cargo's home, as checkouts do.
    for home in sources.iter().filter_map(|folder| folder.ancestors().nth(3)) {
        renamed.push((home.to_path_buf(), "/cargo".to_owned()));
    }
    renamed.dedup();
    renamed.extend(sources.into_iter().map(|folder| (folder, "/crates".to_owned())));
    // As the toolchain's own builders name it; a machine that has std's sources names its own.
    let of_std = sysroot.join("lib/rustlib/src/rust");
    renamed.push((of_std, format!("/rustc/{commit}")));
    renamed.push((metadata.workspace_root.clone(), "/aigen".to_owned()));
    renamed.push((metadata.target_directory.clone(), "/aigen/target".to_owned()));
    renamed
}

/// As cargo reads them from `CARGO_ENCODED_RUSTFLAGS`.
fn encoded(arch: Arch, renamed: &[(PathBuf, String)]) -> Result<String> {
    let cpu = match arch {
        // What cargo-lambda takes for a release: AWS's are never older.
        Arch::Arm64 => "neoverse-n1",
        Arch::X86_64 => "haswell",
    };
    let mut flags = vec![
        "-C".to_owned(),
        format!("target-cpu={cpu}"),
        // A panic ends the process: nobody unwinds, and a backtrace of a stripped program has no
        // names. A twelfth of each zip was these tables.
        "-C".to_owned(),
        "force-unwind-tables=no".to_owned(),
    ];
    for (folder, name) in renamed {
        let folder = folder.to_str().context("a folder's name is not UTF-8")?;
        flags.push(format!("--remap-path-prefix={folder}={name}"));
    }
    Ok(flags.join("\x1f"))
}

/// What a program must not name: what was renamed, and the person's home.
fn folders(renamed: &[(PathBuf, String)], home: Option<&Path>) -> Result<Vec<String>> {
    let mut folders = Vec::new();
    for folder in renamed.iter().map(|(folder, _)| folder.as_path()).chain(home) {
        let text = folder.to_str().context("a folder's name is not UTF-8")?;
        // The root of all is in every path.
        if text.len() > 1 {
            folders.push(format!("{}/", text.trim_end_matches('/')));
        }
    }
    folders.sort();
    folders.dedup();
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn renamings() -> Vec<(PathBuf, String)> {
        let metadata =
            Metadata::of_test("/w here", "/w here/target", &["/h/.cargo/registry/src/x"]);
        renamed(&metadata, Path::new("/h/.rustup/t"), "0123")
    }

    #[test]
    fn every_folder_has_a_name_that_is_the_same_on_every_machine() {
        let renamed = renamings();
        let name = |folder: &str| {
            let found = renamed.iter().rev().find(|(it, _)| Path::new(folder).starts_with(it));
            found.map(|(_, name)| name.as_str())
        };
        assert_eq!(name("/w here/shared/src/a.rs"), Some("/aigen"));
        assert_eq!(name("/w here/target/release/build/b/out"), Some("/aigen/target"));
        assert_eq!(name("/h/.cargo/registry/src/x/serde-1.0.0/a.rs"), Some("/crates"));
        assert_eq!(name("/h/.cargo/git/checkouts/y"), Some("/cargo"));
        assert_eq!(name("/h/.rustup/t/lib/rustlib/src/rust/library"), Some("/rustc/0123"));
    }

    #[test]
    fn flags_keep_folders_with_spaces_whole() {
        let flags = encoded(Arch::Arm64, &renamings()).unwrap();
        let flags: Vec<&str> = flags.split('\x1f').collect();
        assert_eq!(flags[..2], ["-C", "target-cpu=neoverse-n1"]);
        assert!(flags.contains(&"--remap-path-prefix=/w here=/aigen"), "{flags:?}");
    }

    #[test]
    fn what_a_program_must_not_name_ends_as_a_folder() {
        let folders = folders(&renamings(), Some(Path::new("/root"))).unwrap();
        assert!(folders.contains(&"/root/".to_owned()), "{folders:?}");
        assert!(folders.contains(&"/w here/".to_owned()), "{folders:?}");
        assert!(folders.iter().all(|it| it.len() > 2));
        assert!(super::folders(&[], Some(Path::new("/"))).unwrap().is_empty());
    }

    #[test]
    fn the_real_toolchain_is_named() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert!(toolchain(&root).unwrap().split('.').count() == 3);
    }
}
