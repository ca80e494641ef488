//! Processes with their histories, page by page, as they are stored: for who keeps them elsewhere.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{
    Store,
    survey::{ID_LEAD, least_id},
    timeline::Event,
};
use crate::process::{Failure, ProcessId, Status};

/// Rows that one page looks at.
const MOST_ROWS: i64 = 20_000;
/// Characters of JSON that a page comes to at most, but for a single process that has more: Lambda
/// answers 6 MB, and the function has 128 MB in which it reads them.
const MOST_TEXT: i64 = 2_000_000;
/// Events of one process that are given; a chart down to tasks has some two hundred.
const MOST_EVENTS: i64 = 1_000;

/// Which processes; what is `None` lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportFilter {
    /// Only this type.
    pub process_type: Option<String>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this user's.
    pub user_id: Option<String>,
    /// Accepted then or later.
    pub since: Option<DateTime<Utc>>,
    /// Accepted before that.
    pub until: Option<DateTime<Utc>>,
    /// Only those after this one, in the order of the ids.
    pub after: Option<ProcessId>,
    /// Without what users wrote and were written: params, results but for what they cost, reasons
    /// of cancels, idempotency keys.
    pub without_texts: bool,
}

/// A process as it is stored. Names are as they stand there, whatever hand wrote them.
#[derive(Debug, Clone, PartialEq)]
pub struct Exported {
    /// Its id.
    pub id: ProcessId,
    /// Whose it is.
    pub user_id: String,
    /// What is generated.
    pub process_type: String,
    /// Where it stands.
    pub status: String,
    /// What is generated for.
    pub target_id: Uuid,
    /// The goal that it belongs to.
    pub goal_id: Option<Uuid>,
    /// What was asked for.
    pub params: Option<Value>,
    /// What was generated, or only what that cost.
    pub result: Option<Value>,
    /// Whether params and result were left out because they are too large for a page.
    pub is_cut: bool,
    /// Percent.
    pub progress: i16,
    /// Why it ended badly.
    pub error: Option<Value>,
    /// Retries that lie before it.
    pub retry_count: i16,
    /// The process that it retries.
    pub original_process_id: Option<ProcessId>,
    /// The batch of requests that it was sent in.
    pub request_batch_id: Option<Uuid>,
    /// The current worker run.
    pub attempt: i32,
    /// `normal` or `low`.
    pub priority: String,
    /// The execution that drives it.
    pub execution_arn: Option<String>,
    /// The client's key.
    pub idempotency_key: Option<String>,
    /// The reason that was given when it was cancelled.
    pub cancel_reason: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it was admitted.
    pub admitted_at: Option<DateTime<Utc>>,
    /// When the first worker claimed it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last moved.
    pub updated_at: DateTime<Utc>,
    /// When it ended.
    pub completed_at: Option<DateTime<Utc>>,
    /// Its history, the oldest first: the first thousand events.
    pub events: Vec<Event>,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportPage {
    /// In the order of their ids, which is that in which they were accepted.
    pub processes: Vec<Exported>,
    /// After which process the next page begins; `None`: there is none.
    pub next: Option<ProcessId>,
}

/// A row of a page, and what was looked at for it.
struct PageRow {
    rows: i64,
    last_id: Option<Uuid>,
    passing: i64,
    id: Option<Uuid>,
    user_id: Option<String>,
    process_type: Option<String>,
    status: Option<String>,
    target_id: Option<Uuid>,
    goal_id: Option<Uuid>,
    params: Option<Value>,
    result: Option<Value>,
    is_cut: Option<bool>,
    progress: Option<i16>,
    error: Option<Value>,
    retry_count: Option<i16>,
    original_process_id: Option<Uuid>,
    request_batch_id: Option<Uuid>,
    attempt: Option<i32>,
    priority: Option<String>,
    execution_arn: Option<String>,
    idempotency_key: Option<String>,
    cancel_reason: Option<String>,
    created_at: Option<DateTime<Utc>>,
    admitted_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

impl PageRow {
    /// Its process, without its events; an empty page is one row without.
    fn exported(self) -> Option<Exported> {
        Some(Exported {
            id: ProcessId(self.id?),
            user_id: self.user_id?,
            process_type: self.process_type?,
            status: self.status?,
            target_id: self.target_id?,
            goal_id: self.goal_id,
            params: self.params,
            result: self.result,
            is_cut: self.is_cut.unwrap_or_default(),
            progress: self.progress?,
            error: self.error,
            retry_count: self.retry_count?,
            original_process_id: self.original_process_id.map(ProcessId),
            request_batch_id: self.request_batch_id,
            attempt: self.attempt?,
            priority: self.priority?,
            execution_arn: self.execution_arn,
            idempotency_key: self.idempotency_key,
            cancel_reason: self.cancel_reason,
            created_at: self.created_at?,
            admitted_at: self.admitted_at,
            started_at: self.started_at,
            updated_at: self.updated_at?,
            completed_at: self.completed_at,
            events: Vec::new(),
        })
    }
}

impl Store {
    /// The next processes that pass `filter`, `limit` at most, with their histories.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export(&self, filter: &ExportFilter, limit: i64) -> Result<ExportPage, Failure> {
        let from = filter.since.map_or(Uuid::nil(), |since| least_id(since - ID_LEAD));
        let after = filter.after.map_or(from, |after| after.0.max(from));
        let before = filter.until.map_or(Uuid::max(), |until| least_id(until + ID_LEAD));
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query_file_as!(
            PageRow,
            "src/store/export_page.sql",
            after,
            before,
            filter.since,
            filter.until,
            filter.process_type,
            filter.status.map(Status::as_str),
            filter.user_id,
            MOST_ROWS,
            limit,
            MOST_TEXT,
            !filter.without_texts,
        )
        .fetch_all(&mut *connection)
        .await?;
        let (passing, end) = rows
            .first()
            .map_or((0, None), |row| (row.passing, row.last_id.filter(|_| row.rows == MOST_ROWS)));
        let mut processes: Vec<_> = rows.into_iter().filter_map(PageRow::exported).collect();
        let ids: Vec<_> = processes.iter().map(|process| process.id.0).collect();
        let is_full = passing == limit || i64::try_from(ids.len()).is_ok_and(|n| n < passing);
        let next = if is_full { ids.last().copied() } else { end };
        let events = sqlx::query!(
            r#"
            SELECT event.process_id, at, attempt, kind, from_status, to_status, actor, detail
            FROM unnest($1::uuid[]) process (id),
                 LATERAL (
                     SELECT *
                     FROM processing_event
                     WHERE process_id = process.id
                     ORDER BY id
                     LIMIT $2
                 ) event
            ORDER BY event.process_id, event.id
            "#,
            &ids,
            MOST_EVENTS,
        )
        .fetch_all(&mut *connection)
        .await?;
        let mut histories = HashMap::<_, Vec<_>>::new();
        for row in events {
            histories.entry(ProcessId(row.process_id)).or_default().push(Event {
                at: row.at,
                attempt: row.attempt,
                kind: row.kind,
                from_status: row.from_status,
                to_status: row.to_status,
                actor: row.actor,
                detail: row.detail,
            });
        }
        for process in &mut processes {
            process.events = histories.remove(&process.id).unwrap_or_default();
        }
        Ok(ExportPage { processes, next: next.map(ProcessId) })
    }
}
