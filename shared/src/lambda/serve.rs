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

/// Hands each invocation to `handle`, one after the other, for as long as the environment lives.
///
/// # Errors
/// When the Lambda runtime itself fails. An error of `handle` becomes the invocation's.
pub async fn serve<T, E>(
    handle: impl AsyncFn(Invocation) -> Result<T, E>,
) -> Result<(), lambda_runtime::Error>
where
    T: Serialize,
    E: Into<Diagnostic> + Debug,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| async move {
        let LambdaEvent { payload, context } = event;
        telemetry::begin_invocation(&context.request_id, context.xray_trace_id.as_deref());
        let deadline = i64::try_from(context.deadline).ok();
        let deadline = deadline.and_then(DateTime::from_timestamp_millis);
        let deadline = deadline.unwrap_or(DateTime::<Utc>::MAX_UTC);
        handle(Invocation { payload, deadline }).await.map_err(Into::<Diagnostic>::into)
    }))
    .await
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
    }
}
