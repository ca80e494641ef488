//! Which check an operator asks for.

use serde::Deserialize;
use shared::{
    aws::{model::Models, workflow::Workflow},
    clock::SystemClock,
    http::{Caller, Problem, Refusal, Reply, Request},
    lambda::Setup,
    process::{ErrorCode, Failure, Terms},
    store::Store,
    validation::{Rule, Violation},
};

/// The checks that there are.
const CHECKS: &[&str] = &["health"];

/// What the checks look at.
pub(crate) struct Diagnostics {
    pub(crate) store: Store,
    pub(crate) workflow: Workflow,
    pub(crate) models: Models,
    pub(crate) clock: SystemClock,
    pub(crate) terms: Terms,
}

/// The payload of an invocation.
#[derive(Debug, Deserialize)]
struct CheckRequest {
    check: Option<String>,
}

impl Diagnostics {
    /// From the environment.
    ///
    /// # Errors
    /// When a variable is missing or wrong.
    pub(crate) async fn new(setup: &Setup) -> Result<Self, Failure> {
        Ok(Self {
            workflow: setup.workflow()?,
            models: setup.models()?,
            clock: SystemClock,
            terms: setup.terms()?,
            store: setup.store().await?,
        })
    }

    pub(crate) async fn handle(&self, request: &Request) -> Result<Reply, Problem> {
        // For operators alone, whatever route somebody may give it one day.
        if request.caller != Caller::Operator {
            return Err(ErrorCode::Forbidden.into());
        }
        if request.json::<CheckRequest>()?.check.as_deref() == Some("health") {
            return self.health().await;
        }
        let details = vec![Violation::new("check", Rule::OneOf { allowed: CHECKS })];
        Err(Refusal { details, ..ErrorCode::ValidationError.into() }.into())
    }
}
