//! `async-processing-handler`: accepts generations, and tells where they stand.

mod generate;
mod status;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use shared::{
    clock::SystemClock,
    error_code::ErrorCode,
    http::{Call, Problem, Refusal, Reply, answer},
    setup::Setup,
    store::Store,
    validation::{Rule, Violation},
    workflow::Workflow,
};

/// What every route may use.
struct Api {
    store: Store,
    workflow: Workflow,
    clock: SystemClock,
}

impl Api {
    async fn handle(&self, call: &Call) -> Result<Reply, Problem> {
        match call.route.as_deref() {
            Some("POST /api/ai/async/generate") => self.generate(call).await,
            Some("GET /api/ai/async/status/{processId}") => self.status(call).await,
            _ => Err(Refusal {
                details: vec![Violation::new("routeKey", Rule::OneOf { allowed: ROUTES })],
                ..ErrorCode::ValidationError.into()
            }
            .into()),
        }
    }
}

const ROUTES: &str = "POST /api/ai/async/generate, GET /api/ai/async/status/{processId}";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let api = &Api { store: setup.store().await?, workflow: setup.workflow()?, clock: SystemClock };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(answer(event.payload, &api.clock, async |call: &Call| api.handle(call).await).await)
    }))
    .await
}
