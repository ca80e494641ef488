//! `{"check":"export"}`: processes as they are stored, with their histories, page by page.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::{
    http::{Problem, Reply},
    process::ProcessId,
    store::{Event, Exported},
};
use uuid::Uuid;

use crate::{command::ExportQuery, diagnostics::Diagnostics};

/// A page of an export.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExportView {
    processes: Vec<ProcessView>,
    /// After which the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<ProcessId>,
}

/// A process, with everything that its row holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessView {
    process_id: ProcessId,
    user_id: String,
    #[serde(rename = "type")]
    process_type: String,
    status: String,
    target_id: Uuid,
    goal_id: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// Params and result are too large for an answer.
    #[serde(skip_serializing_if = "is_false")]
    is_cut: bool,
    progress: i16,
    error: Option<Value>,
    retry_count: i16,
    original_process_id: Option<ProcessId>,
    request_batch_id: Option<Uuid>,
    attempt: i32,
    priority: String,
    execution_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<String>,
    created_at: DateTime<Utc>,
    admitted_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
    events: Vec<EventView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EventView {
    at: DateTime<Utc>,
    attempt: i32,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to_status: Option<String>,
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl From<Event> for EventView {
    fn from(event: Event) -> Self {
        let Event { at, attempt, kind, from_status, to_status, actor, detail } = event;
        Self { at, attempt, kind, from_status, to_status, actor, detail }
    }
}

impl From<Exported> for ProcessView {
    fn from(row: Exported) -> Self {
        Self {
            process_id: row.id,
            user_id: row.user_id,
            process_type: row.process_type,
            status: row.status,
            target_id: row.target_id,
            goal_id: row.goal_id,
            params: row.params,
            result: row.result,
            is_cut: row.is_cut,
            progress: row.progress,
            error: row.error,
            retry_count: row.retry_count,
            original_process_id: row.original_process_id,
            request_batch_id: row.request_batch_id,
            attempt: row.attempt,
            priority: row.priority,
            execution_arn: row.execution_arn,
            idempotency_key: row.idempotency_key,
            cancel_reason: row.cancel_reason,
            created_at: row.created_at,
            admitted_at: row.admitted_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
            events: row.events.into_iter().map(EventView::from).collect(),
        }
    }
}

impl Diagnostics {
    pub(crate) async fn export(&self, query: &ExportQuery) -> Result<Reply, Problem> {
        let page = self.store.export(&query.filter, query.limit).await?;
        let processes = page.processes.into_iter().map(ProcessView::from).collect();
        Ok(Reply::of(200, &ExportView { processes, next_cursor: page.next })?)
    }
}
