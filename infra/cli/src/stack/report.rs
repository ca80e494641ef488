//! What a person sees while a verb works: one line a step, with its time, on standard error.

use std::cell::Cell;
use std::future::Future;
use std::io::IsTerminal;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::output;

/// After this long a step that has not ended is announced where there is no spinner to show that it
/// is alive.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often such a step says how far it is.
const SAY_AGAIN: Duration = Duration::from_secs(15);

/// Says what is being done and how long it took.
pub struct Reporter {
    /// The spinners and bars of the steps that are under way; none where nobody watches.
    bars: Option<MultiProgress>,
}

impl Reporter {
    /// Reports to standard error: spinners and bars where a person watches, plain lines where a
    /// file does.
    #[must_use]
    pub fn to_stderr() -> Self {
        Self { bars: std::io::stderr().is_terminal().then(MultiProgress::new) }
    }

    /// Says one thing that took no time.
    pub fn note(&self, text: &str) {
        self.say(&format!("· {text}"));
    }

    /// Does a step and says how long it took, or that it failed.
    ///
    /// # Errors
    ///
    /// What the step's own future fails with.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let spinner = self.bar("{spinner} {msg} {elapsed}", what);
        self.watch(what, &spinner, Box::pin(work)).await
    }

    /// Does a step that says by itself how far it is, in `units` (a plural).
    pub(super) async fn step_with_progress<T>(
        &self,
        what: &str,
        units: &str,
        work: impl AsyncFnOnce(&Progress) -> Result<T>,
    ) -> Result<T> {
        let template =
            format!("{{spinner}} {{msg}} [{{bar:24}}] {{pos}}/{{len}} {units} {{elapsed}}");
        let progress = Progress {
            bar: self.bar(&template, what),
            plain: self.bars.is_none().then(|| format!("{what}: {units}")),
            said: Cell::new(Instant::now()),
        };
        self.watch(what, &progress.bar, Box::pin(work(&progress))).await
    }

    async fn watch<T>(
        &self,
        what: &str,
        bar: &ProgressBar,
        mut work: Pin<Box<impl Future<Output = Result<T>>>>,
    ) -> Result<T> {
        let started = Instant::now();
        let outcome = if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut work).await {
            outcome
        } else {
            if self.bars.is_none() {
                self.say(&format!("… {what}"));
            }
            work.await
        };
        bar.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        let sign = if outcome.is_ok() { '✓' } else { '✗' };
        self.say(&format!("{sign} {what} ({seconds:.1} s)"));
        outcome
    }

    /// A line that stays, above the bars.
    fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| output::aside(line)),
            None => output::aside(line),
        }
    }

    fn bar(&self, template: &str, what: &str) -> ProgressBar {
        let Some(bars) = &self.bars else {
            return ProgressBar::hidden();
        };
        let bar = bars.add(ProgressBar::new_spinner()).with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }
}

/// How far a step is.
pub(super) struct Progress {
    bar: ProgressBar,
    /// What a line begins with, where lines are all there is.
    plain: Option<String>,
    said: Cell<Instant>,
}

impl Progress {
    /// Says how much there is to do, if that is known.
    pub(super) fn total(&self, total: Option<usize>) {
        if let Some(total) = total {
            self.bar.set_length(total as u64);
        }
    }

    /// Says how much is done. When it is more than there was to be, there was more.
    pub(super) fn done(&self, done: usize) {
        let done = done as u64;
        if self.bar.length().is_some_and(|total| total < done) {
            self.bar.set_length(done);
        }
        self.bar.set_position(done);
        if let Some(what) = &self.plain
            && self.said.get().elapsed() >= SAY_AGAIN
        {
            self.said.set(Instant::now());
            let total = self.bar.length().map_or_else(String::new, |total| format!(" of {total}"));
            output::aside(format_args!("… {what} {done}{total}"));
        }
    }
}
