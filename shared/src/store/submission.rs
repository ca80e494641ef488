//! Accepting a process: the row that makes a 202 durable, what may stand in its way, the
//! idempotency key and the rate limit, all in one round trip.
//!
//! The process is inserted first and counted then, although the limit decides whether it may be: of
//! many requests with one idempotency key, only the one that inserts is to be counted, and the
//! unique index makes the others wait until it is known which one that is. When the count then
//! turns out to be too high, a constraint of `rate_limit` undoes the whole statement. A user who is
//! visibly at the limit is refused before anything is inserted.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    Actor, Store, failure_of,
    processes::known,
    rate_limit::{Quota, window_of},
};
use crate::{
    failure::Failure,
    params::Params,
    process::{ProcessId, Status, UserId},
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
    /// The `Idempotency-Key` of the request.
    pub idempotency_key: Option<String>,
    /// Requests a minute that the user may make; `None`: this one has been counted, or is an
    /// operator's.
    pub per_minute: Option<i32>,
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
    /// The same request was accepted before under the same idempotency key.
    Repeated {
        /// The process that it made.
        process_id: ProcessId,
        /// When.
        created_at: DateTime<Utc>,
        /// Median seconds of processes of its type that were recent then.
        recent_seconds: Option<f64>,
    },
    /// Another request was accepted before under the same idempotency key.
    KeyReused,
    /// The user has used up the minute.
    RateLimited,
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
        /// Where it stands.
        status: Status,
        /// When it was accepted.
        created_at: DateTime<Utc>,
        /// Median seconds of processes of its type that were recent then.
        recent_seconds: Option<f64>,
    },
}

/// What the statement saw when it did, or did not, insert.
struct Observed {
    created: bool,
    repeat_id: Option<Uuid>,
    repeat_created_at: Option<DateTime<Utc>>,
    same_request: Option<bool>,
    exhausted: bool,
    target_user: Option<String>,
    has_children: bool,
    running_id: Option<Uuid>,
    running_user: Option<String>,
    retry_id: Option<Uuid>,
    retry_status: Option<String>,
    retry_created_at: Option<DateTime<Utc>>,
    recent_seconds: Option<f64>,
    limit: Option<i32>,
    used: Option<i32>,
    window_start: Option<DateTime<Utc>>,
}

impl Observed {
    /// Judges in this order: a repeat is answered whatever else holds; the rate limit comes before
    /// everything that costs a look; then what a caller may know: nothing of another user's things,
    /// then their own. `None`: a unique index refused a row that this statement could not see yet.
    fn judge(&self, submission: &Submission) -> Result<Option<Submitted>, Failure> {
        let foreign =
            |user: &Option<String>| user.as_ref().is_some_and(|user| *user != submission.user_id.0);
        let recent_seconds = self.recent_seconds;
        Ok(if self.created {
            Some(Submitted::Accepted { recent_seconds })
        } else if let (Some(true), Some(id), Some(created_at)) =
            (self.same_request, self.repeat_id, self.repeat_created_at)
        {
            Some(Submitted::Repeated { process_id: ProcessId(id), created_at, recent_seconds })
        } else if self.exhausted {
            Some(Submitted::RateLimited)
        } else if self.repeat_id.is_some() {
            Some(Submitted::KeyReused)
        } else if foreign(&self.target_user) || foreign(&self.running_user) {
            Some(Submitted::Forbidden)
        } else if self.target_user.is_none() && submission.params.new_goal().is_none() {
            Some(Submitted::TargetNotFound)
        } else if let (Some(id), Some(status), Some(created_at)) =
            (self.retry_id, &self.retry_status, self.retry_created_at)
        {
            Some(Submitted::AlreadyRetried {
                process_id: ProcessId(id),
                status: known(status)?,
                created_at,
                recent_seconds,
            })
        } else if let Some(id) = self.running_id {
            Some(Submitted::AlreadyRunning { process_id: ProcessId(id) })
        } else if self.has_children && !submission.params.replace() {
            Some(Submitted::TargetNotEmpty)
        } else {
            None
        })
    }

    /// Where the user stands in the minute; `None` where the submission is not counted.
    fn standing(&self, submission: &Submission) -> Option<Quota> {
        let per_minute = submission.per_minute?;
        Some(match (self.limit, self.used, self.window_start) {
            (Some(limit), Some(used), Some(window_start)) => Quota { limit, used, window_start },
            _ => Quota::unused(per_minute, submission.now),
        })
    }
}

/// The constraint that breaks when a process is one too many for the minute.
const EXCEEDED: &str = "rate_limit_exceeded";
/// One to lose a race for the target, one to lose a race for the minute, one to be told.
const LOOKS: u32 = 3;

impl Store {
    /// Stores the process as PENDING, unless something stands in its way; and where the user stands
    /// in the minute with it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn submit(
        &self,
        submission: &Submission,
    ) -> Result<(Submitted, Option<Quota>), Failure> {
        let params =
            submission.params.to_stored().map_err(|error| Failure::internal(error.to_string()))?;
        let mut connection = self.database.connection().await?;
        // Whoever committed between our snapshot and our insert is visible to the next look.
        for _ in 0..LOOKS {
            match try_submit(&mut connection, submission, &params).await {
                Ok(observed) => {
                    if let Some(submitted) = observed.judge(submission)? {
                        return Ok((submitted, observed.standing(submission)));
                    }
                }
                // Others used up the minute between our snapshot and our count: now it is visible
                // that they did.
                Err(sqlx::Error::Database(error)) if error.constraint() == Some(EXCEEDED) => {}
                Err(error) => return Err(failure_of(&error)),
            }
        }
        Err(Failure::new(
            crate::error_code::ErrorCode::DatabaseError,
            "concurrent submissions came and went at every look",
        ))
    }

    /// Notes that the execution has been started. Losing this note does no harm: the sweep asks
    /// Step Functions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_start(
        &self,
        id: ProcessId,
        execution_arn: &str,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
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

#[expect(clippy::too_many_lines, reason = "one statement, which is easier to trust in one piece")]
async fn try_submit(
    connection: &mut PgConnection,
    submission: &Submission,
    params: &serde_json::Value,
) -> Result<Observed, sqlx::Error> {
    let needs = submission.params.needs();
    sqlx::query_as!(
        Observed,
        r#"
        WITH repeat AS (
            SELECT id, created_at, type = $3 AND params = $5 AS same_request FROM processing_state WHERE user_id = $2 AND idempotency_key = $11
        ), exhausted AS (
            SELECT FROM rate_limit
            WHERE $12::integer IS NOT NULL AND user_id = $2
              AND COALESCE(per_minute, $12) <= CASE WHEN window_start >= $13 THEN used ELSE 0 END
        ), target AS (
            SELECT user_id, EXISTS (SELECT FROM sub_goals WHERE goal_id = goals.id) AS has_children FROM goals WHERE id = $14
            UNION ALL
            SELECT goals.user_id, EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id)
            FROM sub_goals part JOIN goals ON goals.id = part.goal_id
            WHERE part.id = ANY($15) OR part.goal_id = $16
            UNION ALL
            SELECT goals.user_id, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
            FROM actions part JOIN sub_goals ON sub_goals.id = part.sub_goal_id JOIN goals ON goals.id = sub_goals.goal_id
            WHERE part.id = ANY($17)
            UNION ALL
            SELECT goals.user_id, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
            FROM goals JOIN sub_goals ON sub_goals.goal_id = goals.id JOIN actions part ON part.sub_goal_id = sub_goals.id
            WHERE goals.id = $18
        ), running AS (
            SELECT id, user_id FROM processing_state WHERE type = $3 AND target_id = $4 AND status IN ('PENDING', 'PROCESSING')
        ), retry AS (
            SELECT id, status, created_at FROM processing_state WHERE original_process_id = $7 AND status <> 'CANCELLED'
        ), obstacle AS (
            SELECT FROM target WHERE user_id <> $2 OR (has_children AND NOT $6)
            UNION ALL SELECT WHERE NOT ($19 OR EXISTS (SELECT FROM target))
            UNION ALL SELECT FROM running
            UNION ALL SELECT FROM retry
            UNION ALL SELECT FROM repeat WHERE NOT same_request
        ), created AS (
            INSERT INTO processing_state (id, user_id, type, status, target_id, params, retry_count, original_process_id, idempotency_key, created_at, updated_at)
            SELECT $1, $2, $3, 'PENDING', $4, $5, $8, $7, $11, $9, $9
            WHERE NOT EXISTS (SELECT FROM repeat) AND NOT EXISTS (SELECT FROM exhausted) AND NOT EXISTS (SELECT FROM obstacle)
            ON CONFLICT DO NOTHING
            RETURNING id
        ), event AS (
            INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
            SELECT $9, id, 0, 'submitted', 'PENDING', $10, jsonb_strip_nulls(jsonb_build_object('originalProcessId', $7::uuid)) FROM created
        ), counted AS (
            INSERT INTO rate_limit AS bucket (user_id, window_start, used, allowed)
            SELECT $2, $13, 1, $12
            WHERE $12 IS NOT NULL AND NOT EXISTS (SELECT FROM exhausted) AND NOT EXISTS (SELECT FROM repeat WHERE same_request)
              AND (EXISTS (SELECT FROM created) OR EXISTS (SELECT FROM obstacle))
            ON CONFLICT (user_id) DO UPDATE
            SET window_start = GREATEST(bucket.window_start, excluded.window_start),
                used = CASE WHEN bucket.window_start >= excluded.window_start THEN bucket.used + 1 ELSE 1 END,
                allowed = COALESCE(bucket.per_minute, excluded.allowed)
            RETURNING allowed, used, window_start
        ), standing AS (
            SELECT allowed, used, window_start FROM counted
            UNION ALL
            SELECT COALESCE(per_minute, $12), CASE WHEN window_start >= $13 THEN used ELSE 0 END, GREATEST(window_start, $13)
            FROM rate_limit WHERE user_id = $2 AND NOT EXISTS (SELECT FROM counted)
        )
        SELECT EXISTS (SELECT FROM created) AS "created!",
               (SELECT id FROM repeat) AS repeat_id,
               (SELECT created_at FROM repeat) AS repeat_created_at,
               (SELECT same_request FROM repeat) AS same_request,
               EXISTS (SELECT FROM exhausted) AS "exhausted!",
               (SELECT user_id FROM target ORDER BY user_id = $2 LIMIT 1) AS target_user,
               COALESCE((SELECT bool_or(has_children) FROM target), false) AS "has_children!",
               (SELECT id FROM running) AS running_id,
               (SELECT user_id FROM running) AS running_user,
               (SELECT id FROM retry) AS retry_id,
               (SELECT status FROM retry) AS retry_status,
               (SELECT created_at FROM retry) AS retry_created_at,
               (SELECT allowed FROM standing) AS "limit",
               (SELECT used FROM standing) AS used,
               (SELECT window_start FROM standing) AS window_start,
               -- For a repeat, as it was when the first request was answered, so that both get the same answer.
               (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
                FROM (SELECT extract(epoch FROM completed_at - created_at)::float8 AS seconds FROM processing_state
                      WHERE type = $3 AND status = 'COMPLETED'
                        AND completed_at <= COALESCE((SELECT created_at FROM repeat), (SELECT created_at FROM retry), $9)
                      ORDER BY completed_at DESC LIMIT 20) durations) AS recent_seconds
        "#,
        submission.id.0,
        submission.user_id.0,
        submission.params.process_type().as_str(),
        submission.params.target_id(),
        *params,
        submission.params.replace(),
        submission.retry.map(|retry| retry.of.0),
        submission.retry.map_or(0, |retry| retry.count),
        submission.now,
        submission.actor.as_str(),
        submission.idempotency_key,
        submission.per_minute,
        window_of(submission.now),
        needs.goal,
        &needs.sub_goals,
        needs.sub_goals_of,
        &needs.actions,
        needs.actions_of,
        submission.params.new_goal().is_some(),
    )
    .fetch_one(connection)
    .await
}
