//! Whether work is flowing, jobs succeed, and the evidence for it is fresh: what the health check
//! reads. Each statement goes by an index and is bounded, so that it costs by what is active or
//! went wrong of late, and never by the size of a table.

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{Failure, ProcessId, ProcessType, Terms};

/// Active processes that are looked at, the oldest first.
const MOST_ACTIVE: i64 = 1_000;
/// Failures that are looked at, the newest first.
const MOST_FAILURES: i64 = 20_000;

/// What is under way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// The oldest that has been started, of each type.
    pub active: Vec<ActiveOfType>,
    /// Those that were admitted and not started in time.
    pub unstarted: Option<Unstarted>,
    /// Since when somebody waits who has not used up their own share of the capacity.
    pub admittable_since: Option<DateTime<Utc>>,
}

/// The process of one type that was admitted first and has not ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveOfType {
    /// The type.
    pub process_type: ProcessType,
    /// The process.
    pub id: ProcessId,
    /// Its current worker run.
    pub attempt: i32,
    /// Since when it might have run.
    pub due_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// Seconds from admission to completion that are usual for the type; `None`: none has
    /// completed.
    pub usual_seconds: Option<f64>,
    /// How many of the type are active.
    pub active: i64,
}

/// Processes that were admitted, and for which no execution is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstarted {
    /// How many.
    pub count: i64,
    /// The first.
    pub id: ProcessId,
    /// When the first should have been started.
    pub due_at: DateTime<Utc>,
}

/// What is known of the last sweep of the reconciler, and of one that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastSweep {
    /// When the last ended; `None`: there was none.
    pub reported_at: Option<DateTime<Utc>>,
    /// Whether it looked at everything.
    pub complete: Option<bool>,
    /// Repairs and looks that failed.
    pub failed: i64,
    /// Disagreements that it found.
    pub drift: i64,
    /// Running executions that it found without a process (R17).
    pub unknown: i64,
    /// Processes that it deleted because the time for which they are kept is over.
    pub deleted: i64,
    /// Since when one has the lease.
    pub held_since: Option<DateTime<Utc>>,
    /// Until when it may have it.
    pub held_until: Option<DateTime<Utc>>,
}

/// How many processes ended badly with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailuresOfCode {
    /// The code as it is stored; a foreign hand may have left it out.
    pub code: String,
    /// How many.
    pub count: i64,
    /// When the last did.
    pub last_at: DateTime<Utc>,
    /// The last.
    pub example: ProcessId,
}

/// What of today's budgets of tokens is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    /// By all users together.
    pub used: i64,
    /// Users whose own budget is used up.
    pub users_at_limit: i64,
}

impl Store {
    /// What is under way at `now`. An admitted process counts as not started when that was due
    /// before `start_by`; a user may have `calls_per_user` in flight.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn flow(
        &self,
        now: DateTime<Utc>,
        start_by: DateTime<Utc>,
        calls_per_user: i32,
    ) -> Result<Flow, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            WITH active AS MATERIALIZED (
                SELECT id, type, attempt, updated_at,
                       status = 'PENDING' AND execution_arn IS NULL AS is_unstarted,
                       GREATEST(admitted_at, created_at) AS due_at
                FROM processing_state
                WHERE status IN ('PENDING', 'PROCESSING')
                  AND NOT (status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL)
                ORDER BY created_at, id
                LIMIT $2
            ), late AS (
                SELECT * FROM active WHERE is_unstarted AND due_at < $3
            ), first_of_type AS (
                SELECT DISTINCT ON (type)
                       *, count(*) OVER (PARTITION BY type) AS active
                FROM active
                WHERE NOT is_unstarted
                ORDER BY type, due_at
            )
            SELECT type AS "process_type!", id AS "id!", attempt AS "attempt!",
                   due_at AS "due_at!", updated_at AS "updated_at!",
                   recent_seconds(type, $1) AS usual_seconds, active AS "active!",
                   false AS "is_late!"
            FROM first_of_type
            UNION ALL
            (SELECT type, id, attempt, due_at, updated_at, NULL, (SELECT count(*) FROM late), true
             FROM late
             ORDER BY due_at
             LIMIT 1)
            "#,
            now,
            MOST_ACTIVE,
            start_by,
        )
        .fetch_all(&mut *connection)
        .await?;
        let admittable_since = sqlx::query_scalar!(
            r#"
            SELECT min(line.since)
            FROM (
                SELECT user_id, normal_since AS since FROM processing_queue WHERE waiting_normal > 0
                UNION ALL
                SELECT user_id, low_since FROM processing_queue WHERE waiting_low > 0
            ) line
            LEFT JOIN capacity_in_use() used USING (user_id)
            WHERE COALESCE(used.calls, 0) < $1
            "#,
            calls_per_user,
        )
        .fetch_one(&mut *connection)
        .await?;
        let mut flow = Flow { admittable_since, ..Flow::default() };
        for row in rows {
            let id = ProcessId(row.id);
            if row.is_late {
                flow.unstarted = Some(Unstarted { count: row.active, id, due_at: row.due_at });
            } else {
                flow.active.push(ActiveOfType {
                    process_type: ProcessType::new(row.process_type),
                    id,
                    attempt: row.attempt,
                    due_at: row.due_at,
                    updated_at: row.updated_at,
                    usual_seconds: row.usual_seconds,
                    active: row.active,
                });
            }
        }
        Ok(flow)
    }

    /// What is known of the last sweep.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_sweep(&self) -> Result<LastSweep, Failure> {
        let mut connection = self.database.connection().await?;
        let sweep = sqlx::query_as!(
            LastSweep,
            r#"
            SELECT reported_at, held_since, held_until,
                   (report ->> 'complete')::boolean AS complete,
                   COALESCE((report ->> 'failed')::bigint, 0) AS "failed!",
                   COALESCE((report ->> 'drift')::bigint, 0) AS "drift!",
                   COALESCE((report -> 'rules' ->> 'R17')::bigint, 0) AS "unknown!",
                   COALESCE((report ->> 'deleted')::bigint, 0) AS "deleted!"
            FROM reconciler_sweep
            "#
        )
        .fetch_optional(&mut *connection)
        .await?;
        Ok(sweep.unwrap_or_default())
    }

    /// The processes that became FAILED or TIMEOUT from `since` to `until`, by code, the most
    /// frequent first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failures_by_code(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<FailuresOfCode>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            WITH ended AS MATERIALIZED (
                SELECT id, completed_at, COALESCE(error ->> 'code', '') AS code
                FROM processing_state
                WHERE status IN ('FAILED', 'TIMEOUT')
                  AND completed_at > $1
                  AND completed_at <= $2
                ORDER BY completed_at DESC
                LIMIT $3
            )
            SELECT code AS "code!", count(*) AS "count!", max(completed_at) AS "last_at!",
                   (array_agg(id ORDER BY completed_at DESC))[1] AS "example!"
            FROM ended
            GROUP BY code
            ORDER BY count(*) DESC, code
            "#,
            since,
            until,
            MOST_FAILURES,
        )
        .fetch_all(&mut *connection)
        .await?;
        let of_code = rows.into_iter().map(|row| FailuresOfCode {
            code: row.code,
            count: row.count,
            last_at: row.last_at,
            example: ProcessId(row.example),
        });
        Ok(of_code.collect())
    }

    /// What of the budgets of the day of `now` is used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budgets(&self, terms: &Terms, now: DateTime<Utc>) -> Result<Budgets, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            Budgets,
            r#"
            SELECT COALESCE(sum(tokens) FILTER (WHERE user_id = ''), 0)::bigint AS "used!",
                   count(*) FILTER (WHERE user_id <> '' AND $2::bigint > 0 AND tokens >= $2)
                       AS "users_at_limit!"
            FROM token_use
            WHERE day = $1
            "#,
            now.date_naive(),
            terms.tokens_per_user,
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
