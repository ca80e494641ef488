//! The schema: infra/migrations, built into this program, applied in order and once.

use anyhow::{Context, Result};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{Connection, PgConnection};

use super::report::Reporter;

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
    MIGRATOR.run(connection).await.map_err(explained)
}

/// What a database has once they are applied.
pub(super) fn told() -> String {
    let count = MIGRATOR.iter().count();
    let newest = MIGRATOR.iter().map(|migration| migration.version).max().unwrap_or_default();
    format!("the database has all {count} migrations, the newest {newest}")
}

/// Whether exactly the built-in migrations are applied, with the texts they have now.
async fn all_applied(connection: &mut PgConnection) -> bool {
    let applied: Result<Vec<(i64, Vec<u8>, bool)>, _> =
        sqlx::query_as("select version, checksum, success from _sqlx_migrations order by version")
            .fetch_all(connection)
            .await;
    applied.is_ok_and(|rows| {
        rows.len() == MIGRATOR.iter().count()
            && rows.iter().zip(MIGRATOR.iter()).all(|((version, checksum, success), migration)| {
                *success && *version == migration.version && checksum[..] == migration.checksum[..]
            })
    })
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
