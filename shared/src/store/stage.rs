//! Staging: what a process with several targets has written so far, target by target, and the
//! batches in which its workers go on.
//!
//! A target is staged once, whoever does it first; what is staged outlives the worker that made it,
//! so that no attempt writes it again. Whoever comes second goes on with what was staged, and not
//! with their own answer: what follows from that exists nowhere.

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{Fence, Store};
use crate::process::{
    Failure, ModelUsage, Output, ProcessError, ProcessId, generation::parse_output,
};

/// How far a process with several targets has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagingProgress {
    /// Targets that are staged or given up.
    pub done: i16,
    /// Targets in all.
    pub targets: i16,
}

impl StagingProgress {
    /// Whether it is worth while to look whether everything is there. What decides is the plan.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.targets > 0 && self.done >= self.targets
    }
}

/// What to stage for one target.
#[derive(Debug, Clone)]
pub struct Staging<'a, W> {
    /// The target.
    pub target_id: Uuid,
    /// What was written for it, or why it was given up.
    pub output: Result<&'a W, &'a ProcessError>,
    /// How many targets that settles: a given-up one takes along what would have come forth from
    /// it.
    pub settles: i16,
    /// The calls that it took.
    pub usage: &'a [ModelUsage],
}

fn to_json(value: &impl Serialize) -> Result<serde_json::Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::internal(error.to_string()))
}

impl Store {
    /// Stages a target and raises the progress by it. `None`: fenced. Staging a target again
    /// changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stage<W: Serialize>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        now: DateTime<Utc>,
    ) -> Result<Option<StagingProgress>, Failure> {
        Ok(self.try_stage(id, fence, staging, now).await?.map(|(progress, _)| progress))
    }

    /// Stages a target like [`Self::stage`], and returns besides what holds for it: `None` when
    /// that is this output, else the output that was staged before.
    ///
    /// # Errors
    /// When the database fails, or holds for the target what is no output.
    pub async fn stage_or_read_back<W: Serialize + DeserializeOwned>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        now: DateTime<Utc>,
    ) -> Result<Option<(StagingProgress, Option<Output<W>>)>, Failure> {
        match self.try_stage(id, fence, staging, now).await? {
            None => Ok(None),
            Some((progress, true)) => Ok(Some((progress, None))),
            Some((progress, false)) => {
                // `None`: the process has ended meanwhile, and dropped it.
                let staged = self.staged_output(id, staging.target_id).await?;
                Ok(staged.map(|output| (progress, Some(output))))
            }
        }
    }

    /// What is staged for one target.
    async fn staged_output<W: DeserializeOwned>(
        &self,
        id: ProcessId,
        target: Uuid,
    ) -> Result<Option<Output<W>>, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            SELECT payload, error FROM processing_output WHERE process_id = $1 AND target_id = $2
            "#,
            id.0,
            target,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(None) };
        match parse_output(row.payload.as_ref(), row.error.as_ref()) {
            Some(output) => Ok(Some(output)),
            None => Err(Failure::internal("what is staged for a target cannot be read")),
        }
    }

    /// Stages a target; besides the progress, whether it was not staged before.
    async fn try_stage<W: Serialize>(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_, W>,
        now: DateTime<Utc>,
    ) -> Result<Option<(StagingProgress, bool)>, Failure> {
        let (payload, error) = match staging.output {
            Ok(rows) => (Some(to_json(rows)?), None),
            Err(error) => (None, Some(to_json(error)?)),
        };
        let usage = to_json(&staging.usage)?;
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH process AS (
                SELECT id, attempt, targets, targets_done
                FROM processing_state
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                FOR UPDATE
            ), batch AS (
                -- Locked too: of a row that is not, a statement that has waited for the process
                -- would see what was there when it began.
                SELECT batch.id
                FROM process
                JOIN processing_batch batch ON batch.process_id = process.id
                WHERE batch.id = $3 AND batch.attempt = $4
                FOR SHARE OF batch
            ), current AS (
                SELECT * FROM process WHERE $3::uuid IS NULL OR EXISTS (SELECT FROM batch)
            ), staged AS (
                INSERT INTO processing_output (
                    process_id, target_id, payload, error, usage, created_at
                )
                SELECT id, $5, $6, $7, $8, $10 FROM current
                ON CONFLICT DO NOTHING
                RETURNING process_id
            ), raised AS (
                UPDATE processing_state process
                SET targets_done = process.targets_done + $9,
                    updated_at = $10,
                    progress = LEAST(99, GREATEST(
                        process.progress,
                        5 + (94 * (process.targets_done + $9::int)) / GREATEST(process.targets, 1)
                    ))
                FROM current
                WHERE process.id = current.id AND EXISTS (SELECT FROM staged)
                RETURNING process.targets_done
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, actor, detail)
                SELECT $10, current.id, current.attempt,
                       CASE WHEN $7::jsonb IS NULL THEN 'progressed' ELSE 'given-up' END, 'worker',
                       jsonb_strip_nulls(jsonb_build_object(
                           'targetId', $5::uuid, 'code', $7::jsonb -> 'code', 'usage', $8::jsonb
                       ))
                FROM current, staged
            )
            SELECT COALESCE((SELECT targets_done FROM raised), targets_done) AS "done!",
                   COALESCE(targets, 0::smallint) AS "targets!",
                   EXISTS (SELECT FROM staged) AS "new!"
            FROM current
            "#,
            id.0,
            fence.attempt,
            fence.batch.map(|(batch, _)| batch),
            fence.batch.map(|(_, attempt)| attempt),
            staging.target_id,
            payload,
            error,
            usage,
            staging.settles,
            now,
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(row.map(|row| (StagingProgress { done: row.done, targets: row.targets }, row.new)))
    }
}
