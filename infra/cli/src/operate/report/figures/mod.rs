//! The figures of a time, gathered from process after process. What is kept does not grow with how
//! many there are.
//!
//! - Those **of the window** were accepted within it; they are what is counted.
//! - An **older** one was accepted before. It counts only where time goes on: what ended and what
//!   was at it at once.

mod load;
mod spread;
mod tokens;

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};

use super::process::{Life, Process, Standing};
use super::window::Window;
pub(super) use load::{Busy, Load};
pub(super) use spread::Spread;
pub(super) use tokens::Tokens;

/// Names that are told apart, of types, codes, rules and models each. There are fewer than twenty;
/// what a hand has made up beyond counts together.
const MOST_NAMES: usize = 50;
/// Under which name the others count.
const OTHERS: &str = "…";
/// Characters that are kept of a cause.
const LONGEST_CAUSE: usize = 240;

/// All of them.
#[derive(Debug)]
pub(super) struct Figures {
    pub window: Window,
    /// Where those of the window stand.
    pub counts: Counts,
    pub times: Times,
    /// For how long the first of those that wait has waited.
    pub longest_wait: Option<TimeDelta>,
    /// By type.
    pub kinds: BTreeMap<String, Kind>,
    /// By bucket.
    pub moments: Vec<Moment>,
    pub waiting: Load,
    pub running: Load,
    /// What failed, by code.
    pub errors: BTreeMap<String, Seen>,
    /// What the reconciler repaired, by rule.
    pub repairs: BTreeMap<String, Seen>,
    /// By model.
    pub models: BTreeMap<String, Tokens>,
}

/// How many stand where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub accepted: u64,
    pub waiting: u64,
    pub running: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
}

/// How long they took.
#[derive(Debug)]
pub(super) struct Times {
    /// From acceptance to admission, of those that were admitted.
    pub waiting: Spread,
    /// From admission to completion, of those that completed.
    pub running: Spread,
}

/// Those of a type.
#[derive(Debug)]
pub(super) struct Kind {
    pub counts: Counts,
    pub times: Times,
}

/// What happened in a bucket, to older ones too; and the times of those accepted in it.
#[derive(Debug)]
pub(super) struct Moment {
    pub accepted: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub times: Times,
}

/// Something that was seen several times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub count: u64,
    /// When last.
    pub last: DateTime<Utc>,
    /// The process in which it was then.
    pub example: String,
    /// What was said of it then.
    pub cause: String,
}

impl Counts {
    fn add(&mut self, standing: Standing) {
        self.accepted += 1;
        *match standing {
            Standing::Waiting => &mut self.waiting,
            Standing::Running => &mut self.running,
            Standing::Completed => &mut self.completed,
            Standing::Failed => &mut self.failed,
            Standing::Cancelled => &mut self.cancelled,
        } += 1;
    }

    /// How many came to an end of their own.
    pub(super) const fn ended(&self) -> u64 {
        self.completed + self.failed
    }

    /// Which part of those that came to an end of their own completed; `None`: none ended.
    pub(super) fn success(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        let part = self.completed as f64 / self.ended() as f64;
        (self.ended() > 0).then_some(part)
    }
}

impl Times {
    fn new() -> Result<Self> {
        Ok(Self { waiting: Spread::new()?, running: Spread::new()? })
    }

    fn record(&mut self, life: Life, standing: Standing) -> Result<()> {
        let Some(admitted) = life.admitted else { return Ok(()) };
        self.waiting.record(admitted - life.accepted)?;
        match life.ended {
            Some(ended) if standing == Standing::Completed => self.running.record(ended - admitted),
            _ => Ok(()),
        }
    }
}

impl Kind {
    fn new() -> Result<Self> {
        Ok(Self { counts: Counts::default(), times: Times::new()? })
    }
}

impl Moment {
    fn new() -> Result<Self> {
        Ok(Self { accepted: 0, completed: 0, failed: 0, cancelled: 0, times: Times::new()? })
    }
}

impl Seen {
    fn again(&mut self, at: DateTime<Utc>, example: &str, cause: &str) {
        self.count += 1;
        if self.count == 1 || at >= self.last {
            self.last = at;
            example.clone_into(&mut self.example);
            self.cause = cause.chars().take(LONGEST_CAUSE).collect();
        }
    }
}

impl Figures {
    /// Those of nothing yet.
    pub(super) fn of(window: Window) -> Result<Self> {
        let moments = (0..window.buckets()).map(|_| Moment::new()).collect::<Result<_>>()?;
        Ok(Self {
            window,
            counts: Counts::default(),
            times: Times::new()?,
            longest_wait: None,
            kinds: BTreeMap::new(),
            moments,
            waiting: Load::of(window),
            running: Load::of(window),
            errors: BTreeMap::new(),
            repairs: BTreeMap::new(),
            models: BTreeMap::new(),
        })
    }

    /// Counts one more.
    pub(super) fn add(&mut self, process: &Process) -> Result<()> {
        let (life, standing) = (process.life(), process.standing());
        self.add_to_time(life, standing);
        for (at, rule) in process.repairs().filter(|(at, _)| self.window.contains(*at)) {
            let seen = named(&mut self.repairs, rule);
            seen.or_default().again(at, &process.id, "");
        }
        if self.window.contains(life.accepted) {
            self.add_to_window(process, life, standing)?;
        }
        Ok(())
    }

    /// Whether it is older or not.
    fn add_to_time(&mut self, life: Life, standing: Standing) {
        let end = life.ended.unwrap_or(self.window.until);
        self.waiting.add(life.accepted, life.admitted.unwrap_or(end));
        if let Some(admitted) = life.admitted {
            self.running.add(admitted, end);
        }
        let Some(bucket) = life.ended.and_then(|at| self.window.bucket(at)) else { return };
        let moment = &mut self.moments[bucket];
        match standing {
            Standing::Completed => moment.completed += 1,
            Standing::Failed => moment.failed += 1,
            Standing::Cancelled => moment.cancelled += 1,
            Standing::Waiting | Standing::Running => {}
        }
    }

    fn add_to_window(&mut self, process: &Process, life: Life, standing: Standing) -> Result<()> {
        self.counts.add(standing);
        self.times.record(life, standing)?;
        let kind = or_try_insert(named(&mut self.kinds, &process.kind), Kind::new)?;
        kind.counts.add(standing);
        kind.times.record(life, standing)?;
        if let Some(bucket) = self.window.bucket(life.accepted) {
            self.moments[bucket].accepted += 1;
            self.moments[bucket].times.record(life, standing)?;
        }
        if standing == Standing::Waiting {
            let wait = self.window.until - life.accepted;
            self.longest_wait = self.longest_wait.max(Some(wait));
        }
        if standing == Standing::Failed {
            let (code, cause) = process.error();
            let at = life.ended.unwrap_or(life.accepted);
            named(&mut self.errors, code).or_default().again(at, &process.id, cause);
        }
        for usage in process.usage() {
            named(&mut self.models, &usage.model_id).or_default().add(&usage);
        }
        Ok(())
    }

    /// How many repairs the reconciler made.
    pub(super) fn repaired(&self) -> u64 {
        self.repairs.values().map(|seen| seen.count).sum()
    }
}

type Entry<'a, V> = std::collections::btree_map::Entry<'a, String, V>;

/// The entry of `name`, or that of the others where there are too many names.
fn named<'a, V>(map: &'a mut BTreeMap<String, V>, name: &str) -> Entry<'a, V> {
    let is_one_more = map.len() >= MOST_NAMES && !map.contains_key(name);
    map.entry(if is_one_more { OTHERS } else { name }.to_owned())
}

fn or_try_insert<V>(entry: Entry<'_, V>, make: impl FnOnce() -> Result<V>) -> Result<&mut V> {
    Ok(match entry {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => entry.insert(make()?),
    })
}

#[cfg(test)]
mod tests;
