//! Files and folders that nobody else on the machine can read: `.local` holds keys, passwords, and
//! what users wrote.

use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

use super::stamp;

/// The user and group `nobody`, by which PostgreSQL runs when the person is root.
pub(super) const NOBODY: u32 = 65534;
const OWNER_ONLY: u32 = 0o700;
/// For a folder that the user `nobody` has to pass through: it can neither list nor write it.
const OWNER_AND_PASSAGE: u32 = 0o710;

/// Makes a folder and the missing ones above it for its owner only. One that is there already is
/// closed to others if it was open.
pub(super) fn make_dir(dir: &Path) -> Result<()> {
    let make = || -> std::io::Result<()> {
        DirBuilder::new().recursive(true).mode(OWNER_ONLY).create(dir)?;
        let found = fs::metadata(dir)?;
        let mode = found.mode() & 0o7777;
        if mode == OWNER_ONLY || (mode == OWNER_AND_PASSAGE && found.gid() == NOBODY) {
            return Ok(());
        }
        fs::set_permissions(dir, Permissions::from_mode(OWNER_ONLY))
    };
    make().with_context(|| format!("{} cannot be made for its owner only", dir.display()))
}

/// Lets the user `nobody` pass through a folder of the person, who must be root, to what it may
/// read below.
pub(super) fn let_nobody_through(dir: &Path) -> Result<()> {
    let open = || -> std::io::Result<()> {
        std::os::unix::fs::chown(dir, None, Some(NOBODY))?;
        fs::set_permissions(dir, Permissions::from_mode(OWNER_AND_PASSAGE))
    };
    open().with_context(|| format!("{} cannot be opened for the user nobody", dir.display()))
}

/// Writes a file that only its owner can read, in one move: a reader sees the old one or the whole
/// new one, and at no moment one that others can read.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let next = path.with_extension("next");
    stamp::remove(&next)?;
    let write = || -> std::io::Result<()> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&next)?
            .write_all(text.as_bytes())?;
        fs::rename(&next, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("aigen-private-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).unwrap();
        dir
    }

    #[test]
    fn every_folder_that_is_made_is_closed_to_others() {
        let dir = scratch("made");
        make_dir(&dir.join("a/b")).unwrap();
        assert_eq!((mode(&dir.join("a")), mode(&dir.join("a/b"))), (0o700, 0o700));
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn an_open_folder_is_closed_and_keeps_what_is_in_it() {
        let dir = scratch("open");
        fs::write(dir.join("kept"), "").unwrap();
        for wide in [0o755, 0o777, 0o710, 0o1777] {
            fs::set_permissions(&dir, Permissions::from_mode(wide)).unwrap();
            make_dir(&dir).unwrap();
            assert_eq!(mode(&dir), 0o700, "from {wide:o}");
        }
        assert!(dir.join("kept").exists());
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_secret_takes_the_place_of_a_readable_file_and_is_not_readable_itself() {
        let dir = scratch("secret");
        let path = dir.join("secret");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        fs::write(path.with_extension("next"), "left by a run that was cut off").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(!path.with_extension("next").exists());
        fs::remove_dir_all(dir).unwrap();
    }
}
