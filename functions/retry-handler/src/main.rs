//! `retry-handler`: makes a new process out of one that failed or timed out.

mod retry;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    http::{Call, answer},
    setup::Setup,
    store::Store,
    workflow::Workflow,
};

/// What retrying needs.
struct RetryHandler {
    store: Store,
    workflow: Workflow,
    clock: SystemClock,
    /// Requests a minute of one user.
    per_minute: i32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let handler = &RetryHandler {
        store: setup.store().await?,
        workflow: setup.workflow()?,
        clock: SystemClock,
        per_minute: setup.rate_limit_per_minute()?,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(
            answer(event.payload, &handler.clock, async |call: &Call| handler.handle(call).await)
                .await,
        )
    }))
    .await
}
