//! The connection: one per execution environment, so that the number of connections is the number
//! of running functions and no pool can be exhausted by one of them. Credentials come from a secret
//! that is fetched once, and once more when the password is refused, because it may have been
//! rotated.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{
    Connection, Executor, PgPool, Postgres,
    pool::{PoolConnection, PoolOptions},
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::sync::OnceCell;

use super::{DatabaseConfig, config::DatabaseTls};
use crate::{
    aws,
    process::{ErrorCode, Failure},
};

/// How long to wait for a connection before the request is told that there is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle longer than this is asked first, for one round trip: it may have been
/// closed meanwhile, above all while Lambda had the environment frozen. One that breaks within this
/// time costs its user a 503 that says to come back.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// A connection is renewed after this time, so that one to a server that has been demoted is not
/// kept for good.
const MAX_LIFETIME: Duration = Duration::from_mins(5);
/// How long the server lets a statement run, and wait for a row that somebody else (perhaps by
/// hand, in an open transaction) holds: the request then fails with words of its own, well before
/// its Lambda is killed.
const PATIENCE: &str = "SET statement_timeout = '8s'; SET lock_timeout = '4s'";

/// Where the database's address and password come from.
#[derive(Debug)]
pub enum Credentials {
    /// A secret like those that RDS makes.
    Secret {
        /// The client.
        client: aws_sdk_secretsmanager::Client,
        /// Which secret, and how to connect.
        config: DatabaseConfig,
    },
    /// Given, as in tests and in the command line.
    Given(Box<PgConnectOptions>),
}

/// The parts of the secret that matter; others are ignored. The secrets that Secrets Manager makes
/// for a database have all of them, those that RDS itself manages have user and password only
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html>).
#[derive(Deserialize)]
struct DatabaseSecret {
    username: String,
    password: String,
    host: Option<String>,
    port: Option<u16>,
    dbname: Option<String>,
}

/// A database that is connected to on first use.
#[derive(Debug)]
pub struct Database {
    credentials: Credentials,
    pool: OnceCell<PgPool>,
}

impl Database {
    /// Nothing is fetched or connected yet.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        Self { credentials, pool: OnceCell::new() }
    }

    /// The connection of this environment.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when the secret or the database cannot be reached or the
    /// password is refused twice.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, Failure> {
        let pool = self
            .pool
            .get_or_try_init(|| async {
                Ok::<_, Failure>(pool_options().connect_lazy_with(self.options().await?))
            })
            .await?;
        match pool.acquire().await {
            Err(sqlx::Error::Database(error))
                if matches!(error.code().as_deref(), Some("28P01" | "28000")) =>
            {
                tracing::warn!("the database refused the password; fetching the secret again");
                pool.set_connect_options(self.options().await?);
                pool.acquire().await
            }
            acquired => acquired,
        }
        .map_err(Failure::from)
    }

    async fn options(&self) -> Result<PgConnectOptions, Failure> {
        match &self.credentials {
            Credentials::Given(options) => Ok(options.as_ref().clone()),
            Credentials::Secret { client, config } => {
                let unreachable = |what: String| {
                    Failure::new(
                        ErrorCode::DatabaseConnectionError,
                        format!("the database secret cannot be read: {what}"),
                    )
                };
                let secret = client.get_secret_value().secret_id(&config.secret_arn).send().await;
                let secret = secret.map_err(|error| unreachable(aws::describe_error(&error)))?;
                let text =
                    secret.secret_string().ok_or_else(|| unreachable("it is binary".to_owned()))?;
                // The parser's message would quote the secret, so only the position is told.
                let secret: DatabaseSecret = serde_json::from_str(text).map_err(|error| {
                    unreachable(format!(
                        "it is not the JSON {{username, password, host, port, dbname}} (line {}, column {})",
                        error.line(),
                        error.column()
                    ))
                })?;
                connect_options(&secret, config)
                    .ok_or_else(|| unreachable("it names no host or database, and neither does DATABASE_HOST or DATABASE_NAME".to_owned()))
            }
        }
    }
}

/// What the secret says, and for what it leaves out the configuration. `None`: neither names a
/// host, or a database.
fn connect_options(secret: &DatabaseSecret, config: &DatabaseConfig) -> Option<PgConnectOptions> {
    let options = PgConnectOptions::new_without_pgpass()
        .host(secret.host.as_ref().or(config.host.as_ref())?)
        .port(secret.port.unwrap_or(config.port))
        .database(secret.dbname.as_ref().or(config.name.as_ref())?)
        .username(&secret.username)
        .password(&secret.password)
        .application_name("aigen")
        .ssl_mode(match config.tls {
            DatabaseTls::Disable => PgSslMode::Disable,
            DatabaseTls::Require => PgSslMode::Require,
            DatabaseTls::VerifyFull => PgSslMode::VerifyFull,
        });
    Some(options)
}

fn pool_options() -> PoolOptions<Postgres> {
    PoolOptions::<Postgres>::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(MAX_LIFETIME)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(PATIENCE).await.map(drop) })
        })
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(
                async move { Ok(meta.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) },
            )
        })
}

/// What a database error means to a caller. Its own words are left out: they may quote what a user
/// wrote.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(database) => {
                let state = database.code().unwrap_or_default().into_owned();
                let code = match state.get(..2).unwrap_or_default() {
                    // Connection, authorisation, resources (too many connections), operator
                    // intervention (shutting down). "25": read-only, as a server is that has been
                    // demoted.
                    "08" | "25" | "28" | "53" | "57" => ErrorCode::DatabaseConnectionError,
                    "23" => ErrorCode::DatabaseConstraintViolation,
                    _ => ErrorCode::DatabaseError,
                };
                Self::new(
                    code,
                    format!(
                        "SQLSTATE {state}, table {}, constraint {}",
                        database.table().unwrap_or("-"),
                        database.constraint().unwrap_or("-")
                    ),
                )
            }
            sqlx::Error::Io(error) => Self::new(
                ErrorCode::DatabaseConnectionError,
                format!("the connection failed: {error}"),
            ),
            sqlx::Error::Tls(error) => {
                Self::new(ErrorCode::DatabaseConnectionError, format!("TLS failed: {error}"))
            }
            sqlx::Error::PoolTimedOut => Self::new(
                ErrorCode::DatabaseConnectionError,
                format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()),
            ),
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
                Self::new(ErrorCode::DatabaseConnectionError, "the connection was lost")
            }
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::new(ErrorCode::DatabaseError, format!("column {index} cannot be read"))
            }
            other => Self::new(
                ErrorCode::DatabaseError,
                format!("the driver: {other:?}")
                    .chars()
                    .take_while(|c| *c != '(')
                    .collect::<String>(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_told_from_a_failed_statement() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(Failure::from(lost).code, ErrorCode::DatabaseConnectionError);
        assert_eq!(
            Failure::from(sqlx::Error::PoolTimedOut).code,
            ErrorCode::DatabaseConnectionError
        );
        assert_eq!(Failure::from(sqlx::Error::RowNotFound).code, ErrorCode::DatabaseError);
    }

    fn options(secret: &str) -> Option<(String, u16, Option<String>)> {
        let config = DatabaseConfig {
            secret_arn: "arn".into(),
            host: Some("configured".into()),
            port: 6432,
            name: None,
            tls: DatabaseTls::VerifyFull,
        };
        let options = connect_options(&serde_json::from_str(secret).unwrap(), &config)?;
        Some((
            options.get_host().to_owned(),
            options.get_port(),
            options.get_database().map(str::to_owned),
        ))
    }

    #[test]
    fn a_whole_secret_wins_over_the_configuration() {
        let whole = r#"{
            "engine":"postgres", "host":"db", "port":5433, "dbname":"aigen",
            "dbInstanceIdentifier":"db-1", "username":"app", "password":"p"
        }"#;
        assert_eq!(options(whole), Some(("db".to_owned(), 5433, Some("aigen".to_owned()))));
    }

    #[test]
    fn what_a_secret_leaves_out_comes_from_the_configuration() {
        let without_address = r#"{"dbname":"aigen","username":"app","password":"p"}"#;
        assert_eq!(
            options(without_address),
            Some(("configured".to_owned(), 6432, Some("aigen".to_owned())))
        );
        assert_eq!(options(r#"{"username":"app","password":"p"}"#), None);
    }
}
