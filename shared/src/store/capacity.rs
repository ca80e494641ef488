//! The capacity as operators see and set it, and what throttling makes of it.

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{Failure, Terms, admission::Refused};

/// How capacity, queue and pause stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Model calls that may be in flight, as configured: by an operator, else as deployed.
    pub calls: i32,
    /// The same of one user.
    pub calls_per_user: i32,
    /// Model calls that may be in flight now.
    pub in_force: i32,
    /// Who has set the limits, when and why; `None`: they are as deployed.
    pub set: Option<SetBy>,
    /// When a model last refused a call for its quota and the limit was lowered.
    pub lowered_at: Option<DateTime<Utc>>,
    /// Model calls that the admitted processes may have in flight.
    pub in_use: i64,
    /// Processes that are admitted and have not ended.
    pub running: i64,
    /// Waiting processes of normal priority.
    pub waiting_normal: i64,
    /// The same of low priority.
    pub waiting_low: i64,
    /// Users who have any waiting.
    pub users: i64,
    /// When the oldest waiting one was accepted.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Who has paused admission, when and why.
    pub paused: Option<SetBy>,
    /// Whether new requests are refused meanwhile.
    pub refuses: bool,
}

/// Who has set something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetBy {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub by: String,
    /// Why, in their words.
    pub reason: Option<String>,
}

impl SetBy {
    fn of(at: Option<DateTime<Utc>>, by: Option<String>, reason: Option<String>) -> Option<Self> {
        Some(Self { at: at?, by: by.unwrap_or_default(), reason })
    }
}

/// What an operator sets as limits; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NewLimits {
    /// Whether those set before are taken back first.
    pub reset: bool,
    /// Model calls in flight.
    pub calls: Option<i16>,
    /// The same of one user.
    pub calls_per_user: Option<i16>,
}

impl Store {
    /// How capacity and queue stand at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn capacity(&self, terms: &Terms, now: DateTime<Utc>) -> Result<Capacity, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            SELECT COALESCE(capacity.calls, $2::integer) AS "calls!",
                   COALESCE(capacity.calls_per_user, $3::integer) AS "calls_per_user!",
                   capacity_in_force(
                       COALESCE(capacity.calls, $2), capacity.lowered_to, capacity.lowered_at, $1
                   ) AS "in_force!",
                   set_at, set_by, set_reason, lowered_at, paused_at, paused_by, pause_reason,
                   refuses,
                   running.calls AS "in_use!", running.processes AS "running!",
                   queue.normal AS "waiting_normal!", queue.low AS "waiting_low!",
                   queue.users AS "users!", queue.oldest_at
            FROM processing_capacity capacity,
                 LATERAL (
                     SELECT COALESCE(sum(share), 0) AS calls, count(*) AS processes
                     FROM processing_state
                     WHERE status IN ('PENDING', 'PROCESSING')
                       AND NOT (status = 'PENDING'
                                AND admitted_at IS NULL
                                AND execution_arn IS NULL)
                 ) running,
                 LATERAL (
                     -- Each of the two parts is read by an index of its own.
                     SELECT COALESCE(sum(normal), 0) AS normal,
                            COALESCE(sum(low), 0) AS low,
                            count(DISTINCT user_id) AS users,
                            min(since) AS oldest_at
                     FROM (
                         SELECT user_id, waiting_normal AS normal, 0 AS low, normal_since AS since
                         FROM processing_queue
                         WHERE waiting_normal > 0
                         UNION ALL
                         SELECT user_id, 0, waiting_low, low_since
                         FROM processing_queue
                         WHERE waiting_low > 0
                     ) line
                 ) queue
            "#,
            now,
            terms.calls,
            terms.calls_per_user,
        )
        .fetch_one(&mut *connection)
        .await?;
        Ok(Capacity {
            calls: row.calls,
            calls_per_user: row.calls_per_user,
            in_force: row.in_force,
            set: SetBy::of(row.set_at, row.set_by, row.set_reason),
            lowered_at: row.lowered_at,
            in_use: row.in_use,
            running: row.running,
            waiting_normal: row.waiting_normal,
            waiting_low: row.waiting_low,
            users: row.users,
            oldest_at: row.oldest_at,
            paused: SetBy::of(row.paused_at, row.paused_by, row.pause_reason),
            refuses: row.refuses,
        })
    }

    /// Pauses admission; who pauses again, changes who, why and whether new requests are refused,
    /// and not since when.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn pause(&self, set: &SetBy, refuses: bool) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            INSERT INTO processing_capacity AS capacity (
                paused_at, paused_by, pause_reason, refuses
            )
            VALUES ($1, $2, $3, $4)
            ON CONFLICT (one) DO UPDATE
            SET paused_at = COALESCE(capacity.paused_at, excluded.paused_at),
                paused_by = excluded.paused_by,
                pause_reason = excluded.pause_reason,
                refuses = excluded.refuses
            "#,
            set.at,
            set.by,
            set.reason,
            refuses,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Ends the pause. Whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn resume(&self) -> Result<bool, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query!(
            "UPDATE processing_capacity
             SET paused_at = NULL, paused_by = NULL, pause_reason = NULL, refuses = false
             WHERE paused_at IS NOT NULL"
        )
        .execute(&mut *connection)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Sets an operator's limits. One that throttling has lowered begins anew from them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_limits(&self, new: NewLimits, set: &SetBy) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            INSERT INTO processing_capacity AS capacity (
                calls, calls_per_user, set_at, set_by, set_reason
            )
            VALUES ($2, $3, $4, $5, $6)
            ON CONFLICT (one) DO UPDATE
            SET calls = COALESCE($2, CASE WHEN NOT $1 THEN capacity.calls END),
                calls_per_user = COALESCE($3, CASE WHEN NOT $1 THEN capacity.calls_per_user END),
                set_at = CASE WHEN NOT $1 OR $2 IS NOT NULL OR $3 IS NOT NULL
                              THEN excluded.set_at END,
                set_by = excluded.set_by,
                set_reason = excluded.set_reason,
                lowered_to = NULL,
                lowered_at = NULL
            "#,
            new.reset,
            new.calls,
            new.calls_per_user,
            set.at,
            set.by,
            set.reason,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Notes that `models` refused calls for their quota, and lowers the limit: as
    /// [`crate::process::admission::lowered`] says.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_throttled(
        &self,
        models: &[String],
        refused: Refused,
        terms: &Terms,
        now: DateTime<Utc>,
    ) -> Result<(), Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query!(
            r#"
            WITH noted AS (
                INSERT INTO processing_model AS model (model_id, throttled_at)
                SELECT DISTINCT model_id, $3::timestamptz
                FROM UNNEST($1::text[]) AS throttled (model_id)
                ORDER BY model_id
                ON CONFLICT (model_id) DO UPDATE
                SET throttled_at = GREATEST(model.throttled_at, excluded.throttled_at)
            )
            UPDATE processing_capacity capacity
            SET lowered_to = GREATEST(
                    1,
                    CASE WHEN $2 THEN LEAST(now.in_force, now.in_use)::real * 0.5
                         ELSE now.in_force::real * 0.6 END
                ),
                lowered_at = $3
            FROM (
                SELECT capacity_in_force(
                           COALESCE(before.calls, $4::integer), lowered_to, lowered_at, $3
                       ) AS in_force,
                       (SELECT COALESCE(sum(used.calls), 0) FROM capacity_in_use() used) AS in_use
                FROM processing_capacity before
            ) now
            WHERE (lowered_at IS NULL
                   OR $3 - lowered_at >= CASE WHEN $2 THEN interval '3 seconds'
                                              ELSE interval '1 minute' END)
              AND ($2 OR 2 * now.in_use >= now.in_force)
            "#,
            models,
            refused == Refused::ByAll,
            now,
            terms.calls,
        )
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// Counts anew who waits, and corrects what is counted wrongly: that takes a foreign hand. Whom
    /// it was about.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recount_queue(&self) -> Result<Vec<String>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(r#"SELECT recount_queue() AS "user_id!""#)
            .fetch_all(&mut *connection)
            .await
            .map_err(Failure::from)
    }
}
