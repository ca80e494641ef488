//! One file on its way: batch after batch, and the state written behind each.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use super::SubmitArgs;
use super::api::Api;
use super::batch::{Batches, Outcome, sort};
use super::pace::Pace;
use super::progress::Progress;
use super::refused::{Refused, RefusedFile};
use super::request::Defaults;
use super::source::Source;
use super::state::{Held, State};

/// What is to be done, and how much of it is.
pub(super) struct Job {
    source: Source,
    state: State,
    state_path: PathBuf,
    dry_run: bool,
}

impl Job {
    /// Begins, or goes on where an earlier run stopped. A dry run always begins, and leaves no
    /// state.
    pub(super) fn begin(args: &SubmitArgs, source: Source) -> Result<Self> {
        let (state_path, dry_run) = (args.state_path(), args.dry_run);
        // Absolute: the next run may be started from another folder.
        let refused_path = std::path::absolute(args.refused_path())
            .context("the current folder cannot be read")?;
        for path in [&state_path, &refused_path] {
            ensure!(!source.is(path), "{} is the file that is sent", path.display());
        }
        let new = State::new(source.digest.clone(), source.rows, args.options(), refused_path);
        let found = if dry_run { None } else { State::read(&state_path)? };
        let state = new.or_found(found, &state_path)?;
        Ok(Self { source, state, state_path, dry_run })
    }

    /// How far it is.
    pub(super) const fn state(&self) -> &State {
        &self.state
    }

    /// Sends what is left. It can be dropped at any moment, and begun again.
    pub(super) async fn run(
        &mut self,
        api: &Api<impl AsyncFn() -> Result<String>>,
        pace: Pace,
        progress: &mut Progress,
    ) -> Result<()> {
        let refused_path = self.state.refused_file.clone();
        let refused_file = if self.state.taken == 0 {
            RefusedFile::anew(&refused_path)?
        } else {
            RefusedFile::behind(&refused_path, self.state.refused_bytes)?
        };
        let mut batches = self.batches()?;
        let mut waits = 0;
        loop {
            let batch = batches.next()?;
            self.source.ensure_unchanged()?;
            ensure!(!batch.is_empty(), "the file has fewer rows than were counted");
            let mut outcome = Outcome::default();
            let mut batch_id = None;
            if !batch.items.is_empty() {
                let (body, key) = (batch.body(self.dry_run), self.state.key(self.dry_run));
                let verdicts = api.judge(&body, &key, pace, progress).await?;
                batch_id.clone_from(&verdicts.batch_id);
                outcome = sort(batch.items, &verdicts, self.dry_run)?;
            }
            outcome.refused.extend(batch.unreadable);
            outcome.refused.sort_by_key(|refused| refused.line);
            if let Some(length) = refused_file.add(&outcome.refused)? {
                self.state.refused_bytes = length;
            }
            self.take_in(batches.taken(), &outcome, batch_id);
            self.keep()?;
            progress.show(&self.state);
            if self.state.whole {
                return Ok(());
            }
            waits = if outcome.accepted > 0 { 0 } else { waits };
            if let Some(held) = outcome.held.len().checked_sub(1) {
                let why = format!("{} held back", held + 1);
                progress.wait(pace.wait(outcome.wait, waits), &why).await;
                waits += 1;
            }
            batches.hold(outcome.held);
        }
    }

    fn batches(&self) -> Result<Batches<std::fs::File>> {
        let State { digest, options, taken, held, .. } = &self.state;
        let defaults = Defaults {
            kind: options.kind.clone(),
            priority: options.priority,
            digest: digest.clone(),
        };
        let size = options.batch_size.into();
        Batches::behind(self.source.rows()?, defaults, size, *taken, held)
    }

    /// What a batch has changed.
    fn take_in(&mut self, taken: u64, outcome: &Outcome, batch_id: Option<String>) {
        let state = &mut self.state;
        state.taken = taken;
        state.next_batch += 1;
        state.held =
            outcome.held.iter().map(|item| Held { row: item.row, tries: item.tries }).collect();
        state.accepted += outcome.accepted;
        for Refused { error, .. } in &outcome.refused {
            *state.refused_by_code.entry(error.code.clone()).or_default() += 1;
        }
        if outcome.accepted > 0 && !self.dry_run {
            state.batch_ids.extend(batch_id);
        }
        state.whole = taken == state.rows && state.held.is_empty();
    }

    fn keep(&self) -> Result<()> {
        if self.dry_run { Ok(()) } else { self.state.write(&self.state_path) }
    }
}
