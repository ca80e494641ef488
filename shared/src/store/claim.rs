//! A worker begins an attempt at a process.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, find::parse_stored_name};
use crate::process::{Failure, ProcessId, ProcessType, Status, UserId, admission::MODEL_RESTS_FOR};

/// Percent that a process of one model call shows while the model writes. Told by the claim itself:
/// the call follows at once, and a statement of its own would be one more commit to wait for.
const ASKED: i16 = 50;

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
        /// The models that have refused a call for their quota a short while ago.
        resting: Vec<String>,
        /// Whether processes wait to be admitted.
        others_wait: bool,
    },
    /// The current attempt has planned these batches already, and goes on.
    Planned(Vec<Uuid>),
    /// It has ended before: there is nothing to do.
    Ended(Status),
    /// There is no such process.
    Missing,
}

impl Store {
    /// Begins an attempt on the process: it is PROCESSING from now on, and older attempts are
    /// fenced off. If the current attempt has planned batches, this is a repeat, by a message that
    /// came late or by hand: it gets the same plan and changes nothing, because a new attempt would
    /// fence off the batches that are running. A process of one call is half done from now on; the
    /// progress never falls, and never reaches 100 before the process completes.
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
                SELECT id, status, attempt, user_id, type, params, batch_ids
                FROM processing_state
                WHERE id = $1
                FOR UPDATE
            ), claimed AS (
                UPDATE processing_state process
                SET status = 'PROCESSING',
                    attempt = before.attempt + 1,
                    started_at = COALESCE(process.started_at, $3),
                    updated_at = $3,
                    execution_arn = COALESCE(process.execution_arn, $2),
                    -- Whoever was started without being admitted is counted all the same.
                    admitted_at = COALESCE(process.admitted_at, $3),
                    share = GREATEST(process.share, 1),
                    progress = CASE process.planned_calls
                        WHEN 1 THEN LEAST(GREATEST(process.progress, $5), 99)
                        ELSE process.progress
                    END
                FROM before
                WHERE process.id = before.id
                  AND before.status IN ('PENDING', 'PROCESSING')
                  AND before.batch_ids IS NULL
                RETURNING process.id, process.attempt, process.started_at
            ), event AS (
                INSERT INTO processing_event (
                    at, process_id, attempt, kind, from_status, to_status, actor
                )
                SELECT $3, claimed.id, claimed.attempt, 'claimed', before.status, 'PROCESSING',
                       'worker'
                FROM claimed
                JOIN before USING (id)
            )
            SELECT status AS "status!", user_id AS "user_id!", type AS "process_type!",
                   params AS "params!", batch_ids, (SELECT attempt FROM claimed) AS claimed_attempt,
                   (SELECT started_at FROM claimed) AS started_at,
                   ARRAY(
                       SELECT model_id
                       FROM processing_model
                       WHERE throttled_at > $4
                       ORDER BY throttled_at, model_id
                   ) AS "resting!",
                   EXISTS (SELECT FROM processing_queue WHERE waiting_normal > 0)
                       OR EXISTS (SELECT FROM processing_queue WHERE waiting_low > 0)
                       AS "others_wait!"
            FROM before
            "#,
            id.0,
            execution_arn,
            now,
            now - MODEL_RESTS_FOR,
            ASKED,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(Claim::Missing) };
        let Some(attempt) = row.claimed_attempt else {
            let status: Status = parse_stored_name(&row.status)?;
            return Ok(match row.batch_ids {
                Some(batches) if !status.is_terminal() => Claim::Planned(batches),
                _ => Claim::Ended(status),
            });
        };
        Ok(Claim::Claimed {
            attempt,
            user_id: UserId(row.user_id),
            process_type: ProcessType::new(row.process_type),
            params: row.params,
            started_at: row.started_at.unwrap_or(now),
            resting: row.resting,
            others_wait: row.others_wait,
        })
    }
}
