//! Adopting the database of an app: its tables `goals`, `sub_goals`, `actions`, `tasks` and
//! `processing_state`, which none of our migrations has made, become what the first migration would
//! have made, with all their rows, and the later migrations go on from there. All of it happens in
//! one transaction, or nothing does.
//!
//! | file | holds |
//! |---|---|
//! | `facts` | what the catalog says of tables |
//! | `whole`, `table`, `column`, `constraint`, `convert`, `own`, `retention` | the plan: pure |
//! | `plan` | what a plan is made of, and its words |
//! | `taken` | what the later migrations make, by name: pure |
//! | `read` | reading the facts; the model is the first migration itself |
//!
//! A crate of its own, because the command line uses it too, and must compile where the checked
//! queries of `shared` do not yet.

mod column;
mod constraint;
mod convert;
mod facts;
mod own;
mod plan;
mod read;
mod retention;
mod table;
mod taken;
mod text;
mod whole;

#[cfg(test)]
mod tests;

use sqlx::{
    AssertSqlSafe, Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
};

pub use self::plan::{Kept, Note, Obstacle, Plan, Rows, Step};

/// Of those who adopt one database, one at a time does.
const LOCK: i64 = 0x6169_6765_6e00_0002;
/// The first of our migrations.
const FIRST: i64 = 20_261_122_000_001;
/// Ours are numbered by their day, and within all days by a number below this.
const NUMBERS: i64 = 1_000;
const OF_DAY: i64 = 1_000_000;

/// What a database is that is to be adopted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// None of our migrations and none of our tables' names are there.
    Free,
    /// Tables of our names are there, and none of our migrations.
    Foreign,
    /// Our migrations have been here.
    Ours,
}

/// Why it was not adopted. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There are obstacles.
    #[error("{}", whole::summary(.0))]
    Refused(Box<Plan>),
    /// A statement failed.
    #[error("{what}: {error}")]
    Step {
        /// What was to be done.
        what: String,
        /// Why it was not.
        error: sqlx::Error,
    },
    /// A migration failed.
    #[error(transparent)]
    Migration(#[from] MigrateError),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// There are none in this program.
    #[error("there are no migrations")]
    NoMigrations,
}

/// Whether a row of `_sqlx_migrations` is of this project: an app that uses sqlx itself has its own
/// there. Ours are told by the form of their numbers, a day and a number below a thousand.
#[must_use]
pub const fn is_ours(version: i64) -> bool {
    version >= FIRST && version % OF_DAY < NUMBERS
}

/// What the database is.
///
/// # Errors
/// When it fails.
pub async fn state(connection: &mut PgConnection, migrations: &Migrator) -> Result<State, Error> {
    // Asked by `to_regclass`: a SELECT that fails spoils the transaction that it is in.
    let table = "SELECT to_regclass($1) IS NOT NULL";
    let has_migrations: bool =
        sqlx::query_scalar(table).bind("_sqlx_migrations").fetch_one(&mut *connection).await?;
    if has_migrations {
        let versions: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations")
            .fetch_all(&mut *connection)
            .await?;
        if versions.into_iter().any(is_ours) {
            return Ok(State::Ours);
        }
    }
    let later = migrations.iter().flat_map(|migration| taken::made(migration.sql.as_str()));
    let later = later.filter_map(|made| match made {
        taken::Made::Relation(name) => Some(name),
        _ => None,
    });
    let names: Vec<String> = later.collect();
    let some =
        "SELECT EXISTS (SELECT FROM unnest($1::text[]) name WHERE to_regclass(name) IS NOT NULL)";
    let is_foreign: bool = sqlx::query_scalar(some).bind(names).fetch_one(connection).await?;
    Ok(if is_foreign { State::Foreign } else { State::Free })
}

/// What adopting the database would do, where processes are kept for `retention_days` after their
/// end (0: for ever). Nothing is changed, and nothing of the app is locked against anybody. `None`:
/// there is nothing to adopt.
///
/// # Errors
/// When the database fails, or the role may make no temporary tables.
pub async fn look(
    connection: &mut PgConnection,
    migrations: &Migrator,
    retention_days: u32,
) -> Result<Option<Plan>, Error> {
    let mut transaction = connection.begin().await?;
    let planned = if state(&mut transaction, migrations).await? == State::Foreign {
        Some(planned(&mut transaction, migrations, retention_days).await?)
    } else {
        None
    };
    transaction.rollback().await?;
    Ok(planned)
}

/// Adopts the database, and applies all migrations: in one transaction, which holds the tables
/// against everybody meanwhile. Whoever else does the same is waited for; for a table that somebody
/// holds, three seconds. `None`: there is nothing to adopt, and nothing was done.
///
/// # Errors
/// [`Error::Refused`] where something is in the way; when a step fails. Nothing is changed then.
pub async fn adopt(
    connection: &mut PgConnection,
    migrations: &Migrator,
    retention_days: u32,
) -> Result<Option<Plan>, Error> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    if state(&mut transaction, migrations).await? != State::Foreign {
        transaction.rollback().await?;
        return Ok(None);
    }
    // Here and not in the session, which behind a pooler may be another's. Whoever comes after one
    // that waits for a table waits too.
    sqlx::raw_sql("SET LOCAL lock_timeout = '3s'").execute(&mut *transaction).await?;
    lock(&mut transaction).await?;
    let plan = planned(&mut transaction, migrations, retention_days).await?;
    if !plan.is_free() {
        transaction.rollback().await?;
        return Err(Error::Refused(Box::new(plan)));
    }
    // What is put off, a deferred key's check or a trigger of the app, would be in the way of the
    // next statement that changes the table.
    sqlx::raw_sql("SET CONSTRAINTS ALL IMMEDIATE").execute(&mut *transaction).await?;
    for step in &plan.steps {
        let sql = AssertSqlSafe(step.sql.clone());
        sqlx::raw_sql(sql).execute(&mut *transaction).await.map_err(|error| Error::Step {
            what: format!("{}: {}", step.table, step.what),
            error,
        })?;
    }
    let mut ours = Migrator::with_migrations(migrations.migrations.to_vec());
    ours.set_ignore_missing(true);
    // The transaction has its own lock, which goes with it.
    ours.set_locking(false);
    let first = migrations.iter().next().ok_or(Error::NoMigrations)?;
    ours.skip(&mut *transaction, Some(first.version)).await?;
    ours.run(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Some(plan))
}

/// So that what is read stays true until it is acted upon.
async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    let tables: Vec<_> = read::tables(connection)
        .await?
        .into_iter()
        .filter(|table| table.kind == "r" && table.is_owned)
        .map(|table| text::ident(&table.name))
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    let sql = format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", tables.join(", "));
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(connection).await?;
    Ok(())
}

async fn planned(
    connection: &mut PgConnection,
    migrations: &Migrator,
    retention_days: u32,
) -> Result<Plan, Error> {
    let model = read::model(connection, migrations).await?;
    let mut app = read::tables(connection).await?;
    read::count_rows(connection, &mut app).await?;
    let beside = read::beside(connection, migrations, &model, &app).await?;
    let (mut plan, questions) = whole::plan(&model, &app, &beside, retention_days);
    for question in questions {
        if let Some(rows) = read::ask(connection, &question).await? {
            plan.obstacles.push(Obstacle { rows: Some(rows), ..question.obstacle });
        }
    }
    Ok(plan)
}
