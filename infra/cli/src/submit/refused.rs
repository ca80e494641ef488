//! The rows that were refused, as JSON lines that can be corrected and submitted.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::envelope::Refusal;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Refused {
    /// Where the row begins in the file.
    pub line: u64,
    #[serde(flatten)]
    pub what: What,
    pub error: Refusal,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum What {
    Request(Value),
    /// A row that cannot be read.
    Text(String),
}

/// The file that they are written to; none is made where nothing is refused.
pub(super) struct RefusedFile<'a> {
    path: &'a Path,
}

impl<'a> RefusedFile<'a> {
    /// Begins anew: what an earlier run has left there is removed. A file of someone else's is not.
    pub(super) fn anew(path: &'a Path) -> Result<Self> {
        let shown = path.display();
        let mut head = Vec::new();
        match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self { path }),
            Err(error) => Err(error),
            Ok(file) => file.take(64).read_to_end(&mut head),
        }
        .with_context(|| format!("{shown} cannot be read"))?;
        ensure!(
            head.is_empty() || head.starts_with(b"{\"line\":"),
            "{shown} holds something else than refused rows: name another file by --refused"
        );
        std::fs::remove_file(path).with_context(|| format!("{shown} cannot be removed"))?;
        Ok(Self { path })
    }

    /// Goes on behind the first `bytes`: what a run that was cut off has written behind them is
    /// found again.
    pub(super) fn behind(path: &'a Path, bytes: u64) -> Result<Self> {
        let cut = || match OpenOptions::new().write(true).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(file) if file.metadata()?.len() > bytes => file.set_len(bytes),
            Ok(_) => Ok(()),
        };
        cut().with_context(|| format!("{} cannot be written", path.display()))?;
        Ok(Self { path })
    }

    /// Adds rows, and gives the file's length behind them, so that it can be gone back to. Only its
    /// owner can read it, for it holds what users wrote.
    pub(super) fn add(&self, rows: &[Refused]) -> Result<Option<u64>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).context("a refused row is no JSON")?;
            lines.push(b'\n');
        }
        let write = || -> std::io::Result<u64> {
            let mut file =
                OpenOptions::new().create(true).append(true).mode(0o600).open(self.path)?;
            file.write_all(&lines)?;
            file.seek(SeekFrom::End(0))
        };
        let length =
            write().with_context(|| format!("{} cannot be written", self.path.display()))?;
        Ok(Some(length))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("aigen-refused-{}-{name}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    fn row(line: u64) -> Refused {
        let error = Refusal { code: "VALIDATION_ERROR".to_owned(), ..Refusal::default() };
        Refused { line, what: What::Request(json!({"params": {}})), error }
    }

    #[test]
    fn a_row_tells_its_line_what_it_asked_and_why_it_was_refused() {
        let text = Refused { what: What::Text("{".to_owned()), ..row(7) };
        assert_eq!(
            serde_json::to_value(row(3)).unwrap(),
            json!({"line": 3, "request": {"params": {}},
                   "error": {"code": "VALIDATION_ERROR", "message": "", "retryable": false}})
        );
        assert_eq!(serde_json::to_value(text).unwrap()["text"], "{");
    }

    #[test]
    fn where_nothing_is_refused_no_file_is_made() {
        let path = scratch("none");
        assert_eq!(RefusedFile::anew(&path).unwrap().add(&[]).unwrap(), None);
        assert!(!path.exists());
    }

    #[test]
    fn going_on_takes_back_what_was_written_behind_the_state() {
        let path = scratch("behind");
        let file = RefusedFile::anew(&path).unwrap();
        let known = file.add(&[row(1)]).unwrap().unwrap();
        file.add(&[row(2)]).unwrap();
        RefusedFile::behind(&path, known).unwrap().add(&[row(3)]).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["line"].clone())
            .collect();
        assert_eq!(lines, [1, 3]);
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn beginning_anew_removes_refused_rows_and_nothing_else() {
        let path = scratch("anew");
        RefusedFile::anew(&path).unwrap().add(&[row(1)]).unwrap();
        RefusedFile::anew(&path).unwrap();
        assert!(!path.exists());
        fs::write(&path, "my notes").unwrap();
        assert!(RefusedFile::anew(&path).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "my notes");
        fs::remove_file(path).unwrap();
    }
}
