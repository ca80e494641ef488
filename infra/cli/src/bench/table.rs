//! A database of its own, with as many rows as wanted. Row `n` is the active process `n`, or an
//! ended one.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};

use crate::stack;

/// The id of row `n`: its number, so that the engine can tell what it is.
pub(super) fn id(number: u32) -> uuid::Uuid {
    uuid::Uuid::from_u128(0x0193_e4a0_0000_7000_8000_0000_0000_0000 | u128::from(number))
}

/// A database of its own with the table in it.
pub(super) struct Table {
    server: PgConnectOptions,
    options: PgConnectOptions,
    password: String,
    name: String,
}

impl Table {
    /// Makes it on `server`: so many rows, of which the first `active` have not ended.
    pub(super) async fn make(server: &str, rows: u32, active: u32) -> Result<Self> {
        let password = reqwest::Url::parse(server)
            .ok()
            .and_then(|url| url.password().map(str::to_owned))
            .unwrap_or_default();
        let server: PgConnectOptions = server.parse().context("that is no database URL")?;
        let name = format!("bench_{rows}_{}", std::process::id());
        let options = server.clone().database(&name);
        let mut connection =
            server.connect().await.context("the database server does not let the benchmark in")?;
        execute(&mut connection, format!("CREATE DATABASE {name}")).await?;
        connection.close().await.context("closing")?;
        let table = Self { server, options, password, name };
        match table.fill(rows, active).await {
            Ok(()) => Ok(table),
            Err(error) => {
                table.drop().await?;
                Err(error)
            }
        }
    }

    async fn fill(&self, rows: u32, active: u32) -> Result<()> {
        let mut connection = self
            .options
            .connect()
            .await
            .context("the new database does not let the benchmark in")?;
        stack::migrate_connection(&mut connection).await?;
        execute(
            &mut connection,
            format!(
                "INSERT INTO processing_state
                     (id, user_id, type, status, target_id, params, progress, result, attempt,
                      execution_arn, created_at, started_at, updated_at, completed_at)
                 SELECT ('0193e4a0-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                        'user-' || n % 1000,
                        'SUBGOAL_GENERATION',
                        CASE WHEN active THEN 'PROCESSING' WHEN fails THEN 'FAILED'
                             ELSE 'COMPLETED' END,
                        gen_random_uuid(),
                        jsonb_build_object('title', repeat('目', 40),
                                           'description', repeat('説', 100)),
                        CASE WHEN active OR fails THEN 50 ELSE 100 END,
                        CASE WHEN NOT active AND NOT fails
                             THEN jsonb_build_object('subGoals', repeat('文', 200)) END,
                        1, 'arn', at, at, at,
                        CASE WHEN NOT active THEN at END
                 FROM (SELECT n,
                              n < {active} AS active,
                              n % 20 = 0 AS fails,
                              CASE WHEN n < {active} THEN now() - interval '10 minutes'
                                   ELSE now() - make_interval(secs => n) END AS at
                       FROM generate_series(0, {rows} - 1) n) numbers",
            ),
        )
        .await?;
        // What a table that has lived for a while has: statistics, and pages that are known to be
        // visible.
        execute(&mut connection, "VACUUM (ANALYZE) processing_state".to_owned()).await?;
        connection.close().await.context("closing")
    }

    /// The port of its server.
    pub(super) fn port(&self) -> u16 {
        self.options.get_port()
    }

    /// What the function finds in its secret.
    pub(super) fn secret(&self) -> Value {
        json!({
            "host": self.options.get_host(), "port": self.options.get_port(), "dbname": self.name,
            "username": self.options.get_username(), "password": self.password,
        })
    }

    pub(super) async fn drop(self) -> Result<()> {
        let mut connection = self
            .server
            .connect()
            .await
            .context("the database server does not let the benchmark in")?;
        execute(&mut connection, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name))
            .await?;
        connection.close().await.context("closing")
    }
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .map(drop)
        .context("a statement of the benchmark failed")
}
