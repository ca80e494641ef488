//! Cancelling a batch: all of its processes that are active, by one statement.

use chrono::{DateTime, Utc};

use crate::{
    process::{Author, Failure, ProcessId, RequestBatchId, Status, UserId},
    store::Store,
};

/// What became of a wish to cancel a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchCancelling {
    /// Whose it is.
    pub user_id: UserId,
    /// The processes that this wish cancelled.
    pub cancelled: Vec<ProcessId>,
    /// Those of them that may have an execution: they did not wait any more.
    pub begun: Vec<ProcessId>,
}

impl Store {
    /// Cancels the active processes of a batch. `owner`: only if it is this user's. `None`: there
    /// is no such batch.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_batch(
        &self,
        id: RequestBatchId,
        owner: Option<&UserId>,
        reason: Option<&str>,
        author: impl Into<Author>,
        now: DateTime<Utc>,
    ) -> Result<Option<BatchCancelling>, Failure> {
        let author = author.into();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH batch AS (
                SELECT id, user_id, $2::text IS NULL OR user_id = $2 AS allowed
                FROM request_batch
                WHERE id = $1
            ), before AS (
                SELECT process.id, process.status, process.attempt,
                       process.admitted_at IS NOT NULL OR process.execution_arn IS NOT NULL AS begun
                FROM batch
                JOIN processing_state process
                  ON process.request_batch_id = batch.id AND process.user_id = batch.user_id
                WHERE batch.allowed AND process.status IN ('PENDING', 'PROCESSING')
                -- In one order by all who cancel it, so that no two of them wait for each other.
                ORDER BY process.id
                FOR UPDATE OF process
            ), ended AS (
                UPDATE processing_state process
                SET status = 'CANCELLED', cancel_reason = $3, updated_at = $4, completed_at = $4
                FROM before
                WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING')
                RETURNING process.id, before.begun
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $4, before.id, before.attempt, 'cancelled', before.status, 'CANCELLED', $5,
                       jsonb_build_object('batchId', $1) || COALESCE($6::jsonb, '{}')
                FROM before
                JOIN ended USING (id)
            ), noted AS (
                UPDATE request_batch
                SET cancelled_at = $4
                FROM batch
                WHERE request_batch.id = batch.id AND batch.allowed AND cancelled_at IS NULL
            )
            SELECT user_id,
                   ARRAY(SELECT id FROM ended ORDER BY id) AS "cancelled!",
                   ARRAY(SELECT id FROM ended WHERE begun ORDER BY id) AS "begun!"
            FROM batch
            "#,
            id.0,
            owner.map(|user| user.0.as_str()),
            reason,
            now,
            author.actor.as_str(),
            author.note(reason),
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let ids = |ids: Vec<_>| ids.into_iter().map(ProcessId).collect::<Vec<_>>();
        let cancelled = ids(row.cancelled);
        for id in &cancelled {
            self.ended(*id, Status::Cancelled, now);
        }
        Ok(Some(BatchCancelling { user_id: UserId(row.user_id), cancelled, begun: ids(row.begun) }))
    }
}
