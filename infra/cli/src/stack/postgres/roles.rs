//! Who may log in. The cluster's superuser `postgres` sets up and is used for nothing else. The
//! application's role owns its database and may make others, since tests make one each; it is no
//! superuser, so that its password is worth one database and not the machine.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::NAME;

/// Makes the application's role and its database what they should be, whatever they are. The
/// password must be made of letters and digits.
pub(super) async fn ensure(superuser: &PgConnectOptions, password: &str) -> Result<()> {
    let mut server: PgConnection =
        superuser.connect().await.context("the new server does not let its superuser in")?;
    let role = "select exists (select from pg_roles where rolname = $1)";
    let verb = if is_there(&mut server, role).await? { "alter" } else { "create" };
    run(
        &mut server,
        format!(
            "{verb} role {NAME} login nosuperuser createdb nocreaterole noreplication \
             nobypassrls password '{password}'"
        ),
    )
    .await?;
    // For the tests alone: they choose which of two sessions a deadlock ends.
    run(&mut server, format!("grant set on parameter deadlock_timeout to {NAME}")).await?;
    let database = "select exists (select from pg_database where datname = $1)";
    if !is_there(&mut server, database).await? {
        run(&mut server, format!("create database {NAME} owner {NAME}")).await?;
    }
    server.close().await.context("closing")
}

async fn is_there(server: &mut PgConnection, question: &'static str) -> Result<bool> {
    sqlx::query_scalar(question)
        .bind(NAME)
        .fetch_one(server)
        .await
        .context("the roles and databases cannot be listed")
}

async fn run(server: &mut PgConnection, statement: String) -> Result<()> {
    server
        .execute(sqlx::query(AssertSqlSafe(statement)))
        .await
        .context("the application's role and database cannot be made")?;
    Ok(())
}
