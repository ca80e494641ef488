//! `diagnostics`: tells an operator what is wrong, with one command.

mod health;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    clock::SystemClock,
    error_code::ErrorCode,
    http::{Call, Caller, Problem, Refusal, Reply, answer},
    model::Models,
    setup::Setup,
    store::Store,
    validation::{Rule, Violation},
    workflow::Workflow,
};

/// What the checks look at.
struct Diagnostics {
    store: Store,
    workflow: Workflow,
    models: Models,
    clock: SystemClock,
}

/// The payload of an invocation.
#[derive(Debug, Deserialize)]
struct Question {
    check: Option<String>,
}

impl Diagnostics {
    async fn handle(&self, call: &Call) -> Result<Reply, Problem> {
        // For operators alone, whatever route somebody may give it one day.
        if call.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        match call.json::<Question>()?.check.as_deref() {
            Some("health") => self.health().await,
            _ => Err(Refusal {
                details: vec![Violation::new("check", Rule::OneOf { allowed: "health" })],
                ..ErrorCode::ValidationError.into()
            }
            .into()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let setup = Setup::from_environment().await;
    let diagnostics = &Diagnostics {
        store: setup.store().await?,
        workflow: setup.workflow()?,
        models: setup.models()?,
        clock: SystemClock,
    };
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| async move {
        Ok::<_, Diagnostic>(
            answer(event.payload, &diagnostics.clock, async |call: &Call| {
                diagnostics.handle(call).await
            })
            .await,
        )
    }))
    .await
}
