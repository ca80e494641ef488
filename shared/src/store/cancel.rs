//! Cancelling a process: the stored intent, which wins over everything later.

use chrono::{DateTime, Utc};

use super::{Store, find::ProcessRow};
use crate::process::{Author, Failure, Process, ProcessId, Status, UserId};

/// What became of a wish to cancel a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelling {
    /// The process as it is now.
    pub process: Process,
    /// Whether this wish cancelled it; otherwise it had ended before, or belongs to another user.
    pub cancelled: bool,
}

impl Store {
    /// Cancels an active process. `owner`: only if it is this user's. The history tells which
    /// operator did it, and why. `None`: there is no such process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(
        &self,
        id: ProcessId,
        owner: Option<&UserId>,
        reason: Option<&str>,
        author: impl Into<Author>,
        now: DateTime<Utc>,
    ) -> Result<Option<Cancelling>, Failure> {
        let author = author.into();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query_as!(
            ProcessRow,
            r#"
            WITH before AS (
                SELECT * FROM processing_state WHERE id = $1 FOR UPDATE
            ), ended AS (
                UPDATE processing_state process
                SET status = 'CANCELLED', cancel_reason = $3, updated_at = $4, completed_at = $4
                FROM before
                WHERE process.id = before.id
                  AND before.status IN ('PENDING', 'PROCESSING')
                  AND ($2::text IS NULL OR before.user_id = $2)
                RETURNING process.*
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor, detail
                )
                SELECT $4, before.id, before.attempt, 'cancelled', before.status, 'CANCELLED', $5,
                       $6
                FROM before
                JOIN ended USING (id)
            ), seen AS (
                SELECT true AS changed, ended.* FROM ended
                UNION ALL
                SELECT false, before.* FROM before WHERE NOT EXISTS (SELECT FROM ended)
            )
            SELECT id AS "id!", user_id AS "user_id!", type AS "process_type!",
                   status AS "status!", target_id AS "target_id!", params AS "params!",
                   progress AS "progress!", result, error, retry_count AS "retry_count!",
                   original_process_id, attempt AS "attempt!", execution_arn, cancel_reason,
                   created_at AS "created_at!", started_at, updated_at AS "updated_at!",
                   completed_at, changed AS "changed!"
            FROM seen
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
        if row.as_ref().is_some_and(|row| row.changed) {
            self.ended(id, Status::Cancelled, now);
        }
        row.map(|row| Ok(Cancelling { cancelled: row.changed, process: row.try_into()? }))
            .transpose()
    }
}
