//! `{"check":"health"}`: whether the database, the state machine and the models are there and let
//! us in. Every part is really asked; one that fails is named with its cause, and the others are
//! asked all the same.

use serde_json::{Value, json};
use shared::{
    clock::Clock,
    http::{Problem, Reply},
};

use crate::Diagnostics;

impl Diagnostics {
    pub(crate) async fn health(&self) -> Result<Reply, Problem> {
        let mut parts = Vec::new();
        let began = self.clock.now();
        parts.push(match self.store.schema_version().await {
            Ok(version) => json!({"part": "database", "ok": true, "schemaVersion": version}),
            Err(failure) => json!({"part": "database", "ok": false, "code": failure.code, "cause": failure.cause}),
        });
        parts.push(match self.workflow.check().await {
            Ok(()) => json!({"part": "stateMachine", "ok": true}),
            Err(failure) => json!({"part": "stateMachine", "ok": false, "code": failure.code, "cause": failure.cause}),
        });
        for (id, result) in self.models.check().await {
            parts.push(match result {
                Ok(()) => json!({"part": "model", "model": id, "ok": true}),
                Err(fault) => json!({"part": "model", "model": id, "ok": false, "cause": format!("{}: {}", fault.fault, fault.words)}),
            });
        }
        let healthy = parts.iter().all(|part| part["ok"] == Value::Bool(true));
        let milliseconds = (self.clock.now() - began).num_milliseconds();
        Ok(Reply::new(200, json!({"healthy": healthy, "parts": parts, "duration": milliseconds})))
    }
}
