//! `async-processing-handler`: accepts generations, and tells where they stand.

mod generate;
mod history;
mod status;
mod unknown;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    http::{Answer, Call, Route, answer},
    setup::Setup,
    store::Store,
    workflow::Workflow,
};

/// What every route may use.
struct Api {
    store: Store,
    workflow: Workflow,
    clock: SystemClock,
    /// Requests a minute of one user.
    per_minute: i32,
}

impl Api {
    async fn handle(&self, call: &Call) -> Answer {
        match call.route {
            Some(Route::Generate) => self.generate(call).await,
            Some(Route::Status) => self.status(call).await.into(),
            Some(Route::History) => self.history(call).await.into(),
            Some(Route::Retry | Route::Cancel) | None => Answer::from(Err(unknown::refuse(call))),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let api = &Api {
        store: setup.store().await?,
        workflow: setup.workflow()?,
        clock: SystemClock,
        per_minute: setup.rate_limit_per_minute()?,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(
            answer(event.payload, &api.clock, async |call: &Call| api.handle(call).await).await,
        )
    }))
    .await
}
