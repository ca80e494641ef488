//! `cancel-handler`: ends a process that its user, or an operator, no longer wants.

mod cancel;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    http::{Call, answer},
    setup::Setup,
    store::Store,
    workflow::Workflow,
};

/// What cancelling needs.
struct Cancel {
    store: Store,
    workflow: Workflow,
    clock: SystemClock,
    /// Requests a minute of one user.
    per_minute: i32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let cancel = &Cancel {
        store: setup.store().await?,
        workflow: setup.workflow()?,
        clock: SystemClock,
        per_minute: setup.rate_limit_per_minute()?,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(
            answer(event.payload, &cancel.clock, async |call: &Call| cancel.handle(call).await)
                .await,
        )
    }))
    .await
}
