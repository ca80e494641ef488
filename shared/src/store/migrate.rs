//! Applying the migrations: as the owner of the schema, who is nobody that a function logs in as in
//! normal work.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{AssertSqlSafe, PgConnection, migrate::MigrateError};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    adoption,
    config::Pooling,
    connection::{Credentials, Limits, Opener, state},
    schema::{self, MIGRATIONS, Schema},
};
use crate::process::{ErrorCode, Failure};

/// How long a migration waits for a lock. Whoever comes after a statement that waits for a table
/// waits too, so this is what a migration may hold up of the functions' work at once.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// How long it holds back before it asks for the lock again.
pub(super) const LOCK_PAUSE: Duration = Duration::from_secs(5);
/// What the server has to end a statement, before the caller's own time is over.
pub(super) const MARGIN: Duration = Duration::from_secs(5);
/// How long connecting may take: a server that sleeps takes a quarter of a minute to wake up.
pub(super) const CONNECT: Duration = Duration::from_secs(30);

/// The database, as the owner of its schema.
#[derive(Debug)]
pub struct SchemaOwner {
    opener: Opener,
    pooling: Pooling,
}

/// What migrating came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Migrated {
    /// Those that were applied now, or would be.
    pub applied: Vec<i64>,
    /// The newest that this code knows.
    pub newest: i64,
    /// Those in the database that this code does not know: a newer version has been here. They are
    /// left as they are, and this code works with them by the rules of `infra/migrations`.
    pub ahead: Vec<i64>,
}

impl SchemaOwner {
    /// Nothing is read or connected yet.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        let pooling = credentials.pooling();
        Self { opener: Opener::new(credentials), pooling }
    }

    /// What [`Self::migrate`] would apply.
    ///
    /// # Errors
    /// As there, but for what applying meets.
    pub async fn plan(&self) -> Result<Migrated, Failure> {
        let mut connection = self.connection(CONNECT).await?;
        let schema = applied(&mut connection).await?;
        adoption::is_no_apps(&mut connection, &schema).await?;
        planned(&schema)
    }

    /// Applies what is not applied yet, in order, each in a transaction of its own. Whoever else
    /// does the same meanwhile is waited for. A lock that others hold is asked for again and again,
    /// so that nobody waits for long behind the wait for it.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when a migration's text was changed after it was applied, or was begun and
    /// did not end, or when the database has tables of these names already and none of ours (see
    /// [`Self::adopt`]); `DATABASE_ERROR` when one cannot be applied within `time`: what came
    /// before it stays applied. `DATABASE_CONNECTION_ERROR` when the database cannot be reached.
    pub async fn migrate(&self, time: Duration) -> Result<Migrated, Failure> {
        let until = Instant::now() + time.saturating_sub(MARGIN);
        let mut connection = self.connection(time.saturating_sub(MARGIN)).await?;
        let schema = applied(&mut connection).await?;
        adoption::is_no_apps(&mut connection, &schema).await?;
        let plan = planned(&schema)?;
        if plan.applied.is_empty() {
            // Whoever may not make tables is not asked to.
            return Ok(plan);
        }
        let mut ours = sqlx::migrate::Migrator::with_migrations(MIGRATIONS.migrations.to_vec());
        ours.set_ignore_missing(true);
        // The lock is the session's, and behind such a pooler it would outlive us in another's.
        ours.set_locking(self.pooling == Pooling::Session);
        loop {
            let run = timeout_at(until, ours.run(&mut connection)).await;
            match run.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into())) {
                Ok(()) => return Ok(plan),
                Err(MigrateError::Execute(sqlx::Error::PoolTimedOut)) => {
                    return Err(too_long("cargo aigen migrate"));
                }
                Err(error) if is_locked_out(&error) && Instant::now() + LOCK_PAUSE < until => {
                    tracing::warn!("a table is held by others: the migration is tried again");
                    sleep(LOCK_PAUSE).await;
                }
                Err(error) => return Err(explained(error)),
            }
        }
    }

    /// A connection whose statements may take so long.
    pub(super) async fn connection(&self, time: Duration) -> Result<PgConnection, Failure> {
        let limits = Limits::of_call(time + MARGIN);
        let deadline = Instant::now() + CONNECT.min(time);
        let opened = self.opener.open(limits, self.pooling, deadline).await?;
        let mut connection = opened.connection;
        if self.pooling == Pooling::Transaction {
            return Ok(connection);
        }
        // A caller that has run out of time says nothing any more: the server looks, and ends a
        // statement whose client is gone, and with it the locks.
        let settings = format!(
            "SET lock_timeout = {}; SET idle_session_timeout = 0; SET plan_cache_mode = auto; \
             SET client_connection_check_interval = '2s'",
            LOCK_WAIT.as_millis()
        );
        sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
        Ok(connection)
    }
}

/// The migrations beside ours; a database that has none yet is empty.
pub(super) async fn applied(connection: &mut PgConnection) -> Result<Schema, Failure> {
    let is_there = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
    let select = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    let mut rows: Vec<(i64, Vec<u8>, bool)> = Vec::new();
    if sqlx::query_scalar(is_there).fetch_one(&mut *connection).await? {
        rows = sqlx::query_as(select).fetch_all(connection).await?;
    }
    // An app that uses sqlx too has its own there.
    let rows = rows.into_iter().filter(|(version, ..)| adopt::is_ours(*version));
    let rows: Vec<_> = rows.map(schema::Applied::from).collect();
    let ours: BTreeMap<_, _> = schema::ours().collect();
    Ok(schema::compare(&rows, &ours))
}

/// What is to be applied, unless what was applied is not what we know.
pub(super) fn planned(schema: &Schema) -> Result<Migrated, Failure> {
    if let Some(version) = schema.changed.first() {
        return Err(changed(*version));
    }
    if let Some(version) = schema.failed.first() {
        return Err(half_applied(*version));
    }
    let newest = schema::ours().map(|(version, _)| version).max().unwrap_or_default();
    Ok(Migrated { applied: schema.missing.clone(), newest, ahead: schema.unknown.clone() })
}

fn changed(version: i64) -> Failure {
    Failure::internal(format!(
        "migration {version} was changed after it was applied to this database: put its text back, \
         and make a new migration of the change"
    ))
}

fn half_applied(version: i64) -> Failure {
    Failure::internal(format!(
        "migration {version} was begun and did not end: look at what it left, put that right, and \
         delete its row of _sqlx_migrations"
    ))
}

/// Not done within the time of a deployment; by hand, `command` does it.
pub(super) fn too_long(command: &str) -> Failure {
    let cause = format!(
        "the migrations take longer than a deployment may: apply them by hand, by {command}"
    );
    Failure::new(ErrorCode::DatabaseError, cause)
}

pub(super) fn is_locked_out(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    matches!(state(error).as_deref(), Some("55P03" | "40P01"))
}

/// What kept a migration from being applied. The server's own words are told: what a migration says
/// is known, and holds nothing that a user wrote.
pub(super) fn explained(error: MigrateError) -> Failure {
    match error {
        MigrateError::VersionMismatch(version) => changed(version),
        MigrateError::Dirty(version) => half_applied(version),
        MigrateError::ExecuteMigration(error, version) => {
            refused(&error, &format!("migration {version} cannot be applied"))
        }
        MigrateError::Execute(error) => refused(&error, "the migrations cannot be applied"),
        other => Failure::internal(other.to_string()),
    }
}

pub(super) fn refused(error: &sqlx::Error, what: &str) -> Failure {
    let Some(database) = error.as_database_error() else {
        let cause = format!("{what}: {error}");
        return Failure::new(ErrorCode::DatabaseConnectionError, cause);
    };
    let state = database.code().unwrap_or_default();
    let advice = match state.as_ref() {
        "42501" => "; the role of the migrations must own the tables, and may need CREATEROLE",
        "55P03" => "; another session holds the table: health names it",
        "57014" => {
            "; it took longer than a deployment may: apply it by hand, by cargo aigen migrate"
        }
        _ => "",
    };
    let cause = format!("{what}: {} (SQLSTATE {state}){advice}", database.message());
    Failure::new(ErrorCode::DatabaseError, cause)
}
