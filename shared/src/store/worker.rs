//! What a worker writes. Each write but the first names the attempt, so that a worker that was
//! overtaken by a newer attempt, or whose process has ended, changes nothing.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, failure_of, processes::known};
use crate::{
    failure::Failure,
    process::{ProcessId, ProcessType, Status, UserId},
};

/// What a worker learns when it begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The process is PROCESSING, and this attempt is the current one.
    Claimed {
        /// The number of this attempt, from 1.
        attempt: i32,
        /// Whose process it is.
        user_id: UserId,
        /// What to generate.
        process_type: ProcessType,
        /// As the row keeps them.
        params: Value,
        /// When its first attempt began.
        started_at: DateTime<Utc>,
    },
    /// It has ended before: there is nothing to do.
    Ended(Status),
    /// There is no such process.
    Missing,
}

/// What a worker goes by when it writes: the numbers of the attempts that it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fence {
    /// At the process.
    pub attempt: i32,
    /// At the batch, for a process that has several: its id and the attempt's number.
    pub batch: Option<(Uuid, i32)>,
}

impl From<i32> for Fence {
    fn from(attempt: i32) -> Self {
        Self { attempt, batch: None }
    }
}

/// Where a process stands, as seen by a worker that works on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is this worker's to go on with.
    Current,
    /// It has ended.
    Ended(Status),
    /// A newer attempt has it.
    Overtaken,
    /// It has no row any more.
    Missing,
}

impl Store {
    /// Begins an attempt on the process: it is PROCESSING from now on, and older attempts are
    /// fenced off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(
        &self,
        id: ProcessId,
        execution_arn: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<Claim, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status, attempt, user_id, type, params FROM processing_state WHERE id = $1 FOR UPDATE
            ), claimed AS (
                UPDATE processing_state process
                SET status = 'PROCESSING', attempt = before.attempt + 1, started_at = COALESCE(process.started_at, $3), updated_at = $3,
                    execution_arn = COALESCE(process.execution_arn, $2)
                FROM before WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING')
                RETURNING process.id, process.attempt, process.started_at
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor)
                SELECT $3, claimed.id, claimed.attempt, 'claimed', before.status, 'PROCESSING', 'worker' FROM claimed JOIN before USING (id)
            )
            SELECT status AS "status!", (SELECT attempt FROM claimed) AS claimed_attempt,
                   (SELECT started_at FROM claimed) AS started_at, user_id AS "user_id!", type AS "process_type!",
                   params AS "params!"
            FROM before
            "#,
            id.0,
            execution_arn,
            now,
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        let Some(row) = row else { return Ok(Claim::Missing) };
        let Some(attempt) = row.claimed_attempt else {
            return Ok(Claim::Ended(known(&row.status)?));
        };
        Ok(Claim::Claimed {
            attempt,
            user_id: UserId(row.user_id),
            process_type: known(&row.process_type)?,
            params: row.params,
            started_at: row.started_at.unwrap_or(now),
        })
    }

    /// Raises the progress to `percent`; it never falls, and never reaches 100 before the process
    /// completes. `false`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn raise_progress(
        &self,
        id: ProcessId,
        attempt: i32,
        percent: i16,
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query!(
            "UPDATE processing_state SET progress = LEAST(GREATEST(progress, $3), 99), updated_at = $4 WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'",
            id.0,
            attempt,
            percent,
            now,
        )
        .execute(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Where the process stands for a worker with `fence`: a look at two primary keys.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn standing(&self, id: ProcessId, fence: Fence) -> Result<Standing, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            "SELECT status, attempt, (SELECT attempt FROM processing_batch WHERE id = $2) AS batch_attempt FROM processing_state WHERE id = $1",
            id.0,
            fence.batch.map(|(batch, _)| batch),
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        let Some(row) = row else { return Ok(Standing::Missing) };
        let status: Status = known(&row.status)?;
        let own_batch = fence.batch.is_none_or(|(_, attempt)| row.batch_attempt == Some(attempt));
        Ok(match status {
            Status::Processing if row.attempt == fence.attempt && own_batch => Standing::Current,
            status if status.is_terminal() => Standing::Ended(status),
            _ => Standing::Overtaken,
        })
    }
}
