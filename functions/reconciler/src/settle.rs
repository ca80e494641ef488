//! What the state machine's Catch hands over: the work failed for good, so the process ends as the error says. If this fails
//! too, the state machine tries it again, and after that the sweep settles it.

use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    clock::Clock,
    failure::Failure,
    outcome,
    process::{ProcessId, Status},
    store::{Actor, Ending},
};

use crate::Reconciler;

/// The error that the state machine caught.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Caught {
    process_id: ProcessId,
    error: String,
    cause: Option<String>,
}

impl Reconciler {
    pub(crate) async fn settle(&self, event: Value) -> Result<Value, Failure> {
        let caught: Caught =
            serde_json::from_value(event).map_err(|error| Failure::internal(format!("not an event of the state machine: {error}")))?;
        let outcome = outcome::of_execution_error(&caught.error, caught.cause.as_deref());
        let status = outcome.status();
        let ending = self.store.end_with_error(caught.process_id, status, &outcome.error, Actor::Reconciler, self.clock.now()).await?;
        let settled = match ending {
            Ending::Ended(_) => Some(status),
            Ending::AlreadyEnded(before) => Some(before),
            Ending::Missing => None,
        };
        tracing::warn!(processId = %caught.process_id, status = settled.map(Status::as_str), errorCode = %outcome.error.code, cause = outcome.error.cause, "the execution failed");
        Ok(
            json!({"success": true, "data": {"processId": caught.process_id, "status": settled, "settled": matches!(ending, Ending::Ended(_))}}),
        )
    }
}
