//! Fingerprints of what a step was made from, so that a later run can tell that there is nothing to
//! do.
//!
//! A stamp is written last, and in one move: a step that was interrupted has none and is done
//! again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Collects what a step depends on.
pub(super) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a text. Its length goes in front, so that two texts can never be read as two others.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.add(text.as_bytes());
        self
    }

    /// Adds a file, or all files below a folder, by name and content. A path that is not there
    /// counts as empty.
    pub(super) fn tree(mut self, root: &Path, relative: &str) -> Result<Self> {
        let mut files = Vec::new();
        collect(&root.join(relative), &mut files)?;
        files.sort();
        for file in files {
            let content =
                fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            self.add(name.as_bytes());
            self.add(&content);
        }
        Ok(self)
    }

    /// Adds the content of a file that must be there.
    pub(super) fn file(mut self, path: &Path) -> Result<Self> {
        let content =
            fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        self.add(&content);
        Ok(self)
    }

    pub(super) fn finish(self) -> String {
        self.0.finalize().iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }

    fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if path.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    for entry in entries {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// Whether the stamp at `path` says `fingerprint`.
pub(super) fn matches(path: &Path, fingerprint: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|text| text.trim() == fingerprint)
}

/// Writes a file so that a reader sees the old one or the whole new one.
pub(super) fn write_whole(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    let next = path.with_extension("next");
    let write = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&next, content)?;
        fs::rename(&next, path)
    };
    write().with_context(|| format!("{} cannot be written", path.display()))
}

/// Removes a file; one that is not there is as good as removed.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("{} cannot be removed", path.display()))
        }
        _ => Ok(()),
    }
}

/// A number that differs by clone and stays the same for one.
pub(super) fn seed(root: &Path) -> u64 {
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("aigen-stamp-{name}-{}", std::process::id()));
        fs::create_dir_all(dir.join("tree/deep")).unwrap();
        dir
    }

    #[test]
    fn a_changed_renamed_or_added_file_changes_the_fingerprint() {
        let dir = scratch("tree");
        let of = || Fingerprint::new().tree(&dir, "tree").unwrap().finish();
        fs::write(dir.join("tree/deep/a"), "1").unwrap();
        let first = of();
        assert_eq!(first, of());
        fs::write(dir.join("tree/deep/a"), "2").unwrap();
        let changed = of();
        fs::rename(dir.join("tree/deep/a"), dir.join("tree/a")).unwrap();
        let renamed = of();
        fs::write(dir.join("tree/b"), "").unwrap();
        let added = of();
        let mut all = vec![first, changed, renamed, added];
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn texts_do_not_run_together() {
        let of = |parts: [&str; 2]| Fingerprint::new().text(parts[0]).text(parts[1]).finish();
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
    }

    #[test]
    fn a_missing_stamp_matches_nothing_and_a_written_one_its_fingerprint() {
        let dir = scratch("stamp");
        let stamp = dir.join("stamp");
        assert!(!matches(&stamp, "x"));
        write_whole(&stamp, "x\n").unwrap();
        assert!(matches(&stamp, "x"));
        assert!(!matches(&stamp, "y"));
        fs::remove_dir_all(dir).unwrap();
    }
}
