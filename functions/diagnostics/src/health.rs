//! `{"check":"health"}`: whether the database, the state machine and the models are there and let
//! us in. Every part is really asked; one that fails is named with its cause, and the others are
//! asked all the same.

use serde::Serialize;
use shared::{
    clock::Clock,
    http::{CapacityView, Problem, Reply},
    process::{ErrorCode, Failure},
};

use crate::diagnostics::Diagnostics;

/// What the check found.
#[derive(Serialize)]
struct Health<'a> {
    healthy: bool,
    parts: Vec<PartHealth>,
    /// Limits, queue and pause; `None`: the database did not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<CapacityView<'a>>,
    /// Milliseconds that the check took.
    duration: i64,
}

/// One part.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartHealth {
    part: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl PartHealth {
    fn of(part: &'static str, failure: Option<Failure>) -> Self {
        let ok = failure.is_none();
        let (code, cause) = failure.map(|failure| (failure.code, failure.cause)).unzip();
        Self { part, ok, code, cause, ..Self::default() }
    }
}

impl Diagnostics {
    pub(crate) async fn health(&self) -> Result<Reply, Problem> {
        let began = self.clock.now();
        let mut parts = vec![match self.store.schema_version().await {
            Ok(version) => {
                PartHealth { schema_version: Some(version), ..PartHealth::of("database", None) }
            }
            Err(failure) => PartHealth::of("database", Some(failure)),
        }];
        parts.push(PartHealth::of("stateMachine", self.workflow.check().await.err()));
        for (id, result) in self.models.check().await {
            let cause = result.err().map(|fault| format!("{}: {}", fault.fault, fault.words));
            let ok = cause.is_none();
            parts.push(PartHealth { ok, cause, model: Some(id), ..PartHealth::of("model", None) });
        }
        let capacity = self.store.capacity(&self.terms, began).await.ok();
        let capacity = capacity.as_ref().map(CapacityView::of);
        let healthy = parts.iter().all(|part| part.ok);
        let duration = (self.clock.now() - began).num_milliseconds();
        Ok(Reply::of(200, &Health { healthy, parts, capacity, duration })?)
    }
}
