//! Staging: what a process with several targets has written so far, target by target, and the
//! batches in which its workers go on.
//!
//! A target is staged once, whoever does it first; what is staged outlives the worker that made it,
//! so that no attempt writes it again. Race accepted: a worker whose batch was claimed anew in the
//! very moment may still stage an answer that is as good.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, Fence, Store, failure_of, processes::known};
use crate::{
    failure::Failure,
    generated::Rows,
    model::Usage,
    process::{ProcessError, ProcessId, ProcessType, Status, UserId},
    work::{self, Outputs},
};

/// What a worker learns when it begins an attempt at a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum BatchClaim {
    /// The batch is this attempt's.
    Claimed {
        /// What it writes by.
        fence: Fence,
        /// Whose process it is.
        user_id: UserId,
        /// What the process generates.
        process_type: ProcessType,
        /// As the row keeps them.
        params: Value,
        /// When the process's first attempt began.
        started_at: DateTime<Utc>,
        /// What the batch is to write for.
        target_ids: Vec<Uuid>,
        /// How far the whole process has come.
        progress: StagingProgress,
    },
    /// The process has ended.
    Ended(Status),
    /// The batch is no longer planned: a newer attempt at the process has planned others.
    Overtaken,
    /// There is no such process.
    Missing,
}

/// How far a process with several targets has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagingProgress {
    /// Targets that are staged or given up.
    pub done: i16,
    /// Targets in all.
    pub targets: i16,
}

impl StagingProgress {
    /// Whether everything is there and only needs to be applied.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.targets > 0 && self.done >= self.targets
    }
}

/// What to stage for one target.
#[derive(Debug, Clone)]
pub struct Staging<'a> {
    /// The target.
    pub target_id: Uuid,
    /// What was written for it, or why it was given up.
    pub output: Result<&'a Rows, &'a ProcessError>,
    /// How many targets that settles: a given-up one takes along what would have come forth from
    /// it.
    pub settles: i16,
    /// The calls that it took.
    pub usage: &'a [Usage],
}

/// Everything that is staged of an active process, and how to apply it.
#[derive(Debug, Clone, PartialEq)]
pub struct Staged {
    /// The current attempt at the process, by which to complete it.
    pub attempt: i32,
    /// Whose.
    pub user_id: UserId,
    /// What it generates.
    pub process_type: ProcessType,
    /// As the row keeps them.
    pub params: Value,
    /// How far it is.
    pub progress: StagingProgress,
    /// By target.
    pub outputs: Outputs,
    /// All calls.
    pub usage: Vec<Usage>,
}

fn to_json(value: &impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(value).map_err(|error| Failure::internal(error.to_string()))
}

impl Store {
    /// Plans the batches of a process that this attempt has claimed, in place of any planned
    /// before, and sets how many targets it has in all. `None`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn plan_batches(
        &self,
        id: ProcessId,
        attempt: i32,
        targets: i16,
        batches: &[(Uuid, Vec<Uuid>)],
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let ids: Vec<Uuid> = batches.iter().map(|(batch, _)| *batch).collect();
        let batch_of: Vec<Uuid> =
            batches.iter().flat_map(|(batch, targets)| targets.iter().map(|_| *batch)).collect();
        let target_ids: Vec<Uuid> =
            batches.iter().flat_map(|(_, targets)| targets.iter().copied()).collect();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH planned AS (
                UPDATE processing_state SET targets = $3, progress = LEAST(GREATEST(progress, 5), 99), updated_at = $7
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                RETURNING id
            ), dropped AS (
                DELETE FROM processing_batch WHERE process_id IN (SELECT id FROM planned)
            ), added AS (
                INSERT INTO processing_batch (id, process_id, process_attempt, target_ids, created_at)
                SELECT batch, planned.id, $2,
                       ARRAY (SELECT member.target FROM UNNEST($5::uuid[], $6::uuid[]) WITH ORDINALITY AS member (batch, target, at)
                              WHERE member.batch = each.batch ORDER BY at), $7
                FROM planned, UNNEST($4::uuid[]) AS each (batch)
            )
            SELECT EXISTS (SELECT FROM planned) AS "planned!"
            "#,
            id.0,
            attempt,
            targets,
            &ids,
            &batch_of,
            &target_ids,
            now,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(row.planned)
    }

    /// Begins an attempt at a batch; older attempts at it are fenced off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim_batch(
        &self,
        id: ProcessId,
        batch: Uuid,
        now: DateTime<Utc>,
    ) -> Result<BatchClaim, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH process AS (
                SELECT id, status, attempt, user_id, type, params, started_at, targets, targets_done FROM processing_state WHERE id = $1 FOR UPDATE
            ), claimed AS (
                UPDATE processing_batch batch SET attempt = batch.attempt + 1
                FROM process WHERE batch.id = $2 AND batch.process_id = process.id AND batch.process_attempt = process.attempt AND process.status = 'PROCESSING'
                RETURNING batch.attempt, batch.target_ids
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, actor, detail)
                SELECT $3, process.id, process.attempt, 'batch-claimed', 'worker', jsonb_build_object('batchId', $2::uuid, 'batchAttempt', claimed.attempt)
                FROM process, claimed
            )
            SELECT status AS "status!", attempt AS "attempt!", user_id AS "user_id!", type AS "process_type!", params AS "params!", started_at,
                   targets, targets_done AS "targets_done!", (SELECT attempt FROM claimed) AS batch_attempt, (SELECT target_ids FROM claimed) AS target_ids
            FROM process
            "#,
            id.0,
            batch,
            now,
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        let Some(row) = row else { return Ok(BatchClaim::Missing) };
        let status: Status = known(&row.status)?;
        let (Some(batch_attempt), Some(target_ids)) = (row.batch_attempt, row.target_ids) else {
            return Ok(if status.is_terminal() {
                BatchClaim::Ended(status)
            } else {
                BatchClaim::Overtaken
            });
        };
        Ok(BatchClaim::Claimed {
            fence: Fence { attempt: row.attempt, batch: Some((batch, batch_attempt)) },
            user_id: UserId(row.user_id),
            process_type: known(&row.process_type)?,
            params: row.params,
            started_at: row.started_at.unwrap_or(now),
            target_ids,
            progress: StagingProgress {
                done: row.targets_done,
                targets: row.targets.unwrap_or_default(),
            },
        })
    }

    /// Stages a target and raises the progress by it. `None`: fenced. Staging a target again
    /// changes nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn stage(
        &self,
        id: ProcessId,
        fence: Fence,
        staging: &Staging<'_>,
        now: DateTime<Utc>,
    ) -> Result<Option<StagingProgress>, Failure> {
        let (payload, error) = match staging.output {
            Ok(rows) => (Some(to_json(rows)?), None),
            Err(error) => (None, Some(to_json(error)?)),
        };
        let usage = to_json(&staging.usage)?;
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH current AS (
                SELECT id, attempt, targets, targets_done FROM processing_state
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                  AND ($3::uuid IS NULL OR EXISTS (SELECT FROM processing_batch batch WHERE batch.id = $3 AND batch.process_id = $1 AND batch.attempt = $4))
                FOR UPDATE
            ), staged AS (
                INSERT INTO processing_output (process_id, target_id, payload, error, usage, created_at)
                SELECT id, $5, $6, $7, $8, $10 FROM current
                ON CONFLICT DO NOTHING
                RETURNING process_id
            ), raised AS (
                UPDATE processing_state process
                SET targets_done = process.targets_done + $9, updated_at = $10,
                    progress = LEAST(GREATEST(process.progress, 5 + (94 * (process.targets_done + $9::int)) / GREATEST(process.targets, 1)), 99)
                FROM current WHERE process.id = current.id AND EXISTS (SELECT FROM staged)
                RETURNING process.targets_done
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, actor, detail)
                SELECT $10, current.id, current.attempt, CASE WHEN $7::jsonb IS NULL THEN 'progressed' ELSE 'given-up' END, 'worker',
                       jsonb_strip_nulls(jsonb_build_object('targetId', $5::uuid, 'code', $7::jsonb -> 'code', 'usage', $8::jsonb))
                FROM current, staged
            )
            SELECT COALESCE((SELECT targets_done FROM raised), targets_done) AS "done!", COALESCE(targets, 0::smallint) AS "targets!" FROM current
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
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(row.map(|row| StagingProgress { done: row.done, targets: row.targets }))
    }

    /// What is staged of a process, without the tasks' texts: enough to know what is left and to go
    /// on from it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn outputs_to_go_on_from(&self, id: ProcessId) -> Result<Outputs, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"SELECT target_id, CASE WHEN payload ? 'tasks' THEN '{"tasks": []}' ELSE payload END AS payload, error
               FROM processing_output WHERE process_id = $1"#,
            id.0,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some((row.target_id, work::read_output(row.payload.as_ref(), row.error)?))
            })
            .collect())
    }

    /// Whether everything of an active process with several targets is staged, so that only
    /// applying it is left; `None`: it has no such targets, or is not active, or not there.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn all_staged(&self, id: ProcessId) -> Result<Option<bool>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            r#"SELECT targets_done >= targets AS "all!" FROM processing_state WHERE id = $1 AND status = 'PROCESSING' AND targets IS NOT NULL"#,
            id.0
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))
    }

    /// Everything that is staged of a process that is PROCESSING; `None` when it is not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staged(&self, id: ProcessId) -> Result<Option<Staged>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            SELECT process.attempt, process.user_id, process.type AS process_type, process.params, process.targets, process.targets_done,
                   output.target_id AS "target_id?", output.payload AS "payload?", output.error AS "error?", output.usage AS "usage?"
            FROM processing_state process LEFT JOIN processing_output output ON output.process_id = process.id
            WHERE process.id = $1 AND process.status = 'PROCESSING'
            ORDER BY output.created_at
            "#,
            id.0
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        let mut staged: Option<Staged> = None;
        for row in rows {
            if staged.is_none() {
                staged = Some(Staged {
                    attempt: row.attempt,
                    user_id: UserId(row.user_id),
                    process_type: known(&row.process_type)?,
                    params: row.params,
                    progress: StagingProgress {
                        done: row.targets_done,
                        targets: row.targets.unwrap_or_default(),
                    },
                    outputs: Outputs::new(),
                    usage: Vec::new(),
                });
            }
            let Some(staged) = &mut staged else { continue };
            if let Some((target, output)) =
                row.target_id.zip(work::read_output(row.payload.as_ref(), row.error))
            {
                staged.outputs.insert(target, output);
            }
            let usage =
                row.usage.and_then(|usage| serde_json::from_value::<Vec<Usage>>(usage).ok());
            staged.usage.extend(usage.unwrap_or_default());
        }
        Ok(staged)
    }

    /// Ends a process of which nothing could be written with the first target's error.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_without_any(
        &self,
        id: ProcessId,
        error: &ProcessError,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Status, Failure> {
        let status = match crate::outcome::of_execution_error(error.code.as_str(), None).status() {
            Status::Timeout => Status::Timeout,
            _ => Status::Failed,
        };
        Ok(match self.end_with_error(id, status, error, actor, now).await? {
            super::Ending::Ended(_) => status,
            super::Ending::AlreadyEnded(before) => before,
            super::Ending::Missing => {
                return Err(Failure::new(
                    crate::error_code::ErrorCode::ProcessingNotFound,
                    "the process has no row",
                ));
            }
        })
    }
}
