//! `{"check":"process","processId":…}`: what has happened to one process, where its time went, what
//! the system will do about it, and what is left to do.
//!
//! | file | holds |
//! |---|---|
//! | this one | asking, and the answer |
//! | `time` | where the time went: pure |
//! | `next` | the rule that applies, what follows by itself, what is left to do: pure |

mod next;
mod time;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    aws::workflow::Described,
    clock::Clock,
    http::{Problem, Reply},
    process::{
        ErrorCode, Evidence, Failure, ModelTotal, ModelUsage, ProcessId, Status, total_by_model,
    },
    reconcile::Execution,
    store::{Event, Polled},
};

use self::{
    next::{Next, NextView},
    time::{Spent, Times},
};
use crate::{diagnostics::Diagnostics, words::Words};

/// What Step Functions has.
const EXECUTION_LIMIT: Duration = Duration::from_secs(5);

/// All that is told. What the user wrote and what was generated is not.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessView {
    process_id: ProcessId,
    #[serde(rename = "type")]
    process_type: String,
    user_id: String,
    status: Status,
    progress: i16,
    attempt: i32,
    retry_count: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_process_id: Option<ProcessId>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admitted_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    /// Seconds from admission to completion that are usual for the type, while it is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    usual_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView>,
    time: Spent,
    models: Vec<ModelTotal>,
    execution: ExecutionView,
    #[serde(flatten)]
    next: NextView,
    timeline: Vec<EventView>,
    checked_at: DateTime<Utc>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorView {
    code: ErrorCode,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<Evidence>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExecutionView {
    /// As Step Functions writes it; `UNKNOWN`: it could not be asked.
    status: &'static str,
    arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    at: DateTime<Utc>,
    /// Milliseconds since the event before, or since the process was accepted.
    after: i64,
    kind: String,
    actor: String,
    attempt: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
}

impl Diagnostics {
    pub(crate) async fn process(&self, id: ProcessId, words: Words) -> Result<Reply, Problem> {
        let now = self.clock.now();
        let polled = self.store.poll(id, &[], &self.terms, now).await?;
        let polled = polled.ok_or(ErrorCode::ProcessingNotFound)?;
        let facts = self.store.rows_of(&[id]).await?.pop().ok_or(ErrorCode::ProcessingNotFound)?;
        let events = self.store.timeline(id).await?;
        let sweep = self.store.last_sweep().await.unwrap_or_default();
        let described =
            tokio::time::timeout(EXECUTION_LIMIT, self.workflow.describe(id)).await.unwrap_or_else(
                |_| Err(Failure::new(ErrorCode::StepFunctionsError, "no answer in time")),
            );
        let next = Next {
            facts: &facts,
            execution: described.as_ref().ok().map(|described| &described.execution),
            waiting: polled.waiting.as_ref(),
            error: polled.summary.error.as_ref().map(|error| error.code),
            limits: &self.limits,
            last_sweep: sweep.reported_at,
            now,
            words,
        }
        .view();
        let times = Times {
            created_at: facts.created_at,
            admitted_at: facts.admitted_at,
            started_at: facts.started_at,
            ended_at: facts.completed_at,
            now,
        };
        let arn = self.workflow.execution_arn(id);
        let view = ProcessView {
            time: time::spent(&times, &events),
            models: models(&polled, &events),
            execution: execution(described, arn),
            next,
            admitted_at: facts.admitted_at.map(|_| facts.due_at()),
            usual_seconds: polled.recent_seconds,
            timeline: timeline(events, facts.created_at),
            checked_at: now,
            ..row(polled)
        };
        Ok(Reply::of(200, &view)?)
    }
}

/// What the row alone says.
fn row(polled: Polled) -> ProcessView {
    let row = polled.summary;
    ProcessView {
        process_id: row.id,
        process_type: row.process_type.as_str().to_owned(),
        user_id: row.user_id.0,
        status: row.status,
        progress: row.progress,
        attempt: row.attempt,
        retry_count: row.retry_count,
        original_process_id: row.original_process_id,
        created_at: row.created_at,
        admitted_at: None,
        started_at: row.started_at,
        updated_at: row.updated_at,
        completed_at: row.completed_at,
        usual_seconds: None,
        error: row.error.map(|error| ErrorView {
            code: error.code,
            cause: error.cause,
            evidence: error.evidence,
        }),
        time: Spent::default(),
        models: Vec::new(),
        execution: execution(Err(Failure::internal("")), String::new()),
        next: NextView::default(),
        timeline: Vec::new(),
        checked_at: row.updated_at,
    }
}

/// What the models used: by the result, or while there is none by the history.
fn models(polled: &Polled, events: &[Event]) -> Vec<ModelTotal> {
    let of_result = polled.result.as_ref().and_then(|result| result.get("usage"));
    if let Some(Ok(totals)) = of_result.map(Vec::<ModelTotal>::deserialize) {
        return totals;
    }
    let calls = events.iter().filter_map(|event| event.detail.as_ref()?.get("usage"));
    let calls: Vec<ModelUsage> =
        calls.filter_map(|usage| Vec::deserialize(usage).ok()).flatten().collect();
    total_by_model(&calls)
}

fn execution(described: Result<Described, Failure>, arn: String) -> ExecutionView {
    match described {
        Ok(described) => {
            let (error, cause) = match &described.execution {
                Execution::Failed { error, cause } => (Some(error.clone()), cause.clone()),
                Execution::Aborted { error, cause } => (error.clone(), cause.clone()),
                Execution::Missing
                | Execution::Running { .. }
                | Execution::Succeeded
                | Execution::TimedOut => (None, None),
            };
            ExecutionView {
                status: described.execution.as_str(),
                arn,
                started_at: described.started_at,
                stopped_at: described.stopped_at,
                error,
                cause,
            }
        }
        Err(failure) => ExecutionView {
            status: "UNKNOWN",
            arn,
            started_at: None,
            stopped_at: None,
            error: Some(failure.code.to_string()),
            cause: Some(failure.cause),
        },
    }
}

fn timeline(events: Vec<Event>, accepted: DateTime<Utc>) -> Vec<EventView> {
    let mut before = accepted;
    let tell = |event: Event| {
        let after = (event.at - before).num_milliseconds();
        before = event.at;
        EventView {
            at: event.at,
            after,
            kind: event.kind,
            actor: event.actor,
            attempt: event.attempt,
            status: event.to_status.filter(|status| event.from_status.as_ref() != Some(status)),
            detail: event.detail.filter(|detail| !detail.is_null()),
        }
    };
    events.into_iter().map(tell).collect()
}
