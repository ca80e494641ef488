//! `ai-generation-worker`: one attempt at one process, as the state machine asks for it.

mod generate;
mod guard;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{clock::SystemClock, failure::Failure, model::Models, setup::Setup, store::Store};

/// What an attempt needs.
struct Worker {
    store: Store,
    models: Models,
    clock: SystemClock,
}

/// What is kept of the invocation's time to end the attempt ourselves, instead of being killed by Lambda.
const MARGIN: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let worker = &Worker { store: setup.store().await?, models: setup.models()?, clock: SystemClock };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let time_left = time_left(event.context.deadline);
        let process_id = event.payload.get("processId").and_then(Value::as_str).unwrap_or_default().to_owned();
        let job = serde_json::from_value(event.payload).map_err(|error| Failure::internal(format!("not a job: {error}")));
        let done = match job {
            Ok(job) => worker.attempt(&job, time_left).await,
            Err(failure) => Err(failure),
        };
        done.map_err(|failure| {
            // What the reconciler finds as evidence when it ends the process.
            tracing::error!(processId = process_id, errorCode = %failure.code, cause = failure.cause, "the attempt failed");
            Diagnostic::from(failure)
        })
    }))
    .await
}

/// What is left until `deadline` (ms since 1970), less the margin.
fn time_left(deadline: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline).saturating_sub(now).saturating_sub(MARGIN)
}
