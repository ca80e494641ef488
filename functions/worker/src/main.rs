//! `ai-generation-worker`: one attempt at one process, or at one batch of it, as the state machine
//! asks for it.

mod ask;
mod batch;
mod generate;
mod guard;
mod job;
mod plan;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    config::{WorkLimits, environment},
    failure::Failure,
    model::Models,
    retry_policy,
    setup::Setup,
    store::Store,
};

use crate::job::{Answer, Job};

/// What an attempt needs.
struct Worker {
    store: Store,
    models: Models,
    limits: WorkLimits,
    clock: SystemClock,
}

/// What is kept of the invocation's time to end the attempt ourselves, instead of being killed by
/// Lambda.
const MARGIN: Duration = Duration::from_secs(5);

impl Worker {
    async fn work(&self, event: Value, lambda_time: Duration) -> Result<Answer, Failure> {
        let job: Job = serde_json::from_value(event)
            .map_err(|error| Failure::internal(format!("not a job: {error}")))?;
        match job.batch_id {
            Some(batch) => {
                self.batch(job.process_id, batch, job.give_up.as_ref(), lambda_time).await
            }
            None => self.attempt(job.process_id, job.execution_arn.as_deref(), lambda_time).await,
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let limits = WorkLimits::read(&environment)?;
    let worker = &Worker {
        store: setup.store().await?,
        models: setup.models()?,
        limits,
        clock: SystemClock,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        let process_id = event.payload.get("processId").and_then(Value::as_str).unwrap_or_default().to_owned();
        match worker.work(event.payload, time_left(event.context.deadline)).await {
            // Two attempts ran at once, and this is the older. If it is the one that the state
            // machine waits for, the newer may be one that it has lost sight of: it must try again,
            // and thereby fence that one off, or nobody would see the end.
            Ok(answer) if answer.overtaken => {
                Err(Diagnostic { error_type: retry_policy::OVERTAKEN.to_owned(), error_message: "a newer attempt has the work".to_owned() })
            }
            Ok(answer) => Ok(answer),
            Err(failure) => {
                // What the reconciler finds as evidence when it ends the process.
                tracing::error!(processId = process_id, errorCode = %failure.code, cause = failure.cause, "the attempt failed");
                Err(Diagnostic::from(failure))
            }
        }
    }))
    .await
}

/// What is left until `deadline` (ms since 1970), less the margin.
fn time_left(deadline: u64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Duration::from_millis(deadline).saturating_sub(now).saturating_sub(MARGIN)
}
