//! How a process ends when it does not complete: the one type that says so, and the pure function
//! that chooses it by the error with which an execution failed.

use serde::Deserialize;

use super::{
    ErrorCode, ProcessError, Status,
    engine_retry::{self, Retrier},
};

/// How a process ends when it does not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// FAILED, by this error.
    Failed(ProcessError),
    /// TIMEOUT, by this error.
    TimedOut(ProcessError),
    /// CANCELLED, by a person.
    Cancelled,
}

impl Ending {
    /// The ending that `error` means: the codes of a time limit end a process as TIMEOUT, all
    /// others as FAILED.
    #[must_use]
    pub const fn of(error: ProcessError) -> Self {
        if error.code.is_time_limit() { Self::TimedOut(error) } else { Self::Failed(error) }
    }

    /// The status that the process will have.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self {
            Self::Failed(_) => Status::Failed,
            Self::TimedOut(_) => Status::Timeout,
            Self::Cancelled => Status::Cancelled,
        }
    }

    /// Why; a cancelled process has no error.
    #[must_use]
    pub const fn error(&self) -> Option<&ProcessError> {
        match self {
            Self::Failed(error) | Self::TimedOut(error) => Some(error),
            Self::Cancelled => None,
        }
    }

    /// The error, to add to it what else is known.
    pub const fn error_mut(&mut self) -> Option<&mut ProcessError> {
        match self {
            Self::Failed(error) | Self::TimedOut(error) => Some(error),
            Self::Cancelled => None,
        }
    }
}

/// Chooses by the error name of a state machine's Catch, or of a failed execution: one of our
/// codes, or a name of Lambda's or Step Functions' own
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).
#[must_use]
pub fn of_execution_error(name: &str, cause: Option<&str>) -> Ending {
    let code = name.parse().unwrap_or_else(|_| code_of_foreign_name(name));
    Ending::of(ProcessError::new(code, format!("{name}: {}", readable(cause))))
}

fn code_of_foreign_name(name: &str) -> ErrorCode {
    match name {
        // The task's or the machine's own limit.
        "States.Timeout" | "States.HeartbeatTimeout" => ErrorCode::StepFunctionsTimeout,
        // Lambda killed the worker at its limit, or a batch got on and on and came to no end.
        "Sandbox.Timedout" | engine_retry::UNFINISHED => ErrorCode::TimeoutError,
        engine_retry::CONTENT_REFUSED => ErrorCode::AiResponseInvalid,
        // Nothing is wrong with the process: whoever tries again later finds a worker.
        engine_retry::OVERTAKEN => ErrorCode::LambdaUnavailable,
        _ if is_named(&WAITED_FOR, name) => ErrorCode::LambdaUnavailable,
        _ if name.starts_with("States.") && name != "States.TaskFailed" => {
            ErrorCode::StepFunctionsError
        }
        // Lambda.*, Runtime.* (a dead or unstartable worker), and every name nobody knows yet.
        _ => ErrorCode::LambdaError,
    }
}

/// What the state machine waits for in vain is no fault of the worker's.
const WAITED_FOR: [Retrier; 3] =
    [engine_retry::NO_FREE_WORKER, engine_retry::NOT_READY, engine_retry::ENGINE_FAILED];

fn is_named(retriers: &[Retrier], name: &str) -> bool {
    retriers.iter().any(|retrier| retrier.errors.contains(&name))
}

/// What Lambda puts into the cause.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LambdaCause {
    error_message: String,
}

/// Lambda puts `{"errorType", "errorMessage"}` into the cause; the message alone reads better. At
/// most 1,000 characters, none of them a control character: Postgres cannot store a NUL in JSON,
/// and a cause that cannot be stored would keep its process from ever ending.
fn readable(cause: Option<&str>) -> String {
    const LIMIT: usize = 1_000;
    // Step Functions gives a timeout an empty cause.
    let cause = cause.filter(|cause| !cause.trim().is_empty()).unwrap_or("no cause given");
    let message = serde_json::from_str::<LambdaCause>(cause).ok().map(|cause| cause.error_message);
    message
        .as_deref()
        .unwrap_or(cause)
        .chars()
        .take(LIMIT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::engine_retry::Task;

    #[test]
    fn every_error_name_has_its_end() {
        for (name, status, code) in [
            ("AI_THROTTLING", Status::Failed, ErrorCode::AiThrottling),
            ("TARGET_NOT_EMPTY", Status::Failed, ErrorCode::TargetNotEmpty),
            ("TIMEOUT_ERROR", Status::Timeout, ErrorCode::TimeoutError),
            ("States.Timeout", Status::Timeout, ErrorCode::StepFunctionsTimeout),
            ("Sandbox.Timedout", Status::Timeout, ErrorCode::TimeoutError),
            ("States.Runtime", Status::Failed, ErrorCode::StepFunctionsError),
            ("States.Permissions", Status::Failed, ErrorCode::StepFunctionsError),
            ("States.TaskFailed", Status::Failed, ErrorCode::LambdaError),
            ("Lambda.ServiceException", Status::Failed, ErrorCode::LambdaUnavailable),
            ("Lambda.AWSLambdaException", Status::Failed, ErrorCode::LambdaUnavailable),
            ("Lambda.TooManyRequestsException", Status::Failed, ErrorCode::LambdaUnavailable),
            (
                "Lambda.CodeArtifactUserPendingException",
                Status::Failed,
                ErrorCode::LambdaUnavailable,
            ),
            ("Lambda.ENILimitReachedException", Status::Failed, ErrorCode::LambdaUnavailable),
            ("FUNCTION_NOT_SET_UP", Status::Failed, ErrorCode::LambdaUnavailable),
            ("ATTEMPT_OVERTAKEN", Status::Failed, ErrorCode::LambdaUnavailable),
            ("CONTENT_REFUSED", Status::Failed, ErrorCode::AiResponseInvalid),
            ("Lambda.Unknown", Status::Failed, ErrorCode::LambdaError),
            ("Lambda.KMSAccessDeniedException", Status::Failed, ErrorCode::LambdaError),
            ("Lambda.InvalidSubnetIDException", Status::Failed, ErrorCode::LambdaError),
            ("Lambda.EFSMountFailureException", Status::Failed, ErrorCode::LambdaError),
            ("Runtime.OutOfMemory", Status::Failed, ErrorCode::LambdaError),
            ("States.DataLimitExceeded", Status::Failed, ErrorCode::StepFunctionsError),
            ("States.HeartbeatTimeout", Status::Timeout, ErrorCode::StepFunctionsTimeout),
            ("Runtime.ExitError", Status::Failed, ErrorCode::LambdaError),
            ("SomethingNew", Status::Failed, ErrorCode::LambdaError),
        ] {
            let ending = of_execution_error(name, None);
            assert_eq!((ending.status(), ending.error().unwrap().code), (status, code), "{name}");
        }
    }

    fn cause_of(name: &str, cause: &str) -> String {
        let mut ending = of_execution_error(name, Some(cause));
        ending.error_mut().unwrap().cause.take().unwrap()
    }

    #[test]
    fn the_status_of_an_ending_is_the_one_that_its_code_means() {
        for code in ErrorCode::ALL {
            let ending = Ending::of(ProcessError::new(*code, "test"));
            let expected = if code.is_time_limit() { Status::Timeout } else { Status::Failed };
            assert_eq!(ending.status(), expected, "{code}");
            assert_eq!(ending.error().unwrap().code, *code);
        }
        assert_eq!(
            (Ending::Cancelled.status(), Ending::Cancelled.error()),
            (Status::Cancelled, None)
        );
    }

    #[test]
    fn the_cause_is_lambdas_message_when_it_has_one() {
        let cause = r#"{"errorType":"AI_THROTTLING","errorMessage":"every model was throttled"}"#;
        assert_eq!(cause_of("AI_THROTTLING", cause), "AI_THROTTLING: every model was throttled");
        assert_eq!(cause_of("X", "plain"), "X: plain");
    }

    // world.md 11, aws.md 7
    #[test]
    fn a_user_may_retry_whatever_the_state_machine_waited_for() {
        for task in Task::ALL {
            for name in engine_retry::retriers(task).iter().flat_map(|retrier| retrier.errors) {
                let code = of_execution_error(name, None).error().unwrap().code;
                // A worker that keeps dying is for an operator to look at.
                let dies = ["Lambda.Unknown", "Runtime.ExitError", "Runtime.OutOfMemory"];
                assert_eq!(code.retryable(), !dies.contains(name), "{name}: {code}");
            }
        }
    }

    // aws.md 24, interpreter.md 4
    #[test]
    fn an_empty_cause_is_told_as_none() {
        for cause in [None, Some(""), Some(" ")] {
            let ending = of_execution_error("States.Timeout", cause);
            let told = ending.error().unwrap().cause.clone();
            assert_eq!(told.as_deref(), Some("States.Timeout: no cause given"), "{cause:?}");
        }
    }

    #[test]
    fn a_cause_holds_nothing_that_postgres_cannot_store() {
        let cause = r#"{"errorType":"X","errorMessage":"a\u0000b\nc"}"#;
        assert_eq!(cause_of("X", cause), "X: a b c");
    }

    #[test]
    fn a_long_cause_is_kept_short() {
        assert_eq!(cause_of("X", &"長".repeat(5_000)).chars().count(), "X: ".len() + 1_000);
    }
}
