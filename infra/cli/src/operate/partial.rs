//! A file that is there whole or not at all: it is written under another name beside it, and gets
//! its own only when everything is in it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

/// What is stored is nobody's business but the operator's.
const MODE: u32 = 0o600;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Partial {
    file: BufWriter<File>,
    /// Its name until everything is in it.
    beside: PathBuf,
    path: PathBuf,
}

impl Partial {
    /// What will be the file at `path`. Of what an earlier run has left under the other name, as
    /// many bytes stay as `kept` says.
    ///
    /// # Errors
    /// Also when something else than a plain file has one of the two names: nobody meant it to be
    /// replaced, or written through.
    pub(super) fn open(
        path: &Path,
        kept: impl FnOnce(&File) -> std::io::Result<u64>,
    ) -> Result<Self> {
        let mut name = OsString::from(path);
        name.push(".partial");
        let beside = PathBuf::from(name);
        ensure_plain(path)?;
        ensure_plain(&beside)?;
        let open = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(MODE);
            // Whoever else writes in this folder may have been quicker than the look at it.
            let mut file = options.custom_flags(O_NOFOLLOW | O_NONBLOCK).open(&beside)?;
            // One that was there has the mode that it was made with.
            file.set_permissions(Permissions::from_mode(MODE))?;
            let kept = kept(&file)?;
            file.set_len(kept)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().with_context(|| format!("{} cannot be written", beside.display()))?;
        Ok(Self { file: BufWriter::new(file), beside, path: path.to_owned() })
    }

    /// Writes all of what `write` writes before it returns.
    pub(super) fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
    ) -> Result<()> {
        write(&mut self.file)
            .and_then(|()| self.file.flush())
            .with_context(|| format!("{} cannot be written", self.beside.display()))
    }

    /// Gives the file its name, and says where everything is.
    pub(super) fn finish(self) -> Result<String> {
        let Self { file, beside, path } = self;
        let finish = || -> std::io::Result<()> {
            file.into_inner()?.sync_all()?;
            fs::rename(&beside, &path)
        };
        finish().with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(format!("written to {}", path.display()))
    }

    /// Leaves nothing of it.
    pub(super) fn discard(self) {
        // Nobody is helped by hearing that an empty file has stayed.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Refuses what is there and is no plain file of that one name.
fn ensure_plain(path: &Path) -> Result<()> {
    // What else keeps it from being written, opening it tells.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let (kind, path) = (found.file_type(), path.display());
    ensure!(!kind.is_dir(), "{path} is a folder: name a file in it");
    ensure!(!kind.is_symlink(), "{path} is a link: name a file itself, or remove the link");
    ensure!(
        kind.is_file(),
        "{path} is a pipe or a device, and the file has to be there whole or not at all: name \
         another"
    );
    ensure!(
        found.nlink() == 1,
        "{path} has other names (it is linked), under which it would change too: remove it, or \
         name another"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::super::testing::Dir;
    use super::*;

    /// Puts something at a path.
    type Make<'a> = &'a dyn Fn(&Path);

    fn open(path: &Path) -> Result<Partial> {
        Partial::open(path, |_| Ok(0))
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_no_plain_file_is_refused_under_both_names_before_anything_is_fetched() {
        let dir = Dir::of("partial-other");
        let make: [(&str, Make<'_>); 5] = [
            ("is a folder", &|at| fs::create_dir(at).unwrap()),
            ("is a pipe", &|at| {
                assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
            }),
            ("is a link", &|at| symlink(dir.path().join("other"), at).unwrap()),
            ("is a link", &|at| symlink("nowhere", at).unwrap()),
            ("has other names", &|at| fs::hard_link(dir.path().join("other"), at).unwrap()),
        ];
        fs::write(dir.path().join("other"), "somebody's").unwrap();
        for (number, (told, make)) in make.iter().enumerate() {
            for ending in ["", ".partial"] {
                let path = dir.path().join(format!("{number}{ending}"));
                make(&path);
                let error = open(&dir.path().join(number.to_string())).unwrap_err().to_string();
                assert!(error.contains(told) && error.contains(ending), "{error}");
                if path.is_dir() { fs::remove_dir(&path) } else { fs::remove_file(&path) }.unwrap();
            }
        }
        assert_eq!(fs::read_to_string(dir.path().join("other")).unwrap(), "somebody's");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
    }

    #[test]
    fn it_is_the_operators_alone_whatever_the_mode_was_of_what_is_replaced() {
        let dir = Dir::of("partial-mode");
        let path = dir.path().join("file");
        let beside = dir.path().join("file.partial");
        for path in [&path, &beside] {
            fs::write(path, "before").unwrap();
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        let mut file = open(&path).unwrap();
        assert_eq!(mode(&beside), 0o600, "while it is written");
        file.write(|out| out.write_all(b"after")).unwrap();
        file.finish().unwrap();
        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "after"));
    }
}
