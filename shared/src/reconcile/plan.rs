//! The decision.

use chrono::{DateTime, Utc};

use super::{
    facts::{Execution, ProcessFacts},
    limits::Limits,
    rule::Rule,
};
use crate::process::{Ending, ErrorCode, ProcessError, Status, ending::of_execution_error};

/// The error's name that the reconciler gives when it stops an execution for its time limit, so
/// that a sweep that was killed between stopping and writing is understood by the next.
pub const STOPPED_FOR_TIME: &str = "STEP_FUNCTIONS_TIMEOUT";

/// The error's name that the reconciler gives when it stops the execution of a process that has
/// ended (R10): how that ended. The abort of an execution that runs on after COMPLETED is thereby
/// known for our own, and is not reported (R11).
#[must_use]
pub fn stopped_for(status: Status) -> &'static str {
    status.as_str()
}

/// What follows from a process and its execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// They agree: nothing is to be done, and nothing is said.
    Agree,
    /// It is too early to tell: Step Functions may not know yet what it has just started. The next
    /// sweep looks again.
    LookAgain,
    /// The execution runs as it should (R2).
    Healthy,
    /// They disagree, and nothing can be done but tell.
    Report(Rule),
    /// They disagree, and this mends it.
    Repair {
        /// The rule that says so.
        rule: Rule,
        /// What to do.
        repair: Repair,
    },
}

/// What to do about a disagreement. Whoever does it compares first: the row must still be as it was
/// seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repair {
    /// Start the execution.
    Start,
    /// Complete the process with what is stored.
    Complete,
    /// End the process.
    End(Ending),
    /// Stop the execution; once it is known to have stopped, end the process.
    StopThenEnd(Ending),
    /// Stop the execution.
    Stop,
}

impl Plan {
    const fn repair(rule: Rule, repair: Repair) -> Self {
        Self::Repair { rule, repair }
    }
}

fn failed(code: ErrorCode, cause: &str) -> Ending {
    Ending::Failed(ProcessError::new(code, cause))
}

fn timed_out(cause: &str) -> Ending {
    Ending::TimedOut(ProcessError::new(ErrorCode::StepFunctionsTimeout, cause))
}

/// What follows from `row` and its `execution` at `now`.
#[must_use]
pub fn plan(
    row: &ProcessFacts,
    execution: &Execution,
    now: DateTime<Utc>,
    limits: &Limits,
) -> Plan {
    match row.status {
        Status::Pending | Status::Processing => of_active(row, execution, now, limits),
        Status::Completed => match execution {
            Execution::Aborted { error, .. }
                if error.as_deref() == Some(stopped_for(Status::Completed)) =>
            {
                Plan::Agree
            }
            Execution::Failed { .. } | Execution::TimedOut | Execution::Aborted { .. } => {
                Plan::Report(Rule::R11)
            }
            Execution::Running { .. } => of_ended(row, now, limits),
            Execution::Missing | Execution::Succeeded => Plan::Agree,
        },
        Status::Failed | Status::Timeout | Status::Cancelled => match execution {
            Execution::Running { .. } => of_ended(row, now, limits),
            Execution::Missing
            | Execution::Succeeded
            | Execution::Failed { .. }
            | Execution::TimedOut
            | Execution::Aborted { .. } => Plan::Agree,
        },
    }
}

fn of_active(
    row: &ProcessFacts,
    execution: &Execution,
    now: DateTime<Utc>,
    limits: &Limits,
) -> Plan {
    const RAN_TOO_LONG: &str = "the execution ran past its time limit and was stopped";
    match execution {
        // However long it waits: who is next is decided elsewhere (R15).
        Execution::Missing if row.waits() => Plan::Healthy,
        Execution::Missing if row.status == Status::Pending && !row.has_arn => {
            of_unstarted(row, now, limits)
        }
        Execution::Missing if too_fresh(row, now, limits) => Plan::LookAgain,
        Execution::Missing => {
            let cause = "Step Functions knows no execution of this name";
            Plan::repair(Rule::R8, Repair::End(failed(ErrorCode::ExecutionNotFound, cause)))
        }
        Execution::Running { since } => {
            // The worker counts its time from the first claim, and so must whoever ends it: the
            // execution may have waited for a free worker before.
            let began = row.started_at.unwrap_or(*since);
            if now - began <= limits.time_limit + limits.grace {
                Plan::Healthy
            } else {
                Plan::repair(Rule::R9, Repair::StopThenEnd(timed_out(RAN_TOO_LONG)))
            }
        }
        Execution::Succeeded if row.result_ready => Plan::repair(Rule::R3, Repair::Complete),
        Execution::Succeeded => {
            let cause = "the execution succeeded, but no result is stored";
            Plan::repair(Rule::R4, Repair::End(failed(ErrorCode::ResultMissing, cause)))
        }
        Execution::Failed { error, cause } => {
            Plan::repair(Rule::R5, Repair::End(of_execution_error(error, cause.as_deref())))
        }
        Execution::TimedOut => {
            let cause = "Step Functions ended the execution for its time limit";
            Plan::repair(Rule::R6, Repair::End(timed_out(cause)))
        }
        Execution::Aborted { error, .. } if error.as_deref() == Some(STOPPED_FOR_TIME) => {
            Plan::repair(Rule::R9, Repair::End(timed_out(RAN_TOO_LONG)))
        }
        Execution::Aborted { .. } => Plan::repair(Rule::R7, Repair::End(Ending::Cancelled)),
    }
}

/// Admitted, and no execution: the start failed, or never happened.
fn of_unstarted(row: &ProcessFacts, now: DateTime<Utc>, limits: &Limits) -> Plan {
    if now - row.due_at() <= limits.start_grace {
        return Plan::Agree;
    }
    let given_up = row.start_tries.is_some_and(|tries| {
        tries.count >= limits.start_tries
            && tries.last_at - tries.first_at >= limits.start_tries_over
    });
    let repair = if given_up {
        // The last start may have worked, and its answer been lost.
        if too_fresh(row, now, limits) {
            return Plan::LookAgain;
        }
        let cause = "the execution could not be started, try after try";
        Repair::End(failed(ErrorCode::StepFunctionsError, cause))
    } else {
        Repair::Start
    };
    Plan::repair(Rule::R1, repair)
}

/// Ended, and the execution is running. One that the product ended by itself has a last step to
/// make, and is given the time.
fn of_ended(row: &ProcessFacts, now: DateTime<Utc>, limits: &Limits) -> Plan {
    let ended_at = row.completed_at.unwrap_or(row.updated_at);
    if row.status == Status::Cancelled || row.ended_by_hand || now - ended_at > limits.grace {
        Plan::repair(Rule::R10, Repair::Stop)
    } else {
        Plan::Agree
    }
}

/// Whether Step Functions may not find the execution yet: it was started, or may have been, or was
/// seen at work, too short a while ago.
fn too_fresh(row: &ProcessFacts, now: DateTime<Utc>, limits: &Limits) -> bool {
    let tried = row.start_tries.map(|tries| tries.last_at);
    let last = [row.execution_started_at, row.started_at, tried].into_iter().flatten().max();
    now - last.unwrap_or_else(|| row.due_at()) < limits.visibility
}

/// What is broken in a row alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mend {
    /// The progress becomes this (R12, R13).
    Progress(i16),
    /// The time of end becomes this (R14).
    CompletedAt(CompletedAt),
}

/// What becomes of `completed_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletedAt {
    /// It becomes `updated_at`.
    Set(DateTime<Utc>),
    /// It goes.
    Clear,
}

/// What is broken in `row`, whatever its execution says.
#[must_use]
pub fn mends(row: &ProcessFacts) -> Vec<(Rule, Mend)> {
    let progress = match (row.status, row.progress) {
        (Status::Completed, 100) => None,
        (Status::Completed, _) => Some((Rule::R13, Mend::Progress(100))),
        (_, 0..=99) => None,
        (_, progress) => Some((Rule::R12, Mend::Progress(progress.clamp(0, 99)))),
    };
    let completed_at = match (row.status.is_terminal(), row.completed_at) {
        (true, None) => Some((Rule::R14, Mend::CompletedAt(CompletedAt::Set(row.updated_at)))),
        (false, Some(_)) => Some((Rule::R14, Mend::CompletedAt(CompletedAt::Clear))),
        (true, Some(_)) | (false, None) => None,
    };
    progress.into_iter().chain(completed_at).collect()
}

#[cfg(test)]
mod tests;
