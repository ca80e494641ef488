//! Doing it to each of them: so many a second, some at once; what is refused for now comes again
//! later, a bounded number of times.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Error, Result};
use futures_util::stream::{FuturesUnordered, StreamExt};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Deed;
use super::outcome::{Answered, Outcome, chain};
use crate::operate::lasting;

/// Invocations at the same time.
const AT_ONCE: usize = 8;
/// Rounds in all. What is refused for now is asked for in the next.
const ROUNDS: u32 = 4;
/// Answers that fail to come, one after the other, before it is given up.
const SILENCES: u32 = 16;
/// How long to wait before the next round, where nobody says.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// The longest wait before the next round.
const LONGEST: Duration = Duration::from_mins(1);

/// How fast it goes, and who watches.
pub(super) struct Pace {
    /// From the beginning of one to that of the next.
    pub(super) every: Duration,
    /// Before what was refused for now is asked for again.
    pub(super) again: Duration,
    pub(super) bar: ProgressBar,
}

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Carried {
    /// In the order in which they were named.
    pub(super) outcomes: Vec<(String, Outcome)>,
    /// Whether it was ended before all were asked for.
    pub(super) is_stopped: bool,
    /// What ended it and is the same for each of them, until somebody does something about it.
    pub(super) trouble: Option<Error>,
}

impl Carried {
    pub(super) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.outcomes.iter().filter(|(_, outcome)| is(outcome)).count()
    }

    /// As JSON.
    pub(super) fn data(&self, deed: &Deed<'_>, previewed: usize) -> Value {
        let of = |(id, outcome): &(String, Outcome)| {
            let mut value = json!(outcome);
            value["processId"] = id.as_str().into();
            value
        };
        let mut data = json!({
            "action": deed.name(),
            "previewed": previewed,
            "done": self.count(|outcome| matches!(outcome, Outcome::Done { .. })),
            "stopped": self.is_stopped,
            "outcomes": self.outcomes.iter().map(of).collect::<Vec<_>>(),
        });
        if let Some(trouble) = &self.trouble {
            data["trouble"] = chain(trouble).into();
        }
        data
    }
}

/// Has `act` done to each of `ids`, until `stopped` says otherwise: then what was begun is waited
/// for.
pub(super) async fn carry(
    ids: Vec<String>,
    act: impl AsyncFn(&str) -> Result<Value>,
    pace: &Pace,
    stopped: &Cell<bool>,
) -> Carried {
    let mut outcomes: Vec<_> = ids.into_iter().map(|id| (id, Outcome::Left)).collect();
    let mut silences = 0;
    let mut trouble = None;
    for round in 1..=ROUNDS {
        let mut ticks = interval(pace.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let is_open = |outcome: &Outcome| matches!(outcome, Outcome::Left | Outcome::Later { .. });
        let open = outcomes.iter().enumerate().filter(|(_, (_, outcome))| is_open(outcome));
        let mut open = open.map(|(index, (id, _))| (index, id.clone())).collect::<Vec<_>>();
        // The first is taken first.
        open.reverse();
        let mut begun = FuturesUnordered::new();
        let mut wait = None;
        loop {
            let goes_on = !stopped.get() && silences < SILENCES && trouble.is_none();
            tokio::select! {
                _ = ticks.tick(), if goes_on && begun.len() < AT_ONCE && !open.is_empty() => {
                    // It may have been interrupted while the tick was waited for.
                    if let Some((index, id)) = open.pop().filter(|_| !stopped.get()) {
                        let act = &act;
                        begun.push(async move { (index, act(&id).await) });
                    }
                }
                Some((index, answer)) = begun.next(), if !begun.is_empty() => {
                    let answer = match answer {
                        // Nothing was done, and nothing would be to the others.
                        Err(error) if lasting::is(&error) => {
                            trouble.get_or_insert(error);
                            continue;
                        }
                        answer => answer,
                    };
                    let answered = Answered::of(answer);
                    let is_silent = matches!(
                        &answered.outcome, Outcome::Later { code, .. } if code == "NO_ANSWER"
                    );
                    silences = if is_silent { silences + 1 } else { 0 };
                    if is_open(&answered.outcome) {
                        wait = wait.max(Some(answered.again_after.unwrap_or(pace.again)));
                    } else {
                        pace.bar.inc(1);
                    }
                    outcomes[index].1 = answered.outcome;
                }
                else => break,
            }
        }
        let goes_on = round < ROUNDS && silences < SILENCES && trouble.is_none();
        let Some(wait) = wait.filter(|_| goes_on) else { break };
        if is_stopped_within(wait.min(LONGEST), stopped).await {
            break;
        }
    }
    pace.bar.finish_and_clear();
    let is_stopped = stopped.get() || silences >= SILENCES || trouble.is_some();
    Carried { outcomes, is_stopped, trouble }
}

/// Waits, unless it is stopped meanwhile.
async fn is_stopped_within(wait: Duration, stopped: &Cell<bool>) -> bool {
    const LOOK_EVERY: Duration = Duration::from_millis(200);
    let mut left = wait;
    while !stopped.get() && !left.is_zero() {
        let part = left.min(LOOK_EVERY);
        sleep(part).await;
        left -= part;
    }
    stopped.get()
}

/// How far it is, where somebody watches.
pub(super) fn bar(count: u64) -> ProgressBar {
    if count < 2 || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    if let Ok(style) = ProgressStyle::with_template(
        "{spinner} {bar:30.cyan/dim} {pos} of {len}  {elapsed}, {eta} left",
    ) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
