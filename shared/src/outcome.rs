//! How a failed execution ends its process: a pure function from the error name that the state
//! machine caught.

use serde_json::Value;

use crate::{
    error_code::ErrorCode,
    process::{ProcessError, Status},
    transition::Transition,
};

/// The end of a process whose execution failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// [`Transition::Fail`] or [`Transition::TimeOut`].
    pub transition: Transition,
    /// What its row will say.
    pub error: ProcessError,
}

impl Outcome {
    /// FAILED or TIMEOUT.
    #[must_use]
    pub const fn status(&self) -> Status {
        match self.transition {
            Transition::TimeOut => Status::Timeout,
            _ => Status::Failed,
        }
    }
}

/// Chooses by the error name of a state machine's Catch, or of a failed execution: one of our
/// codes, or a name of Lambda's or Step Functions' own
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).
#[must_use]
pub fn of_execution_error(name: &str, cause: Option<&str>) -> Outcome {
    let code = name.parse().unwrap_or_else(|_| foreign(name));
    let transition = match code {
        ErrorCode::TimeoutError | ErrorCode::StepFunctionsTimeout => Transition::TimeOut,
        _ => Transition::Fail,
    };
    Outcome { transition, error: ProcessError::new(code, format!("{name}: {}", readable(cause))) }
}

fn foreign(name: &str) -> ErrorCode {
    match name {
        // The task's or the machine's own limit.
        "States.Timeout" | "States.HeartbeatTimeout" => ErrorCode::StepFunctionsTimeout,
        // Lambda killed the worker at its limit.
        "Sandbox.Timedout" => ErrorCode::TimeoutError,
        _ if name.starts_with("States.") && name != "States.TaskFailed" => {
            ErrorCode::StepFunctionsError
        }
        // Lambda.*, Runtime.* (a dead or unstartable worker), and every name nobody knows yet.
        _ => ErrorCode::LambdaError,
    }
}

/// Lambda puts `{"errorType", "errorMessage"}` into the cause; the message alone reads better. At
/// most 1,000 characters, none of them a control character: Postgres cannot store a NUL in JSON,
/// and a cause that cannot be stored would keep its process from ever ending.
fn readable(cause: Option<&str>) -> String {
    const LIMIT: usize = 1_000;
    let cause = cause.unwrap_or("no cause given");
    let message = serde_json::from_str::<Value>(cause)
        .ok()
        .and_then(|cause| cause.get("errorMessage")?.as_str().map(str::to_owned));
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
            ("Lambda.ServiceException", Status::Failed, ErrorCode::LambdaError),
            ("Runtime.ExitError", Status::Failed, ErrorCode::LambdaError),
            ("SomethingNew", Status::Failed, ErrorCode::LambdaError),
        ] {
            let outcome = of_execution_error(name, None);
            assert_eq!((outcome.status(), outcome.error.code), (status, code), "{name}");
        }
    }

    #[test]
    fn the_cause_is_lambdas_message_when_it_has_one() {
        let cause = r#"{"errorType":"AI_THROTTLING","errorMessage":"every model was throttled"}"#;
        assert_eq!(
            of_execution_error("AI_THROTTLING", Some(cause)).error.cause.unwrap(),
            "AI_THROTTLING: every model was throttled"
        );
        assert_eq!(of_execution_error("X", Some("plain")).error.cause.unwrap(), "X: plain");
    }

    #[test]
    fn a_cause_holds_nothing_that_postgres_cannot_store() {
        let cause = r#"{"errorType":"X","errorMessage":"a\u0000b\nc"}"#;
        assert_eq!(of_execution_error("X", Some(cause)).error.cause.unwrap(), "X: a b c");
    }

    #[test]
    fn a_long_cause_is_kept_short() {
        assert!(
            of_execution_error("X", Some(&"長".repeat(5_000))).error.cause.unwrap().chars().count()
                < 1_010
        );
    }
}
