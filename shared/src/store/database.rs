//! The connection: one per execution environment, so that the number of connections is the number of running functions and no
//! pool can be exhausted by one of them. Credentials come from a secret that is fetched once, and once more when the password
//! is refused, because it may have been rotated.

use std::time::Duration;

use serde::Deserialize;
use sqlx::{
    Connection, PgPool, Postgres,
    pool::{PoolConnection, PoolOptions},
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::sync::OnceCell;

use crate::{
    config::{DatabaseConfig, DatabaseTls},
    error_code::ErrorCode,
    failure::Failure,
};

/// How long to wait for a connection before the request is told that there is none.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle longer than this is asked first, for one round trip: it may have been closed meanwhile, above all
/// while Lambda had the environment frozen. One that breaks within this time costs its user a 503 that says to come back.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

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

/// The parts of the secret, as RDS writes them; others are ignored.
#[derive(Deserialize)]
struct DatabaseSecret {
    host: String,
    #[serde(default = "default_port")]
    port: u16,
    username: String,
    password: String,
    #[serde(alias = "dbInstanceIdentifier")]
    dbname: String,
}

const fn default_port() -> u16 {
    5432
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
    /// `DATABASE_CONNECTION_ERROR` when the secret or the database cannot be reached or the password is refused twice.
    pub async fn connection(&self) -> Result<PoolConnection<Postgres>, Failure> {
        let pool =
            self.pool.get_or_try_init(|| async { Ok::<_, Failure>(pool_options().connect_lazy_with(self.options().await?)) }).await?;
        match pool.acquire().await {
            Err(sqlx::Error::Database(error)) if matches!(error.code().as_deref(), Some("28P01" | "28000")) => {
                tracing::warn!("the database refused the password; fetching the secret again");
                pool.set_connect_options(self.options().await?);
                pool.acquire().await
            }
            acquired => acquired,
        }
        .map_err(|error| failure_of(&error))
    }

    async fn options(&self) -> Result<PgConnectOptions, Failure> {
        match &self.credentials {
            Credentials::Given(options) => Ok(options.as_ref().clone()),
            Credentials::Secret { client, config } => {
                let unreachable =
                    |what: String| Failure::new(ErrorCode::DatabaseConnectionError, format!("the database secret cannot be read: {what}"));
                let secret = client
                    .get_secret_value()
                    .secret_id(&config.secret_arn)
                    .send()
                    .await
                    .map_err(|error| unreachable(aws_sdk_secretsmanager::error::DisplayErrorContext(error).to_string()))?;
                let text = secret.secret_string().ok_or_else(|| unreachable("it is binary".to_owned()))?;
                // The parser's message would quote the secret, so only the position is told.
                let secret: DatabaseSecret = serde_json::from_str(text).map_err(|error| {
                    unreachable(format!(
                        "it is not the JSON {{host, port, dbname, username, password}} (line {}, column {})",
                        error.line(),
                        error.column()
                    ))
                })?;
                Ok(connect_options(&secret, config.tls))
            }
        }
    }
}

fn connect_options(secret: &DatabaseSecret, tls: DatabaseTls) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&secret.host)
        .port(secret.port)
        .database(&secret.dbname)
        .username(&secret.username)
        .password(&secret.password)
        .application_name("aigen")
        .ssl_mode(match tls {
            DatabaseTls::Disable => PgSslMode::Disable,
            DatabaseTls::Require => PgSslMode::Require,
            DatabaseTls::VerifyFull => PgSslMode::VerifyFull,
        })
}

fn pool_options() -> PoolOptions<Postgres> {
    let options = PoolOptions::<Postgres>::new().max_connections(1).acquire_timeout(CONNECT_TIMEOUT).idle_timeout(None).max_lifetime(None);
    options
        .test_before_acquire(false)
        .before_acquire(|connection, meta| Box::pin(async move { Ok(meta.idle_for < TRUSTED_IDLE || connection.ping().await.is_ok()) }))
}

/// What a database error means to a caller. Its own words are left out: they may quote what a user wrote.
#[must_use]
pub fn failure_of(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(database) => {
            let state = database.code().unwrap_or_default().into_owned();
            let code = match state.get(..2).unwrap_or_default() {
                // Connection, authorisation, resources (too many connections), operator intervention (shutting down).
                "08" | "28" | "53" | "57" => ErrorCode::DatabaseConnectionError,
                "23" => ErrorCode::DatabaseConstraintViolation,
                _ => ErrorCode::DatabaseError,
            };
            Failure::new(
                code,
                format!("SQLSTATE {state}, table {}, constraint {}", database.table().unwrap_or("-"), database.constraint().unwrap_or("-")),
            )
        }
        sqlx::Error::Io(error) => Failure::new(ErrorCode::DatabaseConnectionError, format!("the connection failed: {error}")),
        sqlx::Error::Tls(error) => Failure::new(ErrorCode::DatabaseConnectionError, format!("TLS failed: {error}")),
        sqlx::Error::PoolTimedOut => {
            Failure::new(ErrorCode::DatabaseConnectionError, format!("no connection within {} s", CONNECT_TIMEOUT.as_secs()))
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed | sqlx::Error::Protocol(_) => {
            Failure::new(ErrorCode::DatabaseConnectionError, "the connection was lost")
        }
        sqlx::Error::ColumnDecode { index, .. } => Failure::new(ErrorCode::DatabaseError, format!("column {index} cannot be read")),
        other => {
            Failure::new(ErrorCode::DatabaseError, format!("the driver: {other:?}").chars().take_while(|c| *c != '(').collect::<String>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_told_from_a_failed_statement() {
        let lost = sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(failure_of(&lost).code, ErrorCode::DatabaseConnectionError);
        assert_eq!(failure_of(&sqlx::Error::PoolTimedOut).code, ErrorCode::DatabaseConnectionError);
        assert_eq!(failure_of(&sqlx::Error::RowNotFound).code, ErrorCode::DatabaseError);
    }

    #[test]
    fn the_secret_is_read_as_rds_writes_it() {
        let secret: DatabaseSecret =
            serde_json::from_str(r#"{"engine":"postgres","host":"db","port":5433,"dbname":"aigen","username":"app","password":"p"}"#)
                .unwrap();
        let options = connect_options(&secret, DatabaseTls::VerifyFull);
        assert_eq!(
            (options.get_host(), options.get_port(), options.get_username(), options.get_database()),
            ("db", 5433, "app", Some("aigen"))
        );
    }
}
