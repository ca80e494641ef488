//! Where the lines go: to standard output, or into a file that is there only when everything is in
//! it. What an interrupted export has left is gone on with.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::Path;

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use crate::operate::partial::Partial;

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
    File(Partial),
}

impl Sink {
    /// Into the file at `path`, or to standard output. `after`: what an earlier run has written up
    /// to that process stays.
    pub(super) fn open(path: Option<&Path>, after: Option<&str>) -> Result<Self> {
        let Some(path) = path else { return Ok(Self::Printed) };
        let kept = |file: &File| after.map_or(Ok(0), |after| length_up_to(file, after));
        Ok(Self::File(Partial::open(path, kept)?))
    }

    /// Writes `lines`, all of them, before it returns.
    pub(super) fn write(&mut self, lines: &[Line]) -> Result<()> {
        let write = |out: &mut dyn Write| -> std::io::Result<()> {
            for line in lines {
                out.write_all(line.text.as_bytes())?;
                out.write_all(b"\n")?;
            }
            out.flush()
        };
        match self {
            Self::Printed => {
                write(&mut std::io::stdout().lock()).context("standard output cannot be written")
            }
            Self::File(file) => file.write(write),
        }
    }

    /// Gives the file its name, and says where everything is.
    pub(super) fn finish(self) -> Result<String> {
        match self {
            Self::Printed => Ok("printed".to_owned()),
            Self::File(file) => file.finish(),
        }
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
