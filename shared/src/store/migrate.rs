//! Applying the migrations, and giving the functions' role what it needs of them: as the owner of
//! the schema, who is nobody that a function logs in as in normal work.

use std::{collections::BTreeMap, time::Duration};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row, migrate::MigrateError};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    config::Pooling,
    connection::{Credentials, Limits, Opener, state},
    generation::StoredGeneration,
    schema::{self, MIGRATIONS, Schema},
};
use crate::process::{ErrorCode, Failure};

/// How long a migration waits for a lock. Whoever comes after a statement that waits for a table
/// waits too, so this is what a migration may hold up of the functions' work at once.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// How long it holds back before it asks for the lock again.
const LOCK_PAUSE: Duration = Duration::from_secs(5);
/// What the server has to end a statement, before the caller's own time is over.
const MARGIN: Duration = Duration::from_secs(5);
/// How long connecting may take: a server that sleeps takes a quarter of a minute to wake up.
const CONNECT: Duration = Duration::from_secs(30);

/// Of the migrators of one database, one at a time gives rights.
const LET_IN_LOCK: i64 = 0x6169_6765_6e00_0001;

/// To read and to write.
const ALL: &str = "SELECT, INSERT, UPDATE, DELETE";

/// What the functions do to each table, besides those of what is generated. A history is written
/// once: nobody but the owner can change it afterwards. (That it can be deleted is retention's.)
const RIGHTS: [(&str, &str); 13] = [
    ("_sqlx_migrations", "SELECT"),
    ("processing_batch", ALL),
    ("processing_capacity", ALL),
    ("processing_event", "SELECT, INSERT, DELETE"),
    ("processing_model", ALL),
    ("processing_output", ALL),
    ("processing_queue", ALL),
    ("processing_start", ALL),
    ("processing_state", ALL),
    ("rate_limit", ALL),
    ("reconciler_sweep", ALL),
    ("request_batch", ALL),
    ("token_use", ALL),
];

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

/// How the functions log in.
#[derive(Clone)]
pub struct Login {
    /// The name of their role.
    pub role: String,
    /// What `PostgreSQL` stores of the password: its SCRAM verifier, never the password. `None`:
    /// the role is somebody's, who sees to its password.
    pub verifier: Option<String>,
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
        planned(&applied(&mut connection).await?)
    }

    /// Applies what is not applied yet, in order, each in a transaction of its own. Whoever else
    /// does the same meanwhile is waited for. A lock that others hold is asked for again and again,
    /// so that nobody waits for long behind the wait for it.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when a migration's text was changed after it was applied, or was begun and
    /// did not end; `DATABASE_ERROR` when one cannot be applied within `time`: what came before it
    /// stays applied. `DATABASE_CONNECTION_ERROR` when the database cannot be reached.
    pub async fn migrate(&self, time: Duration) -> Result<Migrated, Failure> {
        let until = Instant::now() + time.saturating_sub(MARGIN);
        let mut connection = self.connection(time.saturating_sub(MARGIN)).await?;
        let plan = planned(&applied(&mut connection).await?)?;
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
                Err(MigrateError::Execute(sqlx::Error::PoolTimedOut)) => return Err(too_long()),
                Err(error) if is_locked_out(&error) && Instant::now() + LOCK_PAUSE < until => {
                    tracing::warn!("a table is held by others: the migration is tried again");
                    sleep(LOCK_PAUSE).await;
                }
                Err(error) => return Err(explained(error)),
            }
        }
    }

    /// Gives the functions' role what it needs of our tables: not those of others, and no change of
    /// what a history says. With a verifier the role is made, or gets a new password; but only one
    /// that was made here for this database, since roles are the whole server's and another may be
    /// some other stack's. All of it happens or nothing does, and meanwhile nobody is without
    /// rights. Whether `health` can see whose sessions block whom is told: the owner may not be
    /// allowed to give that right.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the role is another's, or the owner itself; `DATABASE_ERROR` when the
    /// owner may not make roles, or does not own the tables.
    pub async fn let_in<G: StoredGeneration>(&self, login: &Login) -> Result<bool, Failure> {
        let mut connection = self.connection(CONNECT).await?;
        let mut transaction = connection.begin().await?;
        // One after the other, also where two deployments meet.
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(LET_IN_LOCK)
            .execute(&mut *transaction)
            .await?;
        let database: String =
            value(&mut transaction, "SELECT current_database()::text", &[]).await?;
        let mark = format!("made by the migrator of the database {database}");
        let make = self.make_role(&mut transaction, login, &mark).await?;
        let mut statements: Vec<_> = make.into_iter().collect();
        statements.push(("GRANT CONNECT ON DATABASE %2$I TO %1$I".to_owned(), database.as_str()));
        statements.push(("GRANT USAGE ON SCHEMA public TO %1$I".to_owned(), ""));
        // What an older version gave, and what somebody gave by hand, is taken back.
        for (table, rights) in rights::<G>() {
            statements.push((format!("REVOKE ALL ON {table} FROM %1$I"), ""));
            statements.push((format!("GRANT {rights} ON {table} TO %1$I"), ""));
        }
        if let Some(verifier) = &login.verifier {
            statements.push(("COMMENT ON ROLE %1$I IS %2$L".to_owned(), &mark));
            statements.push(("ALTER ROLE %1$I LOGIN PASSWORD %2$L".to_owned(), verifier));
        }
        for (template, other) in statements {
            let format = "SELECT format($1, $2, $3)";
            let statement: String =
                value(&mut transaction, format, &[&template, &login.role, other]).await?;
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut *transaction)
                .await
                .map_err(|error| refused(&error, "the functions cannot be given their role"))?;
        }
        transaction.commit().await?;
        let statement = "SELECT format('GRANT pg_read_all_stats TO %I', $1)";
        let statement: String = value(&mut connection, statement, &[&login.role]).await?;
        let sees_all = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await;
        Ok(sees_all.is_ok())
    }

    /// The statement that makes the role, where it is to be made and is not there.
    async fn make_role(
        &self,
        connection: &mut PgConnection,
        login: &Login,
        mark: &str,
    ) -> Result<Option<(String, &'static str)>, Failure> {
        let owner: String = value(connection, "SELECT current_user::text", &[]).await?;
        let role = &login.role;
        if owner == *role {
            let cause = format!("{owner} owns the schema, and the functions must be another role");
            return Err(Failure::internal(cause));
        }
        let comment = "SELECT COALESCE(
                           (SELECT COALESCE(shobj_description(oid, 'pg_authid'), 'nothing')
                            FROM pg_roles WHERE rolname = $1),
                           '')";
        let comment: String = value(connection, comment, &[role]).await?;
        match (comment.as_str(), &login.verifier) {
            ("", Some(_)) => Ok(Some(("CREATE ROLE %1$I".to_owned(), ""))),
            ("", None) => Err(Failure::internal(format!("there is no role {role}"))),
            (_, None) => Ok(None),
            (comment, Some(_)) if comment == mark => Ok(None),
            (comment, Some(_)) => Err(Failure::internal(format!(
                "the role {role} is there and is another's (its comment says {comment:?}): choose \
                 another DatabaseUser, or give that role's own secret as DatabaseSecretArn"
            ))),
        }
    }

    /// A connection whose statements may take so long.
    async fn connection(&self, time: Duration) -> Result<PgConnection, Failure> {
        let limits = Limits::of_call(time + MARGIN);
        let deadline = Instant::now() + CONNECT.min(time);
        let opened = self.opener.open(limits, self.pooling, deadline).await?;
        let mut connection = opened.connection;
        if self.pooling == Pooling::Transaction {
            return Ok(connection);
        }
        let settings = format!(
            "SET lock_timeout = {}; SET idle_session_timeout = 0; SET plan_cache_mode = auto",
            LOCK_WAIT.as_millis()
        );
        sqlx::raw_sql(AssertSqlSafe(settings)).execute(&mut connection).await?;
        Ok(connection)
    }
}

fn rights<G: StoredGeneration>() -> impl Iterator<Item = (&'static str, &'static str)> {
    RIGHTS.into_iter().chain(G::TABLES.iter().map(|table| (*table, ALL)))
}

async fn value(
    connection: &mut PgConnection,
    select: &'static str,
    values: &[&str],
) -> Result<String, Failure> {
    let mut query = sqlx::query(select);
    for value in values {
        query = query.bind(*value);
    }
    Ok(query.fetch_one(connection).await?.try_get(0)?)
}

/// The migrations beside ours; a database that has none yet is empty.
async fn applied(connection: &mut PgConnection) -> Result<Schema, Failure> {
    let select = "SELECT version, checksum, success FROM _sqlx_migrations ORDER BY version";
    let rows = match sqlx::query_as::<_, (i64, Vec<u8>, bool)>(select).fetch_all(connection).await {
        Err(error) if state(&error).as_deref() == Some("42P01") => Vec::new(),
        rows => rows?,
    };
    let rows: Vec<_> = rows.into_iter().map(schema::Applied::from).collect();
    let ours: BTreeMap<_, _> = schema::ours().collect();
    Ok(schema::compare(&rows, &ours))
}

/// What is to be applied, unless what was applied is not what we know.
fn planned(schema: &Schema) -> Result<Migrated, Failure> {
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

fn too_long() -> Failure {
    let cause = "the migrations take longer than a deployment may: apply them by hand, by \
                 cargo aigen migrate";
    Failure::new(ErrorCode::DatabaseError, cause)
}

fn is_locked_out(error: &MigrateError) -> bool {
    let (MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) = error else {
        return false;
    };
    matches!(state(error).as_deref(), Some("55P03" | "40P01"))
}

/// What kept a migration from being applied. The server's own words are told: what a migration says
/// is known, and holds nothing that a user wrote.
fn explained(error: MigrateError) -> Failure {
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

fn refused(error: &sqlx::Error, what: &str) -> Failure {
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
