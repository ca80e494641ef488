//! Waiting, after a pause, until nothing runs any more.

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::capacity::{Answer, Capacity};
use super::order::Order;
use super::reconciler::{Functions, Reconciler};
use super::words::counted;
use crate::output;

/// How often the reconciler is asked.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// So many questions in a row may fail before it counts as gone.
const FAILURES_FORGIVEN: u32 = 4;

/// How the waiting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing runs.
    Empty,
    /// Something runs still, and the time is over.
    TimedOut,
    /// Someone has taken the pause back.
    Resumed,
}

/// Asks until nothing runs, beginning with what the pause was answered.
pub(super) async fn until_empty<F: Functions>(
    reconciler: &Reconciler<F>,
    paused: Answer,
    every: Duration,
    timeout: Option<Duration>,
    bar: &mut Bar,
) -> Result<(End, Answer)> {
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut answer = paused;
    let mut failures = 0;
    loop {
        bar.show(&answer.capacity);
        let is_late = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if let Some(end) = end(&answer.capacity, is_late) {
            return Ok((end, answer));
        }
        tokio::time::sleep(every).await;
        match reconciler.ask(&Order::Capacity).await {
            Ok(next) => {
                failures = 0;
                answer = next;
            }
            Err(error) if failures >= FAILURES_FORGIVEN => return Err(error),
            Err(_) => failures += 1,
        }
    }
}

/// Whether the waiting is over. A pause that was taken back counts first; that nothing runs counts
/// before the time.
const fn end(capacity: &Capacity, is_late: bool) -> Option<End> {
    if capacity.paused.is_none() {
        Some(End::Resumed)
    } else if capacity.running == 0 {
        Some(End::Empty)
    } else if is_late {
        Some(End::TimedOut)
    } else {
        None
    }
}

/// How much runs still, on standard error: a bar that falls to 0, or lines where nobody watches.
pub(super) struct Bar {
    bar: ProgressBar,
    /// What was said last, where lines are all there is.
    said: Option<String>,
}

impl Bar {
    pub(super) fn on_stderr(capacity: &Capacity) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { bar: ProgressBar::hidden(), said: Some(String::new()) };
        }
        let bar = ProgressBar::new(capacity.running.max(1));
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} draining {bar:30.cyan/dim} {msg}  {elapsed}")
        {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, said: None }
    }

    fn show(&mut self, capacity: &Capacity) {
        let text = describe(capacity);
        // One that was admitted just before the pause may be seen only now.
        let most = self.bar.length().unwrap_or_default().max(capacity.running);
        self.bar.set_length(most);
        self.bar.set_position(capacity.running);
        if let Some(said) = &mut self.said
            && *said != text
        {
            output::aside(format_args!("· {text}"));
            said.clone_from(&text);
        }
        self.bar.set_message(text);
    }

    /// Makes room for what is said next.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn describe(capacity: &Capacity) -> String {
    let Capacity { running, in_flight, .. } = capacity;
    format!("{running} running, {} in flight", counted(*in_flight, "model call", "model calls"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Scripted, data};
    use super::*;

    async fn drain(
        script: &Scripted,
        first: u64,
        timeout: Option<Duration>,
    ) -> Result<(End, Answer)> {
        let paused = Answer::read(&json!({"success": true, "data": data(first, true)})).unwrap();
        let mut bar = Bar { bar: ProgressBar::hidden(), said: None };
        until_empty(&Reconciler::of(script), paused, Duration::ZERO, timeout, &mut bar).await
    }

    #[tokio::test]
    async fn it_ends_when_nothing_runs_any_more() {
        let script = Scripted::saying([2, 1, 0].map(|running| Some(data(running, true))));
        let (end, answer) = drain(&script, 2, None).await.unwrap();
        assert_eq!((end, answer.capacity.running), (End::Empty, 0));
        assert_eq!(*script.asked.borrow(), vec![json!({"action": "capacity"}); 3]);
    }

    #[tokio::test]
    async fn where_nothing_runs_nothing_is_asked() {
        let script = Scripted::saying([]);
        assert_eq!(drain(&script, 0, Some(Duration::ZERO)).await.unwrap().0, End::Empty);
    }

    #[tokio::test]
    async fn it_gives_up_when_its_time_is_over_and_tells_what_runs() {
        let (end, answer) = drain(&Scripted::saying([]), 3, Some(Duration::ZERO)).await.unwrap();
        assert_eq!((end, answer.capacity.running), (End::TimedOut, 3));
    }

    #[tokio::test]
    async fn a_pause_that_someone_takes_back_ends_it() {
        let script = Scripted::saying([Some(data(2, false))]);
        assert_eq!(drain(&script, 2, None).await.unwrap().0, End::Resumed);
    }

    #[tokio::test]
    async fn a_bad_moment_is_forgiven() {
        let script = Scripted::saying([None, None, Some(data(0, true))]);
        assert_eq!(drain(&script, 2, None).await.unwrap().0, End::Empty);
    }

    #[tokio::test]
    async fn a_reconciler_that_stays_away_ends_it() {
        let error =
            drain(&Scripted::saying(std::iter::repeat_n(None, 5)), 2, None).await.unwrap_err();
        assert!(format!("{error:#}").contains("does not answer"), "{error:#}");
    }
}
