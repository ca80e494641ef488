//! The database server itself: its time, its connections, and who is in whose way.

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::Failure;

/// Sessions that are told one by one.
const MOST_SESSIONS: i64 = 20;

/// How the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its time.
    pub now: DateTime<Utc>,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// Connections that are open, whoever has them.
    pub connections: i64,
    /// Connections that there may be, without those that are kept for administrators.
    pub most_connections: i64,
    /// Sessions of other users in our database, of which we may not know what they do.
    pub hidden_sessions: i64,
}

/// A session that is in somebody's way, waits for somebody, or has been at it for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number.
    pub pid: i32,
    /// The database's user.
    pub user: String,
    /// What its program calls itself.
    pub application: String,
    /// `active`, `idle in transaction` …
    pub state: String,
    /// The beginning of its statement, without what stands in quotes.
    pub statement: String,
    /// Since when its statement runs, or has ended.
    pub since: Option<DateTime<Utc>>,
    /// Since when its transaction is open.
    pub transaction_since: Option<DateTime<Utc>>,
    /// For whom it waits.
    pub blocked_by: Vec<i32>,
    /// Whether somebody waits for it.
    pub blocks: bool,
}

impl Store {
    /// How the server is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn server(&self) -> Result<Server, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            Server,
            r#"
            SELECT clock_timestamp() AS "now!",
                   pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
                       AS "read_only!",
                   (SELECT COALESCE(sum(numbackends), 0)::bigint FROM pg_stat_database)
                       AS "connections!",
                   current_setting('max_connections')::bigint
                       - current_setting('superuser_reserved_connections')::bigint
                       - COALESCE(current_setting('reserved_connections', true)::bigint, 0)
                       AS "most_connections!",
                   (
                       SELECT count(*)
                       FROM pg_stat_activity
                       WHERE query = '<insufficient privilege>'
                         AND datname = current_database()
                   ) AS "hidden_sessions!"
            "#
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::from)
    }

    /// The sessions in our database of which an operator should know: those that wait for another's
    /// lock and those that hold it, and those that have run a statement, or kept a transaction
    /// open, for `seconds`. Our own is none of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_of_note(&self, seconds: f64) -> Result<Vec<Session>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            Session,
            r#"
            WITH session AS MATERIALIZED (
                SELECT pid, usename, application_name, state, query, query_start, state_change,
                       xact_start,
                       -- It takes the server's locks for a moment, so only those are asked that
                       -- are seen, or may be suspected, to wait.
                       CASE WHEN COALESCE(wait_event_type, 'Lock') = 'Lock'
                            THEN pg_blocking_pids(pid) ELSE '{}' END AS blocked_by
                FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                  AND backend_type = 'client backend'
            )
            SELECT pid AS "pid!",
                   COALESCE(usename::text, '') AS "user!",
                   COALESCE(application_name, '') AS "application!",
                   COALESCE(state, '') AS "state!",
                   left(regexp_replace(COALESCE(query, ''), '''[^'']*(''|$)|\s+', ' ', 'g'), 120)
                       AS "statement!",
                   CASE WHEN state = 'active' THEN query_start ELSE state_change END AS since,
                   xact_start AS transaction_since,
                   blocked_by AS "blocked_by!",
                   EXISTS (SELECT FROM session other WHERE session.pid = ANY (other.blocked_by))
                       AS "blocks!"
            FROM session
            WHERE cardinality(blocked_by) > 0
               OR EXISTS (SELECT FROM session other WHERE session.pid = ANY (other.blocked_by))
               OR (state = 'active'
                   AND query_start < clock_timestamp() - make_interval(secs => $1))
               OR (state LIKE 'idle in transaction%'
                   AND xact_start < clock_timestamp() - make_interval(secs => $1))
            ORDER BY xact_start NULLS LAST, pid
            LIMIT $2
            "#,
            seconds,
            MOST_SESSIONS,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
