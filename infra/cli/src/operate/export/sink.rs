//! Where the lines go. A file is written under another name beside it, and gets its own only when
//! everything is in it; what an interrupted export has left under the other name is gone on with.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What is read of a line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    process_id: String,
    created_at: DateTime<Utc>,
    events: Vec<IgnoredAny>,
}

/// A process as it is written.
#[derive(Debug)]
pub(super) struct Line {
    text: String,
    read: Read,
}

impl Line {
    /// The line of a process of a page.
    pub(super) fn of(process: &Value) -> Result<Self> {
        let read = Read::deserialize(process)
            .context("diagnostics answered a process that this aigen does not understand")?;
        Ok(Self { text: process.to_string(), read })
    }

    pub(super) fn id(&self) -> &str {
        &self.read.process_id
    }

    pub(super) const fn accepted_at(&self) -> DateTime<Utc> {
        self.read.created_at
    }

    pub(super) const fn events(&self) -> u64 {
        self.read.events.len() as u64
    }
}

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Sink {
    /// To standard output.
    Printed,
    /// Into a file.
    File {
        file: BufWriter<File>,
        /// Its name until everything is in it.
        partial: PathBuf,
        path: PathBuf,
    },
}

impl Sink {
    /// Into the file at `path`, or to standard output. `after`: what an earlier run has written up
    /// to that process stays.
    pub(super) fn open(path: Option<&Path>, after: Option<&str>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Printed) };
        let mut name = OsString::from(path);
        name.push(".partial");
        let partial = PathBuf::from(name);
        let open = || -> std::io::Result<File> {
            let mut options = OpenOptions::new();
            // Whatever users wrote is in it.
            options.read(true).write(true).create(true).truncate(false).mode(0o600);
            let mut file = options.open(&partial)?;
            let kept = after.map_or(Ok(0), |after| length_up_to(&file, after))?;
            file.set_len(kept)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = open().with_context(|| format!("{} cannot be written", partial.display()))?;
        Ok(Self::File { file: BufWriter::new(file), partial, path: path.to_owned() })
    }

    /// Writes `lines`, all of them, before it returns.
    pub(super) fn write(&mut self, lines: &[Line]) -> Result<()> {
        let (out, name): (&mut dyn Write, _) = match self {
            Self::Printed => (&mut std::io::stdout().lock(), "standard output".to_owned()),
            Self::File { file, partial, .. } => (file, partial.display().to_string()),
        };
        let mut write = || -> std::io::Result<()> {
            for line in lines {
                out.write_all(line.text.as_bytes())?;
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        write().with_context(|| format!("{name} cannot be written"))
    }

    /// Gives the file its name, and says where everything is.
    pub(super) fn finish(self) -> Result<String> {
        let Self::File { file, partial, path } = self else { return Ok("printed".to_owned()) };
        let finish = || -> std::io::Result<()> {
            file.into_inner()?.sync_all()?;
            fs::rename(&partial, &path)
        };
        finish().with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(format!("written to {}", path.display()))
    }
}

/// How many bytes of `file` are whole lines of processes up to `after`. Ids are in order, and so is
/// their text.
fn length_up_to(file: &File, after: &str) -> std::io::Result<u64> {
    let mut reader = BufReader::new(file);
    let (mut length, mut line) = (0, Vec::new());
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        let is_kept = line.ends_with(b"\n")
            && serde_json::from_slice::<Read>(&line)
                .is_ok_and(|read| read.process_id.as_str() <= after);
        if !is_kept {
            return Ok(length);
        }
        length += u64::try_from(read).map_err(|_| ErrorKind::FileTooLarge)?;
    }
}
