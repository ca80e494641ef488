//! What was seen of a run from outside, as it is audited and can be kept in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::plan::{FaultKind, JobKind};

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Book {
    /// What every text of this run's goals holds, and nothing else does.
    pub(super) marker: String,
    pub(super) seed: u64,
    /// When it began, in milliseconds since 1970, by the clock of this machine.
    pub(super) began_at: i64,
    /// How long clients asked, and how long until all had ended.
    pub(super) asked_for_ms: u64,
    pub(super) lasted_ms: u64,
    pub(super) users: Vec<Person>,
    pub(super) jobs: Vec<Job>,
    /// How many answers there were, by route and by status with code.
    pub(super) answers: BTreeMap<String, BTreeMap<String, u64>>,
    /// The answers 5xx, 503 apart, and those that did not come.
    pub(super) troubles: Vec<Trouble>,
    /// Where a user saw what is another's.
    pub(super) breaches: Vec<String>,
    pub(super) faults: Vec<Met>,
    pub(super) capacity: Capacity,
    /// What the sweep told after all was healed.
    pub(super) sweep: Value,
    /// What a look right after it found.
    pub(super) after_sweep: Value,
    /// Whether a job that was asked for after all was healed completed, and how each function
    /// answered then: by name, empty where it answered well.
    pub(super) probes: BTreeMap<String, String>,
    pub(super) resources: Resources,
}

/// A user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Person {
    /// By which the database knows them.
    pub(super) sub: String,
    /// What is secret of their token, as no log may hold it: a part of its signature.
    pub(super) secret: String,
}

/// A job, as its client knows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Job {
    pub(super) number: u32,
    /// Which of the users.
    pub(super) user: usize,
    pub(super) kind: JobKind,
    pub(super) replace: bool,
    pub(super) goal: Uuid,
    /// Each answer 202 to the same request under the same key.
    pub(super) accepted: Vec<Uuid>,
    /// The code of the refusal, where it was refused.
    pub(super) refused: Option<String>,
    /// The process that this one tries again.
    pub(super) retry_of: Option<Uuid>,
    /// Each change that its client saw, in their order: status and progress.
    pub(super) seen: Vec<(String, i64)>,
    /// Whether a cancel was answered 200.
    pub(super) cancelled: bool,
}

/// An answer that nobody should get without a reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Trouble {
    pub(super) route: String,
    /// None: no answer.
    pub(super) status: Option<u16>,
    /// The code of the functions' own envelope; none where somebody else answered.
    pub(super) code: Option<String>,
    /// Milliseconds from the beginning of the run.
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
}

/// A fault as it came.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Met {
    pub(super) kind: FaultKind,
    /// Milliseconds from the beginning of the run.
    pub(super) from_ms: u64,
    pub(super) until_ms: u64,
    /// What it met: how many environments, sessions or functions; 0: there was nothing to meet.
    pub(super) count: u64,
    /// The processes it was done to, where it was done to processes.
    pub(super) processes: Vec<Uuid>,
    /// Why it could not be done.
    pub(super) failed: Option<String>,
}

/// Model calls in flight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capacity {
    /// As the stack is configured.
    pub(super) limit: i64,
    /// The most that was given to processes at a time, of so many looks.
    pub(super) most_given: i64,
    pub(super) looks: u64,
    /// The most calls that the model was answering at a time.
    pub(super) most_in_flight: i64,
}

/// What the run took of the machine: of each the first look and the most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Resources {
    /// Sessions at the database.
    pub(super) sessions: Spread,
    /// Environments of functions.
    pub(super) environments: Spread,
    /// Kilobytes of the largest of them.
    pub(super) function_kb: Spread,
    /// Kilobytes of the gateway, which is none of ours.
    pub(super) gateway_kb: Spread,
    /// Kilobytes of the database.
    pub(super) database_kb: Spread,
    /// Dead rows of the processes' table that vacuum has not yet taken.
    pub(super) dead_rows: Spread,
}

/// A figure over the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Spread {
    pub(super) first: Option<i64>,
    pub(super) most: i64,
    pub(super) last: i64,
}

impl Spread {
    /// One more look.
    pub(super) fn look(&mut self, value: i64) {
        self.first = self.first.or(Some(value));
        self.most = self.most.max(value);
        self.last = value;
    }
}

impl Book {
    /// The processes that a hand has changed, so that their rows say what the hand said.
    pub(super) fn by_hand(&self) -> impl Iterator<Item = (FaultKind, Uuid)> {
        let hands = self.faults.iter().filter(|met| {
            matches!(
                met.kind,
                FaultKind::HandFailed
                    | FaultKind::HandCancelled
                    | FaultKind::HandCompleted
                    | FaultKind::HandProgress
                    | FaultKind::HandDeleted
            )
        });
        hands.flat_map(|met| met.processes.iter().map(|id| (met.kind, *id)))
    }

    /// How many accepted jobs there are.
    pub(super) fn accepted(&self) -> usize {
        self.jobs.iter().filter(|job| !job.accepted.is_empty()).count()
    }
}
