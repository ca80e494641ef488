//! How far a run is, in a file beside the one that is sent.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use indicatif::HumanCount;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::Priority;
use super::source::hex;

/// The form of the file. Another one is not read.
const VERSION: u32 = 1;

/// What decides what is sent, besides the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Options {
    pub user: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub priority: Option<Priority>,
    pub batch_size: u16,
}

/// As they are typed.
impl Display for Options {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, kind, priority, batch_size } = self;
        write!(out, "--as {user} --type {kind} --batch-size {batch_size}")?;
        match priority {
            None => Ok(()),
            Some(priority) => write!(out, " --{}", priority.as_str()),
        }
    }
}

/// What is known to be done. Beside the file's texts it holds none of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    version: u32,
    /// The digest of the file.
    pub digest: String,
    pub options: Options,
    /// Where refused rows are written, and how much of it is known to be right.
    pub refused_file: PathBuf,
    pub refused_bytes: u64,
    /// How many the file has.
    pub rows: u64,
    /// How many of them, from the first on, were sent or found unreadable.
    pub taken: u64,
    /// Those of them that are to be sent again.
    pub held: Vec<Held>,
    /// The number of the next batch, from 1.
    pub next_batch: u64,
    pub accepted: u64,
    /// How many rows were refused, by code.
    pub refused_by_code: BTreeMap<String, u64>,
    /// Batches of which something was accepted.
    pub batch_ids: Vec<String>,
    /// Whether there is nothing left to do.
    pub whole: bool,
}

/// A row that was refused for now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Its number, from 1.
    pub row: u64,
    /// How often.
    pub tries: u32,
}

impl State {
    /// Nothing is done yet.
    pub(super) const fn new(
        digest: String,
        rows: u64,
        options: Options,
        refused_file: PathBuf,
    ) -> Self {
        Self {
            version: VERSION,
            digest,
            options,
            refused_file,
            refused_bytes: 0,
            rows,
            taken: 0,
            held: Vec::new(),
            next_batch: 1,
            accepted: 0,
            refused_by_code: BTreeMap::new(),
            batch_ids: Vec::new(),
            whole: false,
        }
    }

    /// Where to go on: `self`, which has nothing done yet, or what an earlier run has `found` to be
    /// done. That has to be of the same file, sent in the same way.
    pub(super) fn or_found(self, found: Option<Self>, path: &Path) -> Result<Self> {
        let Some(found) = found else {
            return Ok(self);
        };
        let (done, rows) = (HumanCount(found.done()), HumanCount(found.rows));
        let shown = path.display();
        ensure!(
            found.digest == self.digest,
            "the file has changed since {done} of its {rows} rows were sent ({shown} says so). \
             Bring its old content back to go on; or send all of the changed file: rm {shown}"
        );
        ensure!(
            found.options == self.options,
            "the file was begun with other options, and {done} of its {rows} rows are sent: go on \
             with {}",
            found.options
        );
        ensure!(
            found.refused_file == self.refused_file,
            "refused rows of this file are in {}: go on with --refused {0}",
            found.refused_file.display()
        );
        Ok(found)
    }

    /// Rows that were accepted or refused for good.
    pub(super) fn done(&self) -> u64 {
        self.taken.saturating_sub(self.held.len() as u64)
    }

    /// Rows that were refused for good.
    pub(super) fn refused(&self) -> u64 {
        self.refused_by_code.values().sum()
    }

    /// Under which the next batch is sent: the same for the same file, options and place.
    pub(super) fn key(&self, dry_run: bool) -> String {
        let Self { digest, options, next_batch, .. } = self;
        let text = format!("aigen submit, batch\n{digest}\n{options}\n{dry_run}\n{next_batch}");
        hex(&Sha256::digest(text))
    }

    /// What an earlier run has left at `path`.
    pub(super) fn read(path: &Path) -> Result<Option<Self>> {
        let shown = path.display();
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("{shown} cannot be read"))?,
        };
        match serde_json::from_str::<Self>(&text) {
            Ok(state) if state.version == VERSION => Ok(Some(state)),
            Ok(state) => bail!("{shown} is of version {}, of another aigen", state.version),
            Err(error) => Err(error).with_context(|| {
                format!("{shown} does not say how far the run is; without it, it begins anew")
            }),
        }
    }

    /// Writes it in one move: whatever happens, the old one or the whole new one is there.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let mut next = path.as_os_str().to_owned();
        next.push(".next");
        let next = PathBuf::from(next);
        let text = serde_json::to_string_pretty(self).context("the state is no JSON")?;
        let write = || -> std::io::Result<()> {
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, path)
        };
        write().with_context(|| format!("{} cannot be written", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let options = Options {
            user: "demo".to_owned(),
            kind: "SUBGOAL_GENERATION".to_owned(),
            priority: Some(Priority::Low),
            batch_size: 100,
        };
        State::new("d".to_owned(), 1_000, options, "/x.refused.jsonl".into())
    }

    fn found() -> State {
        State { taken: 300, held: vec![Held { row: 7, tries: 1 }], ..state() }
    }

    fn go_on(found: State) -> Result<State> {
        state().or_found(Some(found), Path::new("x.state"))
    }

    #[test]
    fn a_second_run_goes_on_from_what_the_first_has_done() {
        assert_eq!(go_on(found()).unwrap(), found());
        assert_eq!(state().or_found(None, Path::new("x.state")).unwrap(), state());
    }

    #[test]
    fn a_changed_file_is_refused_and_what_to_do_is_said() {
        let error = go_on(State { digest: "e".to_owned(), ..found() }).unwrap_err().to_string();
        assert!(error.contains("299 of its 1,000 rows") && error.contains("rm x.state"), "{error}");
    }

    #[test]
    fn other_options_are_refused_and_the_right_ones_are_named() {
        let options = Options { batch_size: 50, priority: None, ..state().options };
        let error = go_on(State { options, ..found() }).unwrap_err().to_string();
        let right = "go on with --as demo --type SUBGOAL_GENERATION --batch-size 50";
        assert!(error.ends_with(right), "{error}");
        let elsewhere = State { refused_file: "/y".into(), ..found() };
        let error = go_on(elsewhere).unwrap_err().to_string();
        assert!(error.ends_with("--refused /y"), "{error}");
    }

    #[test]
    fn each_batch_has_a_key_that_stays_the_same() {
        let next = State { next_batch: 2, ..state() };
        assert_eq!(state().key(false), found().key(false));
        let keys = [state().key(false), state().key(true), next.key(false)];
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
        assert!(keys.iter().all(|key| key.len() == 64));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let path = std::env::temp_dir().join(format!("aigen-state-{}", std::process::id()));
        found().write(&path).unwrap();
        found().write(&path).unwrap();
        assert_eq!(State::read(&path).unwrap(), Some(found()));
        fs::write(&path, "{").unwrap();
        assert!(State::read(&path).unwrap_err().to_string().contains("begins anew"));
        fs::remove_file(&path).unwrap();
        assert_eq!(State::read(&path).unwrap(), None);
    }
}
