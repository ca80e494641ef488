//! What is counted.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::time::Duration;

use anyhow::{Result, anyhow};
use hdrhistogram::Histogram;
use serde_json::Value;

/// Digits that are kept of each time.
const DIGITS: u8 = 3;
/// The longest time that is told apart: 2 hours in microseconds. A run lasts one at the most.
const LONGEST: u64 = 7_200_000_000;

/// The code of an answer that did not come.
const NO_ANSWER: &str = "NO_ANSWER";
/// The code of a good answer that is none of this API's.
pub(super) const NOT_OURS: &str = "NOT_THIS_API";

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Generate,
    Status,
    History,
    Cancel,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Generate, Self::Status, Self::History, Self::Cancel];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Status => "status",
            Self::History => "history",
            Self::Cancel => "cancel",
        }
    }
}

/// What a request was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    pub(super) outcome: Outcome,
    pub(super) took: Duration,
    /// When the API says that it is worth asking again.
    pub(super) retry_after: Option<Duration>,
    pub(super) etag: Option<String>,
}

/// How it went.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The `data` of the answer.
    Well(Value),
    /// Nothing has changed: 304, or what was to be cancelled had ended meanwhile.
    Same,
    /// 429, and its code: no error, but what a limit is for.
    Limited(String),
    /// The code of the error, `HTTP_502` where it bears none, or `NO_ANSWER`.
    Error(String),
}

impl Answer {
    /// Nothing was answered; so long was waited.
    pub(super) fn none(kind: Kind, took: Duration) -> Self {
        let outcome = Outcome::Error(NO_ANSWER.to_owned());
        Self { kind, outcome, took, retry_after: None, etag: None }
    }

    /// Whether what was asked may have been done, though nobody says so: there was no answer, or
    /// one that is none of the functions' own, such as the gateway's when its time is over.
    pub(super) fn is_lost(&self) -> bool {
        let is_other = |code: &str| code.starts_with("HTTP_5") || code == NOT_OURS;
        matches!(&self.outcome, Outcome::Error(code) if code == NO_ANSWER || is_other(code))
    }

    /// Whether anything at all was answered.
    pub(super) fn is_heard(&self) -> bool {
        !matches!(&self.outcome, Outcome::Error(code) if code == NO_ANSWER)
    }

    /// What it brought, where it went well.
    pub(super) const fn data(&self) -> Option<&Value> {
        match &self.outcome {
            Outcome::Well(data) => Some(data),
            _ => None,
        }
    }
}

/// How many of each name.
pub(super) type Counts = BTreeMap<String, u64>;

/// The requests of one kind.
#[derive(Debug)]
pub(super) struct Requests {
    /// Microseconds until the answer, of those that went well: a refusal is quick, and would
    /// make the others look so.
    pub(super) times: Histogram<u64>,
    /// The same of the errors; of what was not answered, how long that was waited for.
    pub(super) times_of_errors: Histogram<u64>,
    pub(super) limited: Counts,
    pub(super) errors: Counts,
}

impl Requests {
    fn new() -> Result<Self> {
        let (limited, errors) = (Counts::new(), Counts::new());
        Ok(Self { times: histogram()?, times_of_errors: histogram()?, limited, errors })
    }

    /// All that were answered, or should have been.
    pub(super) fn count(&self) -> u64 {
        self.times.len() + self.limited.values().sum::<u64>() + self.errors.values().sum::<u64>()
    }
}

/// What became of the jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) accepted: u64,
    /// By status.
    pub(super) ended: Counts,
    /// Codes of those that ended badly.
    pub(super) codes: Counts,
    /// Milliseconds from the answer 202 until COMPLETED was seen.
    pub(super) times: Histogram<u64>,
    /// What was made though its answer was lost, as its `Idempotency-Key` said at the end.
    pub(super) found: u64,
    /// What had ended by itself when it was to be cancelled at the end.
    pub(super) ended_unseen: u64,
    /// What still ran at the end, and was cancelled.
    pub(super) cancelled_at_the_end: u64,
    /// What may still run: it could not be cancelled, or whether it was made is not known.
    pub(super) left: Vec<String>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) users: usize,
    pub(super) lasted: Duration,
    pub(super) is_stopped: bool,
    pub(super) kinds: BTreeMap<Kind, Requests>,
    pub(super) jobs: Jobs,
    /// What the API must never answer, with the process of which it did.
    pub(super) broken: Vec<String>,
}

impl Measured {
    pub(super) fn new(users: usize) -> Result<Self> {
        let kinds = Kind::ALL.into_iter().map(|kind| Ok((kind, Requests::new()?)));
        let jobs = Jobs {
            accepted: 0,
            ended: Counts::new(),
            codes: Counts::new(),
            times: histogram()?,
            found: 0,
            ended_unseen: 0,
            cancelled_at_the_end: 0,
            left: Vec::new(),
        };
        Ok(Self {
            users,
            lasted: Duration::ZERO,
            is_stopped: false,
            kinds: kinds.collect::<Result<_>>()?,
            jobs,
            broken: Vec::new(),
        })
    }

    /// Counts an answer.
    pub(super) fn answer(&mut self, answer: &Answer) {
        let Some(requests) = self.kinds.get_mut(&answer.kind) else { return };
        match &answer.outcome {
            Outcome::Well(_) | Outcome::Same => {
                record(&mut requests.times, answer.took.as_micros());
            }
            Outcome::Limited(code) => count(&mut requests.limited, code),
            Outcome::Error(code) => {
                record(&mut requests.times_of_errors, answer.took.as_micros());
                count(&mut requests.errors, code);
            }
        }
    }

    /// Counts a job that was accepted.
    pub(super) const fn accepted(&mut self) {
        self.jobs.accepted += 1;
    }

    /// Counts a job whose end was seen.
    pub(super) fn seen_ended(&mut self, status: &str, code: Option<&str>, took: Duration) {
        count(&mut self.jobs.ended, status);
        if let Some(code) = code {
            count(&mut self.jobs.codes, code);
        }
        if status == "COMPLETED" {
            record(&mut self.jobs.times, took.as_millis());
        }
    }

    /// Looks whether what is seen of a job can follow what was seen of it before.
    pub(super) fn follows(&mut self, id: &str, before: u64, progress: u64) {
        if progress > 100 || progress < before {
            self.broken.push(format!("{id}: progress went from {before} to {progress} %"));
        }
    }

    /// The time is over.
    pub(super) const fn ended(&mut self, lasted: Duration, is_stopped: bool) {
        self.lasted = lasted;
        self.is_stopped = is_stopped;
    }

    /// Counts a job that was to be cancelled after the time was over; whether it no longer runs.
    pub(super) const fn cancelled_at_the_end(&mut self, answer: &Answer) -> bool {
        match &answer.outcome {
            Outcome::Well(_) => self.jobs.cancelled_at_the_end += 1,
            Outcome::Same => self.jobs.ended_unseen += 1,
            Outcome::Limited(_) | Outcome::Error(_) => return false,
        }
        true
    }

    /// Counts a job whose answer had been lost, and that was made.
    pub(super) const fn found(&mut self) {
        self.jobs.found += 1;
    }

    /// Names what may still run.
    pub(super) fn left(&mut self, names: impl IntoIterator<Item = String>) {
        self.jobs.left.extend(names);
    }

    /// Whether something was measured, and nothing happened that somebody should look at.
    pub(super) fn is_well(&self) -> bool {
        let has_no_errors = self.kinds.values().all(|requests| requests.errors.is_empty());
        let are_well = ["FAILED", "TIMEOUT"].iter().all(|bad| !self.jobs.ended.contains_key(*bad));
        self.jobs.accepted > 0
            && has_no_errors
            && are_well
            && self.broken.is_empty()
            && self.jobs.left.is_empty()
    }

    /// In a line.
    pub(super) fn so_far(&self) -> String {
        let requests: u64 = self.kinds.values().map(Requests::count).sum();
        let errors: u64 = self.kinds.values().flat_map(|it| it.errors.values()).sum();
        format!("{requests} requests, {} jobs, {errors} errors", self.jobs.accepted)
    }
}

fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(LONGEST, DIGITS).map_err(|error| anyhow!("no histogram: {error}"))
}

/// A time beyond the longest counts as that.
fn record(times: &mut Histogram<u64>, time: u128) {
    times.saturating_record(u64::try_from(time).unwrap_or(u64::MAX));
}

fn count(counts: &mut Counts, name: &str) {
    *counts.entry(name.to_owned()).or_default() += 1;
}

impl Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}
