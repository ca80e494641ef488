//! Who may log in. The cluster's superuser `postgres` sets up and is used for nothing else. The
//! owner's role is what the master user of RDS is: it owns its database, runs the migrations, and
//! makes the roles that the functions log in as; it may make databases too, since tests make one
//! each. It is no superuser, so that its password is worth one database and not the machine.

use anyhow::{Context, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use super::NAME;

/// What the owner's role may.
const ATTRIBUTES: &str = "login nosuperuser createdb createrole noreplication nobypassrls";

/// What the master user of RDS may besides: see and end the sessions of others, and give the first
/// of it on.
const OF_A_MASTER_USER: [&str; 2] =
    ["grant pg_read_all_stats to aigen with admin option", "grant pg_signal_backend to aigen"];

/// All that is made here, as text: a server that runs with other roles is started anew.
pub(super) fn shape() -> String {
    [&[ATTRIBUTES], &OF_A_MASTER_USER[..]].concat().join("; ")
}

/// Makes the owner's role and its database what they should be, whatever they are. The password
/// must be made of letters and digits.
pub(super) async fn ensure(superuser: &PgConnectOptions, password: &str) -> Result<()> {
    let mut server: PgConnection =
        superuser.connect().await.context("the new server does not let its superuser in")?;
    let role = "select exists (select from pg_roles where rolname = $1)";
    let verb = if is_there(&mut server, role).await? { "alter" } else { "create" };
    run(&mut server, format!("{verb} role {NAME} {ATTRIBUTES} password '{password}'")).await?;
    for statement in OF_A_MASTER_USER {
        run(&mut server, statement.to_owned()).await?;
    }
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
        .context("the owner's role and database cannot be made")?;
    Ok(())
}
