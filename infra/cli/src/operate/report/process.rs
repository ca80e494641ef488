//! A process as the export without texts tells it: what of it is counted.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// A process.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Process {
    #[serde(rename = "processId")]
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    status: String,
    /// Foreign hands may have written anything.
    error: Option<Value>,
    result: Option<Value>,
    execution_arn: Option<IgnoredAny>,
    created_at: DateTime<Utc>,
    admitted_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    events: Vec<Event>,
}

/// What happened to it.
#[derive(Debug, Deserialize)]
struct Event {
    at: DateTime<Utc>,
    kind: String,
    detail: Option<Value>,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    Running,
    Completed,
    /// FAILED or TIMEOUT.
    Failed,
    Cancelled,
}

/// When it was accepted, admitted and ended, in this order whatever hand wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub accepted: DateTime<Utc>,
    pub admitted: Option<DateTime<Utc>>,
    pub ended: Option<DateTime<Utc>>,
}

/// What the calls of a model took.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Usage {
    pub model_id: String,
    /// A single call does not say that it is one.
    pub calls: Option<u64>,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cache_read_input_tokens: u64,
    pub cache_write_input_tokens: u64,
    pub latency_ms: u64,
}

impl Process {
    pub(super) fn standing(&self) -> Standing {
        match self.status.as_str() {
            "COMPLETED" => Standing::Completed,
            "FAILED" | "TIMEOUT" => Standing::Failed,
            "CANCELLED" => Standing::Cancelled,
            _ if self.admitted().is_some() => Standing::Running,
            _ => Standing::Waiting,
        }
    }

    /// What waits has neither been admitted nor got an execution by a hand.
    fn admitted(&self) -> Option<DateTime<Utc>> {
        let unasked = self.started_at.or(self.execution_arn.as_ref().map(|_| self.created_at));
        // Whoever stores a process without asking for capacity leaves 1970 there.
        self.admitted_at.or(unasked).map(|at| at.max(self.created_at))
    }

    pub(super) fn life(&self) -> Life {
        let admitted = self.admitted();
        let has_ended = !matches!(self.standing(), Standing::Waiting | Standing::Running);
        let ended = has_ended.then(|| self.completed_at.unwrap_or(self.updated_at));
        let earliest = admitted.unwrap_or(self.created_at);
        Life { accepted: self.created_at, admitted, ended: ended.map(|at| at.max(earliest)) }
    }

    /// The code and the cause of its error; empty where it says none.
    pub(super) fn error(&self) -> (&str, &str) {
        let text = |name| self.error.as_ref()?.get(name)?.as_str();
        (text("code").unwrap_or_default(), text("cause").unwrap_or_default())
    }

    /// The repairs that the reconciler made: when, and by which rule.
    pub(super) fn repairs(&self) -> impl Iterator<Item = (DateTime<Utc>, &str)> {
        let repairs = self.events.iter().filter(|event| event.kind == "repaired");
        repairs.filter_map(|event| Some((event.at, event.detail.as_ref()?.get("rule")?.as_str()?)))
    }

    /// What its models took: by the result, or while there is none by the history.
    pub(super) fn usage(&self) -> Vec<Usage> {
        let read = |told: &Value| Vec::<Usage>::deserialize(told.get("usage")?).ok();
        self.result.as_ref().and_then(read).unwrap_or_else(|| {
            let details = self.events.iter().filter_map(|event| event.detail.as_ref());
            details.filter_map(read).flatten().collect()
        })
    }
}
