//! A file that is there whole or not at all: it is written under another name beside it, and gets
//! its own only when everything is in it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

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
    pub(super) fn open(
        path: &Path,
        kept: impl FnOnce(&File) -> std::io::Result<u64>,
    ) -> Result<Self> {
        let mut name = OsString::from(path);
        name.push(".partial");
        let beside = PathBuf::from(name);
        let open = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            // What is stored is nobody's business but the operator's.
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let mut file = options.open(&beside)?;
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
