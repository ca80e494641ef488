//! The schema: infra/migrations, built into this program, applied in order and once.

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use super::report::Reporter;
use crate::{operate, output};

static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Applies what is not applied yet.
pub(super) async fn apply(database_url: &str, reporter: &Reporter) -> Result<()> {
    let mut connection = PgConnection::connect(database_url)
        .await
        .context("the database does not let the migrations in")?;
    if all_applied(&mut connection).await {
        return connection.close().await.context("closing");
    }
    reporter
        .step("Applying infra/migrations", async {
            apply_to(&mut connection).await?;
            connection.close().await.context("closing")
        })
        .await
}

/// Applies what is not applied yet, quietly.
pub(super) async fn apply_to(connection: &mut PgConnection) -> Result<()> {
    let state = adopt::state(connection, &MIGRATOR).await;
    ensure!(
        state.context("the database cannot be looked at")? != adopt::State::Foreign,
        "this database has tables of these names already, and none of aigen's migrations: look at \
         what adopting them would do by `cargo aigen migrate --adopt --dry-run` (docs/adoption.md)"
    );
    let mut ours = Migrator::with_migrations(MIGRATOR.migrations.to_vec());
    // Those of an app that uses sqlx too are none of ours; of ours, all are to be known.
    ours.set_ignore_missing(
        applied(connection)
            .await
            .iter()
            .all(|(version, ..)| !adopt::is_ours(*version) || MIGRATOR.version_exists(*version)),
    );
    ours.run(connection).await.map_err(explained)
}

/// Makes the tables of an app ours, with all their rows, or says what that would do, where
/// processes are kept for `retention_days` after their end.
pub(super) async fn adopt(
    database_url: &str,
    dry_run: bool,
    retention_days: u32,
) -> Result<ExitCode> {
    let mut connection = PgConnection::connect(database_url)
        .await
        .context("the database does not let the migrations in")?;
    let outcome = if dry_run {
        adopt::look(&mut connection, &MIGRATOR, retention_days).await
    } else {
        adopt::adopt(&mut connection, &MIGRATOR, retention_days).await
    };
    let plan = match outcome {
        Err(adopt::Error::Refused(plan)) => Some(*plan),
        outcome => outcome.context("the database cannot be adopted, and nothing was changed")?,
    };
    output::line(operate::adopted(plan.as_ref(), dry_run));
    if plan.as_ref().is_some_and(|plan| !plan.is_free()) {
        return Ok(ExitCode::FAILURE);
    }
    if plan.is_none() && !dry_run {
        apply_to(&mut connection).await?;
    }
    if !dry_run {
        output::line(told());
    }
    connection.close().await.context("closing")?;
    Ok(ExitCode::SUCCESS)
}

/// The newest migration that is built into this program.
pub(super) fn newest() -> i64 {
    MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// What a database has once they are applied.
pub(super) fn told() -> String {
    let count = MIGRATOR.iter().count();
    format!("the database has all {count} migrations, the newest {}", newest())
}

/// Whether exactly the built-in migrations are applied, with the texts they have now.
async fn all_applied(connection: &mut PgConnection) -> bool {
    let mut rows = applied(connection).await;
    rows.retain(|(version, ..)| adopt::is_ours(*version));
    rows.len() == MIGRATOR.iter().count()
        && rows.iter().zip(MIGRATOR.iter()).all(|((version, checksum, success), migration)| {
            *success && *version == migration.version && checksum[..] == migration.checksum[..]
        })
}

/// What stands in the table of applied migrations; nothing, where it cannot be read.
async fn applied(connection: &mut PgConnection) -> Vec<(i64, Vec<u8>, bool)> {
    sqlx::query_as("select version, checksum, success from _sqlx_migrations order by version")
        .fetch_all(connection)
        .await
        .unwrap_or_default()
}

fn explained(error: MigrateError) -> anyhow::Error {
    match error {
        MigrateError::VersionMismatch(version) => anyhow::anyhow!(
            "migration {version} was changed after it was applied to this database: make a new \
             migration instead, or, if the data may go, run `cargo aigen down --wipe` and then \
             `cargo aigen up`"
        ),
        MigrateError::VersionMissing(version) => anyhow::anyhow!(
            "the database has migration {version}, which this version of the project does not \
             know: update the project, or, if the data may go, run `cargo aigen down --wipe` and \
             then `cargo aigen up`"
        ),
        other => anyhow::Error::new(other).context("a migration could not be applied"),
    }
}
