//! Accepting a process: the row that makes a 202 durable, and what may stand in its way, in one round trip.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Actor, Store, failure_of};
use crate::{
    failure::Failure,
    params::Params,
    process::{ProcessId, UserId},
};

/// A process that somebody asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The id that it will have.
    pub id: ProcessId,
    /// Whose it will be.
    pub user_id: UserId,
    /// What to generate.
    pub params: Params,
    /// Which process it retries.
    pub retry: Option<Retry>,
    /// Who asks.
    pub actor: Actor,
    /// When.
    pub now: DateTime<Utc>,
}

/// What a retry brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The process that is retried.
    pub of: ProcessId,
    /// How many retries the chain has with this one, from 1.
    pub count: i16,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Submitted {
    /// It is stored and will be executed.
    Accepted {
        /// Median seconds of recent processes of its type.
        recent_seconds: Option<f64>,
    },
    /// The target belongs to another user.
    Forbidden,
    /// There is no such target, or the goal has none of the kind.
    TargetNotFound,
    /// The target has children and must not lose them.
    TargetNotEmpty,
    /// Another process of this user is active on the target.
    AlreadyRunning {
        /// That process.
        process_id: ProcessId,
    },
    /// The process has already been retried, by this one.
    AlreadyRetried {
        /// That retry.
        process_id: ProcessId,
    },
}

/// What the statement saw when it did, or did not, insert.
struct Observed {
    created: bool,
    has_target: bool,
    target_user: Option<String>,
    has_children: bool,
    running_id: Option<Uuid>,
    running_user: Option<String>,
    retry_id: Option<Uuid>,
    recent_seconds: Option<f64>,
}

impl Observed {
    /// Judges in the order of what a caller may know: nothing of another user's things, then their own.
    /// `None`: a unique index refused a row that this statement could not see yet.
    fn judge(&self, submission: &Submission) -> Option<Submitted> {
        let foreign = |user: &Option<String>| user.as_ref().is_some_and(|user| *user != submission.user_id.0);
        if self.created {
            Some(Submitted::Accepted { recent_seconds: self.recent_seconds })
        } else if foreign(&self.target_user) || foreign(&self.running_user) {
            Some(Submitted::Forbidden)
        } else if !self.has_target && submission.params.new_goal().is_none() {
            Some(Submitted::TargetNotFound)
        } else if let Some(id) = self.retry_id {
            Some(Submitted::AlreadyRetried { process_id: ProcessId(id) })
        } else if let Some(id) = self.running_id {
            Some(Submitted::AlreadyRunning { process_id: ProcessId(id) })
        } else if self.has_children && !submission.params.replace() {
            Some(Submitted::TargetNotEmpty)
        } else {
            None
        }
    }
}

impl Store {
    /// Stores the process as PENDING, unless something stands in its way.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submit(&self, submission: &Submission) -> Result<Submitted, Failure> {
        // Whoever committed between our snapshot and our insert is visible to the second look.
        for _ in 0..2 {
            if let Some(submitted) = self.try_submit(submission).await?.judge(submission) {
                return Ok(submitted);
            }
        }
        Err(Failure::new(crate::error_code::ErrorCode::DatabaseError, "a concurrent submission for the target came and went twice"))
    }

    async fn try_submit(&self, submission: &Submission) -> Result<Observed, Failure> {
        let params = submission.params.to_stored().map_err(|error| Failure::internal(error.to_string()))?;
        let needs = submission.params.needs();
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            Observed,
            r#"
            WITH target AS (
                SELECT user_id, EXISTS (SELECT FROM sub_goals WHERE goal_id = goals.id) AS has_children FROM goals WHERE id = $11
                UNION ALL
                SELECT goals.user_id, EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id)
                FROM sub_goals part JOIN goals ON goals.id = part.goal_id
                WHERE part.id = ANY($12) OR part.goal_id = $13
                UNION ALL
                SELECT goals.user_id, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
                FROM actions part JOIN sub_goals ON sub_goals.id = part.sub_goal_id JOIN goals ON goals.id = sub_goals.goal_id
                WHERE part.id = ANY($14)
                UNION ALL
                SELECT goals.user_id, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
                FROM goals JOIN sub_goals ON sub_goals.goal_id = goals.id JOIN actions part ON part.sub_goal_id = sub_goals.id
                WHERE goals.id = $15
            ), running AS (
                SELECT id, user_id FROM processing_state WHERE type = $3 AND target_id = $4 AND status IN ('PENDING', 'PROCESSING')
            ), retry AS (
                SELECT id FROM processing_state WHERE original_process_id = $7 AND status <> 'CANCELLED'
            ), created AS (
                INSERT INTO processing_state (id, user_id, type, status, target_id, params, retry_count, original_process_id, created_at, updated_at)
                SELECT $1, $2, $3, 'PENDING', $4, $5, $8, $7, $9, $9
                WHERE NOT EXISTS (SELECT FROM target WHERE user_id <> $2 OR (has_children AND NOT $6))
                  AND ($16 OR EXISTS (SELECT FROM target))
                  AND NOT EXISTS (SELECT FROM running) AND NOT EXISTS (SELECT FROM retry)
                ON CONFLICT DO NOTHING
                RETURNING id
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
                SELECT $9, id, 0, 'submitted', 'PENDING', $10, jsonb_strip_nulls(jsonb_build_object('originalProcessId', $7::uuid)) FROM created
            )
            SELECT EXISTS (SELECT FROM created) AS "created!",
                   EXISTS (SELECT FROM target) AS "has_target!",
                   (SELECT user_id FROM target ORDER BY user_id = $2 LIMIT 1) AS target_user,
                   COALESCE((SELECT bool_or(has_children) FROM target), false) AS "has_children!",
                   (SELECT id FROM running) AS running_id,
                   (SELECT user_id FROM running) AS running_user,
                   (SELECT id FROM retry) AS retry_id,
                   (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
                    FROM (SELECT extract(epoch FROM completed_at - created_at)::float8 AS seconds FROM processing_state
                          WHERE type = $3 AND status = 'COMPLETED' AND completed_at IS NOT NULL ORDER BY completed_at DESC LIMIT 20) durations) AS recent_seconds
            "#,
            submission.id.0,
            submission.user_id.0,
            submission.params.process_type().as_str(),
            submission.params.target_id(),
            params,
            submission.params.replace(),
            submission.retry.map(|retry| retry.of.0),
            submission.retry.map_or(0, |retry| retry.count),
            submission.now,
            submission.actor.as_str(),
            needs.goal,
            &needs.sub_goals,
            needs.sub_goals_of,
            &needs.actions,
            needs.actions_of,
            submission.params.new_goal().is_some(),
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))
    }

    /// Notes that the execution has been started. Losing this note does no harm: the sweep asks Step Functions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_start(&self, id: ProcessId, execution_arn: &str, actor: Actor, now: DateTime<Utc>) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            WITH started AS (
                UPDATE processing_state SET execution_arn = $2 WHERE id = $1 AND execution_arn IS NULL RETURNING id, attempt
            )
            INSERT INTO processing_event (at, process_id, attempt, kind, actor) SELECT $3, id, attempt, 'started', $4 FROM started
            "#,
            id.0,
            execution_arn,
            now,
            actor.as_str(),
        )
        .execute(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(())
    }
}
