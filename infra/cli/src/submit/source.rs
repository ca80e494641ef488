//! The file that is sent: what it holds, and that it stays the same while it is read.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use super::rows::{Form, Rows};

/// Bytes that tell the form of a file.
const HEAD: usize = 4_096;

/// A file that has been looked through once, and that no other run sends meanwhile.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    file: File,
    form: Form,
    /// Of all its bytes.
    pub digest: String,
    /// How many there are, the unreadable ones too.
    pub rows: u64,
    seen: Seen,
}

/// By which a change is noticed.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    changed: SystemTime,
}

impl Source {
    /// Opens the file, locks it and counts its rows.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        let file = File::open(path).with_context(|| format!("{shown} cannot be opened"))?;
        let kind = file.metadata().with_context(|| format!("{shown} cannot be read"))?;
        ensure!(kind.is_file(), "{shown} is not a file: it is read twice, so a pipe will not do");
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("another `aigen submit` is sending {shown}"),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("{shown} cannot be locked"));
            }
        }
        let look = || -> Result<_> {
            let seen = Seen::of(&file)?;
            let mut head = vec![0; HEAD];
            let length = file.read_at(&mut head, 0)?;
            let form = form(path, &head[..length])?;
            let mut hashing = Hashing { inner: &file, hash: Sha256::new() };
            let mut rows = Rows::of(form, &mut hashing)?;
            let mut count = 0;
            while rows.skip()? {
                count += 1;
            }
            ensure!(count > 0, "it has no rows");
            Ok((seen, form, hashing.finish(), count))
        };
        let (seen, form, digest, rows) =
            look().with_context(|| format!("{shown} cannot be sent"))?;
        Ok(Self { path: path.to_owned(), file, form, digest, rows, seen })
    }

    /// Its rows, from the first.
    pub(super) fn rows(&self) -> Result<Rows<File>> {
        let again = || -> io::Result<File> {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            Ok(file)
        };
        Rows::of(self.form, again().with_context(|| format!("{} is gone", self.path.display()))?)
    }

    /// Whether the rows that come next are those that were counted.
    pub(super) fn ensure_unchanged(&self) -> Result<()> {
        ensure!(
            Seen::of(&self.file)? == self.seen,
            "{} was changed while it was being sent",
            self.path.display()
        );
        Ok(())
    }

    /// Whether `path` is this very file.
    pub(super) fn is(&self, path: &Path) -> bool {
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        self.file.metadata().map(id).ok() == std::fs::metadata(path).map(id).ok()
    }
}

impl Seen {
    fn of(file: &File) -> Result<Self> {
        let metadata = file.metadata().context("the file is gone")?;
        let changed = metadata.modified().context("the file has no time of its last change")?;
        Ok(Self { bytes: metadata.len(), changed })
    }
}

/// How a file holds its rows, by its name or else by its beginning.
fn form(path: &Path, head: &[u8]) -> Result<Form> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    let first = head.iter().find(|byte| byte.is_ascii_graphic());
    match (extension.as_deref(), first) {
        (Some("csv"), _) => Ok(Form::Csv),
        (_, Some(b'[')) => bail!(
            "it holds one JSON array, and has to hold an object a line: `jq -c '.[]'` makes that \
             of it"
        ),
        (Some("jsonl" | "ndjson" | "json"), _) | (_, Some(b'{')) => Ok(Form::JsonLines),
        _ => Ok(Form::Csv),
    }
}

/// Hashes what is read through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R> Hashing<R> {
    fn finish(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(&buffer[..read]);
        Ok(read)
    }
}

/// Bytes as a text that can be compared, kept and sent.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn scratch(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("aigen-source-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn the_form_is_told_by_the_name_or_the_beginning() {
        let form = |path: &str, head: &str| form(Path::new(path), head.as_bytes());
        assert_eq!(form("a.CSV", "{").unwrap(), Form::Csv);
        assert_eq!(form("a.jsonl", "").unwrap(), Form::JsonLines);
        assert_eq!(form("a", "\n \u{feff}{\"title\":1}").unwrap(), Form::JsonLines);
        assert_eq!(form("a.txt", "title").unwrap(), Form::Csv);
        assert!(form("a.json", "[{}]").unwrap_err().to_string().contains("jq -c"));
    }

    #[test]
    fn a_file_is_known_by_its_bytes_and_counted() {
        let path = scratch("a.jsonl", "{}\n\nnonsense\n{}");
        let source = Source::open(&path).unwrap();
        assert_eq!(source.rows, 3);
        assert_eq!(source.digest, hex(&Sha256::digest(b"{}\n\nnonsense\n{}")));
        let mut rows = source.rows().unwrap();
        assert_eq!(rows.next().unwrap().unwrap().line, 1);
        assert!(source.is(&path) && !source.is(Path::new("/dev/null")));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn two_runs_do_not_send_one_file_at_once() {
        let path = scratch("b.jsonl", "{}");
        let first = Source::open(&path).unwrap();
        assert!(Source::open(&path).unwrap_err().to_string().contains("another `aigen submit`"));
        drop(first);
        Source::open(&path).unwrap();
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_change_under_way_is_noticed() {
        let path = scratch("c.jsonl", "{}");
        let source = Source::open(&path).unwrap();
        source.ensure_unchanged().unwrap();
        fs::write(&path, "{}\n{}").unwrap();
        assert!(source.ensure_unchanged().is_err());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_empty_file_and_a_folder_are_refused() {
        let path = scratch("d.jsonl", "\n\n");
        let error = Source::open(&path).unwrap_err();
        assert!(format!("{error:#}").contains("no rows"), "{error:#}");
        fs::remove_file(path).unwrap();
        assert!(Source::open(&std::env::temp_dir()).is_err());
    }
}
