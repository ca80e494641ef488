//! Ending a process other than by completing it.

use chrono::{DateTime, Utc};

use super::{
    Store, failure_of,
    processes::{ProcessRow, known},
};
use crate::{
    failure::Failure,
    process::{Process, ProcessError, ProcessId, Status, UserId},
};

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// The user whose process it is.
    User,
    /// A direct invocation.
    Operator,
    /// The worker.
    Worker,
    /// The reconciler.
    Reconciler,
}

impl Actor {
    /// Its name in the history.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Worker => "worker",
            Self::Reconciler => "reconciler",
        }
    }
}

/// What became of a wish to end a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It has ended now; where it stood before.
    Ended(Status),
    /// It had ended before; how.
    AlreadyEnded(Status),
    /// There is no such process.
    Missing,
}

/// What became of a wish to cancel a process.
#[derive(Debug, Clone, PartialEq)]
pub struct Cancelling {
    /// The process as it is now.
    pub process: Process,
    /// Whether this wish cancelled it; otherwise it had ended before, or belongs to another user.
    pub cancelled: bool,
}

impl Store {
    /// Ends an active process with an error. `status` is FAILED or TIMEOUT.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_with_error(
        &self,
        id: ProcessId,
        status: Status,
        error: &ProcessError,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Ending, Failure> {
        let stored =
            serde_json::to_value(error).map_err(|error| Failure::internal(error.to_string()))?;
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status, attempt FROM processing_state WHERE id = $1 FOR UPDATE
            ), ended AS (
                UPDATE processing_state process SET status = $2, error = $3, updated_at = $4, completed_at = $4
                FROM before WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING')
                RETURNING process.id
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor, detail)
                SELECT $4, before.id, attempt, CASE $2 WHEN 'TIMEOUT' THEN 'timed-out' ELSE 'failed' END, status, $2, $5, $3 FROM before JOIN ended USING (id)
            ), dropped AS (
                DELETE FROM processing_output WHERE process_id IN (SELECT id FROM ended)
            )
            SELECT before.status AS "status!", EXISTS (SELECT FROM ended) AS "ended!" FROM before
            "#,
            id.0,
            status.as_str(),
            stored,
            now,
            actor.as_str(),
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(match row {
            None => Ending::Missing,
            Some(row) if row.ended => Ending::Ended(known(&row.status)?),
            Some(row) => Ending::AlreadyEnded(known(&row.status)?),
        })
    }

    /// Cancels an active process. `owner`: only if it is this user's. `None`: there is no such
    /// process.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel(
        &self,
        id: ProcessId,
        owner: Option<&UserId>,
        reason: Option<&str>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Option<Cancelling>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query_as!(
            ProcessRow,
            r#"
            WITH before AS (
                SELECT * FROM processing_state WHERE id = $1 FOR UPDATE
            ), ended AS (
                UPDATE processing_state process SET status = 'CANCELLED', cancel_reason = $3, updated_at = $4, completed_at = $4
                FROM before WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING') AND ($2::text IS NULL OR before.user_id = $2)
                RETURNING process.*
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor)
                SELECT $4, before.id, before.attempt, 'cancelled', before.status, 'CANCELLED', $5 FROM before JOIN ended USING (id)
            ), dropped AS (
                DELETE FROM processing_output WHERE process_id IN (SELECT id FROM ended)
            ), seen AS (
                SELECT true AS changed, ended.* FROM ended UNION ALL SELECT false, before.* FROM before WHERE NOT EXISTS (SELECT FROM ended)
            )
            SELECT id AS "id!", user_id AS "user_id!", type AS "process_type!", status AS "status!", target_id AS "target_id!", params AS "params!",
                   progress AS "progress!", result, error, retry_count AS "retry_count!", original_process_id, attempt AS "attempt!", execution_arn,
                   cancel_reason, created_at AS "created_at!", started_at, updated_at AS "updated_at!", completed_at,
                   NULL::float8 AS recent_seconds, changed AS "changed!"
            FROM seen
            "#,
            id.0,
            owner.map(|user| user.0.as_str()),
            reason,
            now,
            actor.as_str(),
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        row.map(|row| Ok(Cancelling { cancelled: row.changed, process: row.try_into()? }))
            .transpose()
    }
}
