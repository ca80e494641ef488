//! What goes wrong.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chaos::dice::Dice;

/// The functions that are killed and stopped, by their deployed names.
pub(in crate::chaos) const FUNCTIONS: [&str; 6] = [
    "ai-generation-worker",
    "async-processing-handler",
    "reconciler",
    "retry-handler",
    "cancel-handler",
    "diagnostics",
];

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::chaos) enum FaultKind {
    /// All environments of a function die (SIGKILL).
    FunctionKilled,
    /// They stand still for some seconds (SIGSTOP), and go on as if nothing had been.
    FunctionStopped,
    /// The database server dies (SIGQUIT), and recovers when it is started again.
    DatabaseCrash,
    /// All sessions of the functions are ended, as by a failover.
    DatabaseFailover,
    /// The server answers nothing for some seconds, and closes nothing.
    DatabaseHole,
    /// The gateway, and with it Lambda and Step Functions, stands still for some seconds.
    GatewayAway,
    /// A quota that is a fraction of the demand.
    ModelQuota,
    /// Answers that take seconds.
    ModelSlow,
    /// Texts of a wrong length.
    ModelSlips,
    /// Refusals, errors, nonsense and answers that are cut off.
    ModelErrors,
    /// A worker is invoked again for what is running.
    DuplicateWork,
    /// Functions are invoked for what has ended.
    LateWork,
    /// An operator ends a process by hand, as FAILED.
    HandFailed,
    /// The same, as CANCELLED.
    HandCancelled,
    /// The same, as COMPLETED.
    HandCompleted,
    /// Somebody writes a progress that cannot be.
    HandProgress,
    /// Somebody deletes a process that has ended.
    HandDeleted,
    /// The functions are deployed anew.
    Deployment,
}

impl FaultKind {
    /// All of them.
    pub(in crate::chaos) const ALL: [Self; 18] = [
        Self::FunctionKilled,
        Self::FunctionStopped,
        Self::DatabaseCrash,
        Self::DatabaseFailover,
        Self::DatabaseHole,
        Self::GatewayAway,
        Self::ModelQuota,
        Self::ModelSlow,
        Self::ModelSlips,
        Self::ModelErrors,
        Self::DuplicateWork,
        Self::LateWork,
        Self::HandFailed,
        Self::HandCancelled,
        Self::HandCompleted,
        Self::HandProgress,
        Self::HandDeleted,
        Self::Deployment,
    ];

    /// For people and machines.
    pub(in crate::chaos) const fn name(self) -> &'static str {
        match self {
            Self::FunctionKilled => "function-killed",
            Self::FunctionStopped => "function-stopped",
            Self::DatabaseCrash => "database-crash",
            Self::DatabaseFailover => "database-failover",
            Self::DatabaseHole => "database-hole",
            Self::GatewayAway => "gateway-away",
            Self::ModelQuota => "model-quota",
            Self::ModelSlow => "model-slow",
            Self::ModelSlips => "model-slips",
            Self::ModelErrors => "model-errors",
            Self::DuplicateWork => "duplicate-work",
            Self::LateWork => "late-work",
            Self::HandFailed => "hand-failed",
            Self::HandCancelled => "hand-cancelled",
            Self::HandCompleted => "hand-completed",
            Self::HandProgress => "hand-progress",
            Self::HandDeleted => "hand-deleted",
            Self::Deployment => "deployment",
        }
    }

    /// How often it comes, beyond the one time that each does.
    const fn weight(self) -> u64 {
        match self {
            Self::FunctionKilled => 10,
            Self::FunctionStopped | Self::DuplicateWork => 5,
            Self::ModelQuota | Self::ModelErrors | Self::ModelSlips | Self::LateWork => 3,
            Self::DatabaseFailover | Self::ModelSlow => 2,
            Self::Deployment => 0,
            _ => 1,
        }
    }

    /// Seconds that it lasts, at the least and at the most; 0: it is over at once.
    const fn seconds(self) -> (u64, u64) {
        match self {
            Self::FunctionStopped => (1, 4),
            Self::DatabaseHole | Self::GatewayAway => (2, 4),
            Self::ModelQuota | Self::ModelSlips => (4, 10),
            Self::ModelSlow => (3, 6),
            _ => (0, 0),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.name())
    }
}

/// A fault with its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chaos) struct Fault {
    /// When, from the beginning.
    pub(in crate::chaos) at: Duration,
    pub(in crate::chaos) kind: FaultKind,
    /// Until it is healed; zero where it is over at once.
    pub(in crate::chaos) lasts: Duration,
    /// What of those that there are then is met.
    pub(in crate::chaos) pick: u64,
}

/// One in so many seconds, besides the one of each kind.
const MORE_EVERY: u64 = 5;

/// Each kind once, more by their weights, spread over the first nine tenths of the time.
pub(super) fn faults(seed: u64, lasts: Duration, with_deployment: bool) -> Vec<Fault> {
    let mut dice = Dice::of(seed, 2);
    let is_meant = |kind: &FaultKind| with_deployment || *kind != FaultKind::Deployment;
    let mut kinds: Vec<_> = FaultKind::ALL.into_iter().filter(is_meant).collect();
    let weighted: Vec<_> = FaultKind::ALL.iter().map(|kind| (kind.weight(), *kind)).collect();
    for _ in 0..lasts.as_secs() / MORE_EVERY {
        kinds.extend(dice.one_of(&weighted));
    }
    let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let mut faults: Vec<_> = kinds.into_iter().map(|kind| fault(&mut dice, kind, millis)).collect();
    faults.sort_by_key(|fault| fault.at);
    faults
}

fn fault(dice: &mut Dice, kind: FaultKind, millis: u64) -> Fault {
    let (least, most) = kind.seconds();
    let wanted = least * 1_000 + dice.below((most - least) * 1_000 + 1);
    // In a short run each is shorter, so that all are over in nine tenths of it.
    let lasts = wanted.min(millis / 5);
    // Hands need processes to work on: nothing has ended in the first moments.
    let first = millis / 20;
    let at = first + dice.below((millis * 9 / 10).saturating_sub(lasts + first));
    let at = Duration::from_millis(at);
    Fault { at, kind, lasts: Duration::from_millis(lasts), pick: dice.any() }
}
