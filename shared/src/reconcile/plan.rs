//! The decision.

use chrono::{DateTime, Utc};

use super::{
    facts::{Execution, Limits, Row},
    rule::Rule,
};
use crate::{
    error_code::ErrorCode,
    outcome,
    process::{ProcessError, Status},
};

/// The error's name that the reconciler gives when it stops an execution for its time limit, so
/// that a sweep that was killed between stopping and writing is understood by the next.
pub const STOPPED_FOR_TIME: &str = "STEP_FUNCTIONS_TIMEOUT";

/// The error's name that the reconciler gives when it stops the execution of a process that has
/// ended (R10): how that ended. The abort of an execution that runs on after COMPLETED is thereby
/// known for our own, and is not reported (R11).
#[must_use]
pub const fn stopped_for(status: Status) -> &'static str {
    status.as_str()
}

/// What follows from a process and its execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The rule that says so; `None`: they agree.
    pub rule: Option<Rule>,
    /// What to do.
    pub action: Action,
}

/// What to do about a disagreement. Whoever does it compares first: the row must still be as it was
/// seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Leave,
    /// Look once more in a moment: Step Functions may not know yet what it has just started.
    LookAgain,
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
    /// Nothing but tell.
    Report,
}

/// How a process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// FAILED, TIMEOUT or CANCELLED.
    pub status: Status,
    /// Why; a cancelled process has no error.
    pub error: Option<ProcessError>,
    /// Whether the log may know more.
    pub evidence: bool,
}

impl Ending {
    fn failed(code: ErrorCode, cause: &str) -> Self {
        Self {
            status: Status::Failed,
            error: Some(ProcessError::new(code, cause)),
            evidence: false,
        }
    }

    fn timed_out(cause: &str) -> Self {
        Self {
            status: Status::Timeout,
            error: Some(ProcessError::new(ErrorCode::StepFunctionsTimeout, cause)),
            evidence: true,
        }
    }
}

impl Plan {
    const fn of(rule: Rule, action: Action) -> Self {
        Self { rule: Some(rule), action }
    }

    const fn nothing() -> Self {
        Self { rule: None, action: Action::Leave }
    }
}

/// What follows from `row` and its `execution` at `now`.
#[must_use]
pub fn plan(row: &Row, execution: &Execution, now: DateTime<Utc>, limits: &Limits) -> Plan {
    match row.status {
        Status::Pending | Status::Processing => of_active(row, execution, now, limits),
        Status::Completed => match execution {
            Execution::Aborted { error, .. }
                if error.as_deref() == Some(stopped_for(Status::Completed)) =>
            {
                Plan::nothing()
            }
            Execution::Failed { .. } | Execution::TimedOut | Execution::Aborted { .. } => {
                Plan::of(Rule::R11, Action::Report)
            }
            Execution::Running { .. } => of_ended(row, now, limits),
            Execution::Missing | Execution::Succeeded => Plan::nothing(),
        },
        Status::Failed | Status::Timeout | Status::Cancelled => match execution {
            Execution::Running { .. } => of_ended(row, now, limits),
            Execution::Missing
            | Execution::Succeeded
            | Execution::Failed { .. }
            | Execution::TimedOut
            | Execution::Aborted { .. } => Plan::nothing(),
        },
    }
}

fn of_active(row: &Row, execution: &Execution, now: DateTime<Utc>, limits: &Limits) -> Plan {
    match execution {
        Execution::Missing if row.status == Status::Pending && !row.has_arn => {
            of_unstarted(row, now, limits)
        }
        Execution::Missing if now - last_sign_of_life(row) < limits.visibility => {
            Plan { rule: None, action: Action::LookAgain }
        }
        Execution::Missing => Plan::of(
            Rule::R8,
            Action::End(Ending::failed(
                ErrorCode::ExecutionNotFound,
                "Step Functions knows no execution of this name",
            )),
        ),
        Execution::Running { since } => {
            let began = row.started_at.map_or(*since, |started_at| started_at.min(*since));
            if now - began <= limits.time_limit + limits.grace {
                Plan::of(Rule::R2, Action::Leave)
            } else {
                Plan::of(
                    Rule::R9,
                    Action::StopThenEnd(Ending::timed_out(
                        "the execution ran past its time limit and was stopped",
                    )),
                )
            }
        }
        Execution::Succeeded if row.result_ready => Plan::of(Rule::R3, Action::Complete),
        Execution::Succeeded => {
            let ending = Ending::failed(
                ErrorCode::ResultMissing,
                "the execution succeeded, but no result is stored",
            );
            Plan::of(Rule::R4, Action::End(ending))
        }
        Execution::Failed { error, cause } => {
            let outcome = outcome::of_execution_error(error, cause.as_deref());
            let ending =
                Ending { status: outcome.status(), error: Some(outcome.error), evidence: true };
            Plan::of(Rule::R5, Action::End(ending))
        }
        Execution::TimedOut => Plan::of(
            Rule::R6,
            Action::End(Ending::timed_out("Step Functions ended the execution for its time limit")),
        ),
        Execution::Aborted { error, .. } if error.as_deref() == Some(STOPPED_FOR_TIME) => Plan::of(
            Rule::R9,
            Action::End(Ending::timed_out("the execution ran past its time limit and was stopped")),
        ),
        Execution::Aborted { .. } => Plan::of(
            Rule::R7,
            Action::End(Ending { status: Status::Cancelled, error: None, evidence: false }),
        ),
    }
}

/// Accepted, and no execution: the start failed, or never happened.
fn of_unstarted(row: &Row, now: DateTime<Utc>, limits: &Limits) -> Plan {
    if now - row.created_at <= limits.start_grace {
        return Plan::nothing();
    }
    let given_up = row.start_tries.is_some_and(|tries| {
        tries.count >= limits.start_tries
            && tries.last_at - tries.first_at >= limits.start_tries_over
    });
    let action = if given_up {
        Action::End(Ending::failed(
            ErrorCode::StepFunctionsError,
            "the execution could not be started, try after try",
        ))
    } else {
        Action::Start
    };
    Plan::of(Rule::R1, action)
}

/// Ended, and the execution is running. One that the product ended by itself has a last step to
/// make, and is given the time.
fn of_ended(row: &Row, now: DateTime<Utc>, limits: &Limits) -> Plan {
    let ended_at = row.completed_at.unwrap_or(row.updated_at);
    if row.status == Status::Cancelled || row.ended_by_hand || now - ended_at > limits.grace {
        Plan::of(Rule::R10, Action::Stop)
    } else {
        Plan::nothing()
    }
}

/// When the execution was last known to be there.
fn last_sign_of_life(row: &Row) -> DateTime<Utc> {
    let tried = row.start_tries.map_or(row.created_at, |tries| tries.last_at);
    row.started_at.unwrap_or(row.created_at).max(tried)
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
pub fn mends(row: &Row) -> Vec<(Rule, Mend)> {
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
