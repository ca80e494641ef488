//! The batches of a process with several targets: planning them, and beginning an attempt at one.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Fence, StagingProgress, Store, find::parse_stored_name};
use crate::process::{Failure, PlannedTarget, ProcessId, ProcessType, Status, UserId};

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
        targets: Vec<PlannedTarget>,
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

impl Store {
    /// Plans the batches of a process that this attempt has claimed, in place of any planned
    /// before, and sets how many targets it has in all. Without batches it is not planned yet, and
    /// only the count is set. `false`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn plan_batches(
        &self,
        id: ProcessId,
        attempt: i32,
        targets: i16,
        batches: &[(Uuid, Vec<PlannedTarget>)],
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let targets_of = |(batch, planned): &(Uuid, Vec<PlannedTarget>)| {
            planned.iter().map(|target| (*batch, *target)).collect::<Vec<_>>()
        };
        let members: Vec<(Uuid, PlannedTarget)> = batches.iter().flat_map(targets_of).collect();
        let batch_of: Vec<Uuid> = members.iter().map(|(batch, _)| *batch).collect();
        let target_ids: Vec<Uuid> = members.iter().map(|(_, target)| target.id).collect();
        let weights: Vec<i16> = members.iter().map(|(_, target)| target.weight).collect();
        let batch_ids: Vec<Uuid> = batches.iter().map(|(batch, _)| *batch).collect();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH planned AS (
                UPDATE processing_state
                SET targets = $3,
                    batch_ids = NULLIF($8::uuid[], '{}'),
                    progress = LEAST(GREATEST(progress, 5), 99),
                    updated_at = $7
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                RETURNING id
            ), dropped AS (
                DELETE FROM processing_batch WHERE process_id IN (SELECT id FROM planned)
            ), added AS (
                INSERT INTO processing_batch (
                    id, process_id, process_attempt, target_ids, weights, created_at
                )
                SELECT member.batch, planned.id, $2,
                       array_agg(member.target ORDER BY member.at),
                       array_agg(member.weight ORDER BY member.at),
                       $7
                FROM planned,
                     UNNEST($4::uuid[], $5::uuid[], $6::smallint[])
                         WITH ORDINALITY AS member (batch, target, weight, at)
                GROUP BY member.batch, planned.id
            )
            SELECT EXISTS (SELECT FROM planned) AS "planned!"
            "#,
            id.0,
            attempt,
            targets,
            &batch_of,
            &target_ids,
            &weights,
            now,
            &batch_ids,
        )
        .fetch_one(&mut *connection)
        .await?;
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
                SELECT id, status, attempt, user_id, type, params, started_at, targets, targets_done
                FROM processing_state
                WHERE id = $1
                FOR UPDATE
            ), claimed AS (
                UPDATE processing_batch batch SET attempt = batch.attempt + 1
                FROM process
                WHERE batch.id = $2
                  AND batch.process_id = process.id
                  AND batch.process_attempt = process.attempt
                  AND process.status = 'PROCESSING'
                RETURNING batch.attempt, batch.target_ids, batch.weights
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, actor, detail)
                SELECT $3, process.id, process.attempt, 'batch-claimed', 'worker',
                       jsonb_build_object('batchId', $2::uuid, 'batchAttempt', claimed.attempt)
                FROM process, claimed
            )
            SELECT status AS "status!", attempt AS "attempt!", user_id AS "user_id!",
                   type AS "process_type!", params AS "params!", started_at,
                   targets, targets_done AS "targets_done!",
                   (SELECT attempt FROM claimed) AS batch_attempt,
                   (SELECT target_ids FROM claimed) AS target_ids,
                   (SELECT weights FROM claimed) AS weights
            FROM process
            "#,
            id.0,
            batch,
            now,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(row) = row else { return Ok(BatchClaim::Missing) };
        let status: Status = parse_stored_name(&row.status)?;
        let (Some(batch_attempt), Some(ids), Some(weights)) =
            (row.batch_attempt, row.target_ids, row.weights)
        else {
            return Ok(if status.is_terminal() {
                BatchClaim::Ended(status)
            } else {
                BatchClaim::Overtaken
            });
        };
        Ok(BatchClaim::Claimed {
            fence: Fence { attempt: row.attempt, batch: Some((batch, batch_attempt)) },
            user_id: UserId(row.user_id),
            process_type: ProcessType::new(row.process_type),
            params: row.params,
            started_at: row.started_at.unwrap_or(now),
            targets: ids
                .into_iter()
                .zip(weights)
                .map(|(id, weight)| PlannedTarget { id, weight })
                .collect(),
            progress: StagingProgress {
                done: row.targets_done,
                targets: row.targets.unwrap_or_default(),
            },
        })
    }
}
