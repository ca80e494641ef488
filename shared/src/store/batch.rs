//! The batches of a process with several targets: planning them, and beginning an attempt at one.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Fence, StagingProgress, Store, find::parse_stored_name};
use crate::process::{
    Failure, PlannedTarget, ProcessId, ProcessType, Status, UserId, admission::MODEL_RESTS_FOR,
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
        targets: Vec<PlannedTarget>,
        /// How far the whole process has come.
        progress: StagingProgress,
        /// Calls that the batch may have in flight.
        slots: i16,
        /// Attempts at it before this one in which a model's answer was not right.
        failed_tries: i16,
        /// The models that have refused a call for their quota a short while ago.
        resting: Vec<String>,
        /// Whether processes wait to be admitted.
        others_wait: bool,
    },
    /// The process has ended.
    Ended(Status),
    /// The batch is no longer planned: a newer attempt at the process has planned others.
    Overtaken,
    /// There is no such process.
    Missing,
}

/// A batch as it is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedBatch {
    /// Its id.
    pub id: Uuid,
    /// What it begins with.
    pub targets: Vec<PlannedTarget>,
    /// Calls that it may have in flight.
    pub slots: i16,
    /// The most that it could use.
    pub wants: i16,
}

impl From<(Uuid, Vec<PlannedTarget>)> for PlannedBatch {
    /// One that makes call after call.
    fn from((id, targets): (Uuid, Vec<PlannedTarget>)) -> Self {
        Self { id, targets, slots: 1, wants: 1 }
    }
}

impl Store {
    /// Plans the batches of a process that this attempt has claimed, in place of any planned
    /// before, and sets how many targets it has in all; its share is what its batches have. Without
    /// batches it is not planned yet, and only the count is set. `false`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn plan_batches(
        &self,
        id: ProcessId,
        attempt: i32,
        targets: i16,
        batches: &[PlannedBatch],
        now: DateTime<Utc>,
    ) -> Result<bool, Failure> {
        let targets_of = |batch: &PlannedBatch| {
            batch.targets.iter().map(|target| (batch.id, *target)).collect::<Vec<_>>()
        };
        let members: Vec<(Uuid, PlannedTarget)> = batches.iter().flat_map(targets_of).collect();
        let batch_of: Vec<Uuid> = members.iter().map(|(batch, _)| *batch).collect();
        let target_ids: Vec<Uuid> = members.iter().map(|(_, target)| target.id).collect();
        let weights: Vec<i16> = members.iter().map(|(_, target)| target.weight).collect();
        let batch_ids: Vec<Uuid> = batches.iter().map(|batch| batch.id).collect();
        let slots: Vec<i16> = batches.iter().map(|batch| batch.slots).collect();
        let wants: Vec<i16> = batches.iter().map(|batch| batch.wants).collect();
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH planned AS (
                UPDATE processing_state
                SET targets = $3,
                    batch_ids = NULLIF($8::uuid[], '{}'),
                    progress = LEAST(GREATEST(progress, 5), 99),
                    updated_at = $7,
                    share = COALESCE((SELECT sum(slots) FROM UNNEST($9::smallint[]) slots), share)
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                RETURNING id
            ), dropped AS (
                DELETE FROM processing_batch WHERE process_id IN (SELECT id FROM planned)
            ), added AS (
                INSERT INTO processing_batch (
                    id, process_id, process_attempt, target_ids, weights, slots, wants, created_at
                )
                SELECT member.batch, planned.id, $2,
                       array_agg(member.target ORDER BY member.at),
                       array_agg(member.weight ORDER BY member.at),
                       batch.slots, batch.wants, $7
                FROM planned,
                     UNNEST($4::uuid[], $5::uuid[], $6::smallint[])
                         WITH ORDINALITY AS member (batch, target, weight, at)
                JOIN UNNEST($8::uuid[], $9::smallint[], $10::smallint[])
                         AS batch (id, slots, wants) ON batch.id = member.batch
                GROUP BY member.batch, planned.id, batch.slots, batch.wants
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
            &slots,
            &wants,
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
            ), before AS (
                SELECT batch.id, batch.slots
                FROM process
                JOIN processing_batch batch ON batch.process_id = process.id
                WHERE batch.id = $2
                  AND batch.process_attempt = process.attempt
                  AND process.status = 'PROCESSING'
                FOR UPDATE OF batch
            ), claimed AS (
                -- Nothing is in flight yet: what others wait for is given back at once.
                UPDATE processing_batch batch
                SET attempt = batch.attempt + 1,
                    slots = GREATEST(batch.slots - batch.gives_back, LEAST(batch.wants, 1)),
                    gives_back = 0,
                    rests = false
                FROM before
                WHERE batch.id = before.id
                RETURNING batch.attempt, batch.target_ids, batch.weights, batch.slots,
                          batch.failed_tries, batch.slots - before.slots AS more
            ), shared AS (
                UPDATE processing_state
                SET share = GREATEST(share + claimed.more, 0)
                FROM claimed
                WHERE id = $1 AND claimed.more <> 0
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
                   (SELECT weights FROM claimed) AS weights,
                   (SELECT slots FROM claimed) AS slots,
                   (SELECT failed_tries FROM claimed) AS failed_tries,
                   ARRAY(
                       SELECT model_id
                       FROM processing_model
                       WHERE throttled_at > $4
                       ORDER BY throttled_at, model_id
                   ) AS "resting!",
                   EXISTS (SELECT FROM processing_queue WHERE waiting_normal > 0)
                       OR EXISTS (SELECT FROM processing_queue WHERE waiting_low > 0)
                       AS "others_wait!"
            FROM process
            "#,
            id.0,
            batch,
            now,
            now - MODEL_RESTS_FOR,
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
            slots: row.slots.unwrap_or(1),
            failed_tries: row.failed_tries.unwrap_or_default(),
            resting: row.resting,
            others_wait: row.others_wait,
        })
    }

    /// Gives back what a batch has of which nothing is left to be written: it gets no call any
    /// more. How many those are; `None`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_batch(&self, id: ProcessId, fence: Fence) -> Result<Option<i16>, Failure> {
        let Some((batch, attempt)) = fence.batch else { return Ok(None) };
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            r#"
            WITH process AS (
                SELECT id
                FROM processing_state
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                FOR UPDATE
            ), before AS (
                SELECT batch.id, batch.slots
                FROM process
                JOIN processing_batch batch ON batch.process_id = process.id
                WHERE batch.id = $3 AND batch.attempt = $4
                FOR UPDATE OF batch
            ), closed AS (
                UPDATE processing_batch batch
                SET slots = 0, wants = 0, gives_back = 0
                FROM before
                WHERE batch.id = before.id
            ), shared AS (
                UPDATE processing_state
                SET share = GREATEST(share - before.slots, 0)
                FROM before
                WHERE processing_state.id = $1 AND before.slots > 0
            )
            SELECT slots AS "given_back!" FROM before
            "#,
            id.0,
            fence.attempt,
            batch,
            attempt,
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(Failure::from)
    }

    /// Notes how an attempt at a batch ended that will be made again: it keeps one slot while
    /// nothing of it is in flight. `failed`: a model answered, and its answer was not right.
    /// `None`: fenced; else how many calls are given back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rest_batch(
        &self,
        id: ProcessId,
        fence: Fence,
        failed: bool,
    ) -> Result<Option<i16>, Failure> {
        let Some((batch, attempt)) = fence.batch else { return Ok(None) };
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            r#"
            WITH process AS (
                SELECT id
                FROM processing_state
                WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
                FOR UPDATE
            ), before AS (
                SELECT batch.id, batch.slots
                FROM process
                JOIN processing_batch batch ON batch.process_id = process.id
                WHERE batch.id = $3 AND batch.attempt = $4
                FOR UPDATE OF batch
            ), rested AS (
                UPDATE processing_batch batch
                SET slots = LEAST(before.slots, 1),
                    gives_back = 0,
                    rests = true,
                    failed_tries = failed_tries + $5::boolean::integer
                FROM before
                WHERE batch.id = before.id
                RETURNING before.slots - batch.slots AS given_back
            ), shared AS (
                UPDATE processing_state
                SET share = GREATEST(share - rested.given_back, 0)
                FROM rested
                WHERE id = $1 AND rested.given_back > 0
            )
            SELECT given_back AS "given_back!" FROM rested
            "#,
            id.0,
            fence.attempt,
            batch,
            attempt,
            failed,
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
