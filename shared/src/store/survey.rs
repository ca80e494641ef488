//! Many processes at once, as an operator asks for them. A process's id begins with the time at
//! which it was made, so the primary key leads from the newest back; each statement looks at a
//! bounded part of it, and says where it came to.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, find::SummaryRow};
use crate::process::{Failure, ProcessId, ProcessSummary, Status};

/// Rows that one page of a list, a survey or a count of failures looks at.
const MOST_ROWS: i64 = 20_000;
/// Groups of failures that are told.
const MOST_GROUPS: i64 = 50;

/// Which processes; a filter that is `None` lets all through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListFilter {
    /// Only this type.
    pub process_type: Option<String>,
    /// Only this status.
    pub status: Option<Status>,
    /// Only this user's.
    pub user_id: Option<String>,
    /// Only those that ended with this error code.
    pub code: Option<String>,
    /// Accepted then or later.
    pub since: Option<DateTime<Utc>>,
    /// Only those before this one, in the order of the ids.
    pub before: Option<ProcessId>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Newest first.
    pub processes: Vec<ProcessSummary>,
    /// Before which process the next page begins; `None`: there is none. A page that is not full
    /// may have one: it had looked at as many rows as one may.
    pub next: Option<ProcessId>,
}

/// How many processes of a type are in a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCount {
    /// The type.
    pub process_type: String,
    /// The status.
    pub status: String,
    /// How many.
    pub count: i64,
}

/// How long something took, in seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// On average.
    pub mean: f64,
    /// Half took no longer.
    pub p50: f64,
    /// Nineteen of twenty took no longer.
    pub p95: f64,
    /// Ninety-nine of a hundred.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

/// How long the processes of a type that completed took.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeTimes {
    /// The type.
    pub process_type: String,
    /// How many completed.
    pub completed: i64,
    /// From acceptance to admission.
    pub waiting: Spread,
    /// From admission to completion.
    pub running: Spread,
    /// Worker runs beyond the first of each.
    pub attempts_again: i64,
    /// Model calls that they were planned to take.
    pub planned_calls: i64,
}

/// The processes of some hours.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// By type and status.
    pub counts: Vec<StatusCount>,
    /// By type.
    pub times: Vec<TypeTimes>,
    /// What the results say that was used, each with its type: arrays of
    /// [`crate::process::ModelTotal`].
    pub usage: Vec<(String, Value)>,
    /// Whether there were more than are counted: then these are the newest.
    pub is_cut: bool,
}

/// Processes that ended badly with the same code and cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures {
    /// The code as it is stored.
    pub code: String,
    /// The cause, without ids.
    pub cause: String,
    /// How many.
    pub count: i64,
    /// When the first of them ended.
    pub first_at: DateTime<Utc>,
    /// When the last did.
    pub last_at: DateTime<Utc>,
    /// The last.
    pub example: ProcessId,
}

/// The least id that a process can have that is made at `time`.
pub(super) fn least_id(time: DateTime<Utc>) -> Uuid {
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or_default();
    Uuid::from_u128(u128::from(millis) << 80)
}

/// Ids are made before rows are accepted; by how much, at the most.
pub(super) const ID_LEAD: TimeDelta = TimeDelta::minutes(1);

impl Store {
    /// The next `limit` processes that pass `filter`, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, filter: &ListFilter, limit: i64) -> Result<Listed, Failure> {
        let from = filter.since.map_or(Uuid::nil(), |since| least_id(since - ID_LEAD));
        let mut connection = self.database.connection().await?;
        // Of one user the history's index knows the rows, of all the primary key.
        macro_rules! list {
            ($whose:literal) => {
                sqlx::query_as!(
                    LookedAtRow,
                    r#"
                    WITH looked_at AS MATERIALIZED (
                        SELECT *
                        FROM processing_state
                        WHERE id >= $1 AND id < $2 AND "# + $whose + r#"
                        ORDER BY id DESC
                        LIMIT $4
                    ), last AS (
                        SELECT count(*) AS rows, (array_agg(id ORDER BY id))[1] AS id
                        FROM looked_at
                    ), page AS (
                        SELECT *
                        FROM looked_at
                        WHERE ($5::text IS NULL OR type = $5)
                          AND ($6::text IS NULL OR status = $6)
                          AND ($7::text IS NULL OR error ->> 'code' = $7)
                          AND ($8::timestamptz IS NULL OR created_at >= $8)
                        ORDER BY id DESC
                        LIMIT $9
                    )
                    SELECT last.rows AS "rows!", last.id AS last_id,
                           page.id AS "id?", user_id AS "user_id?", type AS "process_type?",
                           status AS "status?", progress AS "progress?", error,
                           retry_count AS "retry_count?", original_process_id,
                           attempt AS "attempt?", created_at AS "created_at?", started_at,
                           updated_at AS "updated_at?", completed_at
                    FROM last
                    LEFT JOIN page ON true
                    ORDER BY page.id DESC
                    "#,
                    from,
                    filter.before.map_or(Uuid::max(), |before| before.0),
                    filter.user_id,
                    MOST_ROWS,
                    filter.process_type,
                    filter.status.map(Status::as_str),
                    filter.code,
                    filter.since,
                    limit + 1,
                )
                .fetch_all(&mut *connection)
                .await
            };
        }
        let rows = if filter.user_id.is_some() {
            list!("user_id = $3")
        } else {
            list!("$3::text IS NULL")
        }?;
        let end = rows.first().and_then(|row| row.last_id.filter(|_| row.rows == MOST_ROWS));
        let mut processes = rows
            .into_iter()
            .filter_map(LookedAtRow::summary)
            .map(ProcessSummary::try_from)
            .collect::<Result<Vec<_>, _>>()?;
        let size = usize::try_from(limit).unwrap_or(usize::MAX);
        let next = if processes.len() > size {
            processes.truncate(size);
            processes.last().map(|last| last.id)
        } else {
            end.map(ProcessId)
        };
        Ok(Listed { processes, next })
    }

    /// The processes that were accepted since `since`, the newest 20,000.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey(&self, since: DateTime<Utc>) -> Result<Survey, Failure> {
        let from = least_id(since - ID_LEAD);
        let mut connection = self.database.connection().await?;
        let counts = sqlx::query_as!(
            StatusCount,
            r#"
            SELECT type AS "process_type!", status AS "status!", count(*) AS "count!"
            FROM (
                SELECT type, status FROM processing_state
                WHERE id >= $1 ORDER BY id DESC LIMIT $2
            ) newest
            GROUP BY type, status
            ORDER BY type, status
            "#,
            from,
            MOST_ROWS,
        )
        .fetch_all(&mut *connection)
        .await?;
        let times = sqlx::query!(
            r#"
            SELECT type AS "process_type!", count(*) AS "completed!",
                   avg(waiting)::float8 AS "mean_waiting!",
                   percentile_cont(ARRAY[0.5, 0.95, 0.99, 1])
                       WITHIN GROUP (ORDER BY waiting) AS "waiting!",
                   avg(running)::float8 AS "mean_running!",
                   percentile_cont(ARRAY[0.5, 0.95, 0.99, 1])
                       WITHIN GROUP (ORDER BY running) AS "running!",
                   sum(GREATEST(attempt - 1, 0)) AS "attempts_again!",
                   sum(planned_calls) AS "planned_calls!"
            FROM (
                SELECT type, status, attempt, planned_calls, completed_at,
                       extract(epoch FROM GREATEST(admitted_at, created_at) - created_at)::float8
                           AS waiting,
                       extract(epoch FROM completed_at - GREATEST(admitted_at, created_at))::float8
                           AS running
                FROM processing_state
                WHERE id >= $1 ORDER BY id DESC LIMIT $2
            ) newest
            WHERE status = 'COMPLETED' AND completed_at IS NOT NULL
            GROUP BY type
            ORDER BY type
            "#,
            from,
            MOST_ROWS,
        )
        .fetch_all(&mut *connection)
        .await?;
        let usage = sqlx::query!(
            r#"
            SELECT type AS "process_type!", result -> 'usage' AS "usage!"
            FROM (
                SELECT type, result FROM processing_state
                WHERE id >= $1 ORDER BY id DESC LIMIT $2
            ) newest
            WHERE jsonb_typeof(result -> 'usage') = 'array'
            "#,
            from,
            MOST_ROWS,
        )
        .fetch_all(&mut *connection)
        .await?;
        let is_cut = counts.iter().map(|of| of.count).sum::<i64>() >= MOST_ROWS;
        let times = times.into_iter().map(|row| TypeTimes {
            process_type: row.process_type,
            completed: row.completed,
            waiting: spread(row.mean_waiting, &row.waiting),
            running: spread(row.mean_running, &row.running),
            attempts_again: row.attempts_again,
            planned_calls: row.planned_calls,
        });
        let usage = usage.into_iter().map(|row| (row.process_type, row.usage)).collect();
        Ok(Survey { counts, times: times.collect(), usage, is_cut })
    }

    /// The processes that became FAILED or TIMEOUT since `since`, the newest 20,000, by code and
    /// cause, the most frequent first. Causes count as the same that differ by an id only.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn failures(
        &self,
        since: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<Failures>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            WITH ended AS MATERIALIZED (
                SELECT id, completed_at, COALESCE(error ->> 'code', '') AS code,
                       regexp_replace(
                           left(COALESCE(error ->> 'cause', ''), 300),
                           '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}|[0-9]{6,}', '…', 'g'
                       ) AS cause
                FROM processing_state
                WHERE status IN ('FAILED', 'TIMEOUT')
                  AND completed_at > $1
                  AND completed_at <= $2
                ORDER BY completed_at DESC
                LIMIT $3
            )
            SELECT code AS "code!", cause AS "cause!", count(*) AS "count!",
                   min(completed_at) AS "first_at!", max(completed_at) AS "last_at!",
                   (array_agg(id ORDER BY completed_at DESC))[1] AS "example!"
            FROM ended
            GROUP BY code, cause
            ORDER BY count(*) DESC, max(completed_at) DESC
            LIMIT $4
            "#,
            since,
            until,
            MOST_ROWS,
            MOST_GROUPS,
        )
        .fetch_all(&mut *connection)
        .await?;
        let groups = rows.into_iter().map(|row| Failures {
            code: row.code,
            cause: row.cause,
            count: row.count,
            first_at: row.first_at,
            last_at: row.last_at,
            example: ProcessId(row.example),
        });
        Ok(groups.collect())
    }
}

fn spread(mean: f64, seconds: &[f64]) -> Spread {
    match seconds {
        [p50, p95, p99, max] => Spread { mean, p50: *p50, p95: *p95, p99: *p99, max: *max },
        _ => Spread::default(),
    }
}

/// A row of a page, and what was looked at for it.
struct LookedAtRow {
    rows: i64,
    last_id: Option<Uuid>,
    id: Option<Uuid>,
    user_id: Option<String>,
    process_type: Option<String>,
    status: Option<String>,
    progress: Option<i16>,
    error: Option<Value>,
    retry_count: Option<i16>,
    original_process_id: Option<Uuid>,
    attempt: Option<i32>,
    created_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

impl LookedAtRow {
    /// Its process; an empty page is one row without.
    fn summary(self) -> Option<SummaryRow> {
        Some(SummaryRow {
            id: self.id?,
            user_id: self.user_id?,
            process_type: self.process_type?,
            status: self.status?,
            progress: self.progress?,
            error: self.error,
            retry_count: self.retry_count?,
            original_process_id: self.original_process_id,
            attempt: self.attempt?,
            // A user's own words are not for lists.
            cancel_reason: None,
            created_at: self.created_at?,
            started_at: self.started_at,
            updated_at: self.updated_at?,
            completed_at: self.completed_at,
        })
    }
}
