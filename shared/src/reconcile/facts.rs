//! What a plan is made from.

use chrono::{DateTime, Utc};

use crate::process::{ProcessId, Status};

/// What matters of a process's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFacts {
    /// Its id, and the name of its execution.
    pub id: ProcessId,
    /// Where it stands.
    pub status: Status,
    /// The current worker run.
    pub attempt: i32,
    /// As stored, by whatever hand.
    pub progress: i16,
    /// Whether an execution is known to have been started.
    pub has_arn: bool,
    /// Whether everything it should generate is stored, so that only COMPLETED is missing.
    pub result_ready: bool,
    /// Whether it has ended, and not by our own hands: COMPLETED without a result, FAILED or
    /// TIMEOUT without an error of ours.
    pub ended_by_hand: bool,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was given its share of the model calls; long before it was accepted, where whoever
    /// stored it did not ask.
    pub admitted_at: Option<DateTime<Utc>>,
    /// When its execution was started, where that is known.
    pub execution_started_at: Option<DateTime<Utc>>,
    /// When the first worker claimed it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// The starts that the reconciler has tried.
    pub start_tries: Option<StartTries>,
}

impl ProcessFacts {
    /// From when on its execution is to be started.
    #[must_use]
    pub fn due_at(&self) -> DateTime<Utc> {
        self.admitted_at.map_or(self.created_at, |admitted| admitted.max(self.created_at))
    }

    /// Whether it waits for its share of the model calls: accepted, and neither admitted nor
    /// started by somebody else.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.status == Status::Pending && self.admitted_at.is_none() && !self.has_arn
    }
}

/// Starts that the reconciler has tried for one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartTries {
    /// How many.
    pub count: i16,
    /// When the first was.
    pub first_at: DateTime<Utc>,
    /// When the last was.
    pub last_at: DateTime<Utc>,
}

/// What Step Functions says about the execution of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// There is none by this name: never started, or its history has expired.
    Missing,
    /// It is running.
    Running {
        /// Since when.
        since: DateTime<Utc>,
    },
    /// It ended well.
    Succeeded,
    /// It ended with an error.
    Failed {
        /// The error's name.
        error: String,
        /// Its cause.
        cause: Option<String>,
    },
    /// Step Functions ended it for its time limit.
    TimedOut,
    /// Somebody stopped it.
    Aborted {
        /// What they gave as the error's name.
        error: Option<String>,
        /// What they gave as the cause.
        cause: Option<String>,
    },
}

impl Execution {
    /// Its status as Step Functions writes it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Missing => "NOT_FOUND",
            Self::Running { .. } => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed { .. } => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted { .. } => "ABORTED",
        }
    }
}
