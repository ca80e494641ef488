//! What a person sees while a verb works: one line a step, with its time, on standard error.

use std::future::Future;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output;

/// After this long a step that has not ended is announced where there is no spinner to show that it
/// is alive.
const PATIENCE: Duration = Duration::from_secs(3);

/// Says what is being done and how long it took.
pub struct Reporter {
    terminal: bool,
}

impl Reporter {
    /// Reports to standard error: a spinner where a person watches, plain lines where a file does.
    #[must_use]
    pub fn to_stderr() -> Self {
        Self { terminal: std::io::stderr().is_terminal() }
    }

    /// Says one thing that took no time.
    pub fn note(&self, text: &str) {
        output::aside(format_args!("· {text}"));
    }

    /// Does a step and says how long it took, or that it failed.
    ///
    /// # Errors
    ///
    /// What the step's own future fails with.
    pub async fn step<T>(&self, what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let started = Instant::now();
        let spinner = self.spinner(what);
        let mut work = std::pin::pin!(work);
        let outcome = if let Ok(outcome) = tokio::time::timeout(PATIENCE, &mut work).await {
            outcome
        } else {
            if !self.terminal {
                output::aside(format_args!("… {what}"));
            }
            work.await
        };
        spinner.finish_and_clear();
        let seconds = started.elapsed().as_secs_f64();
        match &outcome {
            Ok(_) => output::aside(format_args!("✓ {what} ({seconds:.1} s)")),
            Err(_) => output::aside(format_args!("✗ {what} ({seconds:.1} s)")),
        }
        outcome
    }

    fn spinner(&self, what: &str) -> ProgressBar {
        if !self.terminal {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    }
}
