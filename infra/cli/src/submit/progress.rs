//! How far a run is, on standard error: a bar where a person watches, and a line now and then where
//! a file does.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{FormattedDuration, HumanCount, ProgressBar, ProgressStyle};

use super::state::State;
use crate::output;

/// How often a line is written.
const SAY_AGAIN: Duration = Duration::from_secs(5);
/// Waits of this length are worth a line.
const WORTH_A_LINE: Duration = Duration::from_secs(3);

/// What is shown.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Whether lines are all there is.
    is_plain: bool,
    said: Option<Instant>,
    started: Instant,
    /// Rows that were done before.
    done_before: u64,
    figures: String,
}

impl Progress {
    pub(super) fn on_stderr(state: &State) -> Self {
        let is_plain = !std::io::stderr().is_terminal();
        let bar = if is_plain { ProgressBar::hidden() } else { ProgressBar::new(state.rows) };
        let style = "{spinner} [{bar:24}] {human_pos}/{human_len} rows  {msg}";
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        if !is_plain {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        let mut progress = Self {
            bar,
            is_plain,
            said: None,
            started: Instant::now(),
            done_before: state.done(),
            figures: String::new(),
        };
        if state.taken > 0 {
            progress.line(&format!("going on behind row {}", HumanCount(state.done())));
        }
        progress.show(state);
        progress
    }

    /// Says how far it is.
    pub(super) fn show(&mut self, state: &State) {
        let done_now = state.done() - self.done_before;
        self.figures = figures(state, done_now, self.started.elapsed());
        self.bar.set_position(state.done());
        self.bar.set_message(self.figures.clone());
        let is_due = self.said.is_none_or(|said| said.elapsed() >= SAY_AGAIN);
        if self.is_plain && state.taken > 0 && is_due {
            self.said = Some(Instant::now());
            let (done, rows) = (HumanCount(state.done()), HumanCount(state.rows));
            self.line(&format!("{done} of {rows} rows: {}", self.figures));
        }
    }

    /// Waits, and says for what and how long still.
    pub(super) async fn wait(&mut self, time: Duration, why: &str) {
        if self.is_plain && time >= WORTH_A_LINE {
            self.line(&format!("waiting {}: {why}", FormattedDuration(time)));
        }
        let until = tokio::time::Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if left.is_zero() {
                break;
            }
            let seconds = Duration::from_secs(left.as_secs() + 1);
            let wait = format!("{}, waiting {}: {why}", self.figures, FormattedDuration(seconds));
            self.bar.set_message(wait);
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        }
        self.bar.set_message(self.figures.clone());
    }

    /// Makes room for what is said next.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, text: &str) {
        self.bar.suspend(|| output::aside(format_args!("· {text}")));
    }
}

fn figures(state: &State, done_now: u64, elapsed: Duration) -> String {
    let held = match state.held.len() {
        0 => String::new(),
        held => format!(", {held} held back"),
    };
    format!(
        "{} accepted, {} refused{held}, {} rows/s",
        HumanCount(state.accepted),
        HumanCount(state.refused()),
        rate(done_now, elapsed)
    )
}

/// Rows a second, waits included.
fn rate(rows: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.001);
    format!("{:.1}", f64::from(u32::try_from(rows).unwrap_or(u32::MAX)) / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_counts_what_this_run_has_done() {
        assert_eq!(rate(1_000, Duration::from_secs(4)), "250.0");
        assert_eq!(rate(0, Duration::ZERO), "0.0");
    }
}
