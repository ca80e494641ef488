//! `reconciler`: makes the database and the executions agree.

mod settle;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{clock::SystemClock, setup::Setup, store::Store};

/// What reconciling needs.
struct Reconciler {
    store: Store,
    clock: SystemClock,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let reconciler = &Reconciler { store: setup.store().await?, clock: SystemClock };
    lambda_runtime::run(service_fn(
        |event: LambdaEvent<Value>| async move { reconciler.settle(event.payload).await.map_err(Diagnostic::from) },
    ))
    .await
}
