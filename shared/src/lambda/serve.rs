//! The one door of every function: each invocation comes in here.

use std::{fmt::Debug, time::Duration};

use chrono::{DateTime, Utc};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde_json::Value;

use super::telemetry;
use crate::process::{Failure, engine_retry};

/// One invocation.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// What it was invoked with.
    pub payload: Value,
    /// When Lambda ends it.
    pub deadline: DateTime<Utc>,
}

impl Invocation {
    /// What is left at `now` until the deadline.
    #[must_use]
    pub fn time_left(&self, now: DateTime<Utc>) -> Duration {
        (self.deadline - now).to_std().unwrap_or_default()
    }
}

/// What a function says when it cannot be set up: the message of the line that names the cause.
/// The check `health` looks for it.
pub const CANNOT_BE_SET_UP: &str = "the function cannot be set up";

/// Hands each invocation, with what was `made` from the environment, to `handle`, one after the
/// other, for as long as the environment lives.
///
/// Where a variable is missing or wrong, the function does not die: each invocation is told why,
/// under a name that the state machine waits out, and so is the log.
///
/// # Errors
/// When the Lambda runtime itself fails. An error of `handle` becomes the invocation's.
pub async fn serve<M, T, E>(
    made: Result<M, Failure>,
    handle: impl AsyncFn(&M, Invocation) -> Result<T, E>,
) -> Result<(), lambda_runtime::Error>
where
    T: Serialize,
    E: Into<Diagnostic> + Debug,
{
    let (made, handle) = (&made, &handle);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        telemetry::begin_invocation(&context.request_id, context.xray_trace_id.as_deref());
        let deadline = i64::try_from(context.deadline).ok();
        let deadline = deadline.and_then(DateTime::from_timestamp_millis);
        let deadline = deadline.unwrap_or(DateTime::<Utc>::MAX_UTC);
        match made {
            Ok(made) => handle(made, Invocation { payload, deadline }).await.map_err(Into::into),
            Err(failure) => Err(not_set_up(failure)),
        }
    }))
    .await
}

fn not_set_up(failure: &Failure) -> Diagnostic {
    let cause = failure.cause.as_str();
    tracing::error!(errorCode = %failure.code, cause, "{CANNOT_BE_SET_UP}");
    Diagnostic {
        error_type: engine_retry::NOT_SET_UP.to_owned(),
        error_message: format!("{CANNOT_BE_SET_UP}: {cause}"),
    }
}

/// The Lambda error name is the code (or the name of a failure that is not to be repeated), so that
/// the state machine's Retry and Catch can choose by it.
impl From<Failure> for Diagnostic {
    fn from(failure: Failure) -> Self {
        let error_type = engine_retry::error_name(&failure).to_owned();
        Self { error_type, error_message: failure.cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ErrorCode;

    #[test]
    fn the_lambda_error_name_is_the_code() {
        let diagnostic =
            Diagnostic::from(Failure::new(ErrorCode::AiThrottling, "every model was throttled"));
        assert_eq!(diagnostic.error_type, "AI_THROTTLING");
        assert_eq!(diagnostic.error_message, "every model was throttled");
        let refused = Diagnostic::from(Failure::content_refused("every model refused the text"));
        assert_eq!(refused.error_type, "CONTENT_REFUSED", "a name that no retrier has");
        let not_set_up = not_set_up(&Failure::internal("A is not set"));
        assert_eq!(not_set_up.error_type, "FUNCTION_NOT_SET_UP");
        assert_eq!(not_set_up.error_message, "the function cannot be set up: A is not set");
    }
}
