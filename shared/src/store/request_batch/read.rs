//! Reading a batch.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    process::{Failure, ProcessSummary, RequestBatchId, UserId},
    store::{Store, find::SummaryRow},
};

/// A batch as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestBatch {
    /// Its id.
    pub id: RequestBatchId,
    /// Who sent it.
    pub user_id: UserId,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// The processes of the requests that were accepted, in their order.
    pub processes: Vec<ProcessSummary>,
}

/// A process of the batch, or one row without any for a batch that has none.
struct Row {
    user_id: String,
    batch_created_at: DateTime<Utc>,
    id: Option<Uuid>,
    process_type: Option<String>,
    status: Option<String>,
    progress: Option<i16>,
    error: Option<Value>,
    retry_count: Option<i16>,
    original_process_id: Option<Uuid>,
    attempt: Option<i32>,
    cancel_reason: Option<String>,
    created_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

impl Row {
    fn summary(self) -> Option<SummaryRow> {
        Some(SummaryRow {
            id: self.id?,
            user_id: self.user_id,
            process_type: self.process_type?,
            status: self.status?,
            progress: self.progress?,
            error: self.error,
            retry_count: self.retry_count?,
            original_process_id: self.original_process_id,
            attempt: self.attempt?,
            cancel_reason: self.cancel_reason,
            created_at: self.created_at?,
            started_at: self.started_at,
            updated_at: self.updated_at?,
            completed_at: self.completed_at,
        })
    }
}

impl Store {
    /// The batch `id`, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_batch(&self, id: RequestBatchId) -> Result<Option<RequestBatch>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT batch.user_id, batch.created_at AS batch_created_at,
                   process.id AS "id?", process.type AS "process_type?",
                   process.status AS "status?", process.progress AS "progress?",
                   process.error, process.retry_count AS "retry_count?",
                   process.original_process_id, process.attempt AS "attempt?",
                   process.cancel_reason, process.created_at AS "created_at?",
                   process.started_at, process.updated_at AS "updated_at?", process.completed_at
            FROM request_batch batch
            LEFT JOIN processing_state process
                   ON process.request_batch_id = batch.id AND process.user_id = batch.user_id
            WHERE batch.id = $1
            ORDER BY process.request_index
            "#,
            id.0,
        )
        .fetch_all(&mut *connection)
        .await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let (user_id, created_at) = (UserId(first.user_id.clone()), first.batch_created_at);
        let summaries = rows.into_iter().filter_map(Row::summary);
        let processes = summaries.map(ProcessSummary::try_from).collect::<Result<_, _>>()?;
        Ok(Some(RequestBatch { id, user_id, created_at, processes }))
    }
}
