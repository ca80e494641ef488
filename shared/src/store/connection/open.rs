//! Connecting.

use std::time::Duration;

use aws_config::SdkConfig;
use sqlx::{AssertSqlSafe, PgConnection, Row, postgres::PgConnectOptions};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep, timeout_at},
};

use super::{
    Limits, fault, no_answer,
    secret::{self, Stage},
    socket,
    token::Tokens,
};
use crate::{
    process::Failure,
    store::config::{DatabaseConfig, DatabaseLogin, DatabaseServer, Pooling},
};

/// The first and the longest wait between two attempts to connect, and to read the secret again.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// Where the database's address and password come from.
#[derive(Debug)]
pub enum Credentials {
    /// A secret like those that RDS makes.
    Secret {
        /// The client.
        client: aws_sdk_secretsmanager::Client,
        /// Which secret.
        secret_arn: String,
        /// Where the database is, as far as the secret does not say.
        server: DatabaseServer,
    },
    /// Tokens of IAM, a new one for each connection.
    Iam {
        /// Who makes them.
        tokens: Tokens,
        /// Where the database is.
        server: DatabaseServer,
    },
    /// Given, as in tests and in the command line.
    Given(Box<PgConnectOptions>),
}

impl Credentials {
    /// Those of a function that is configured so, by the clients' common configuration.
    #[must_use]
    pub fn new(config: DatabaseConfig, aws: &SdkConfig) -> Self {
        let DatabaseConfig { login, server } = config;
        match login {
            DatabaseLogin::Password { secret_arn } => {
                let client = aws_sdk_secretsmanager::Client::new(aws);
                Self::Secret { client, secret_arn, server }
            }
            DatabaseLogin::Iam { user } => Self::Iam { tokens: Tokens::new(aws, user), server },
        }
    }

    /// What a session of theirs is to the server.
    pub(in crate::store) const fn pooling(&self) -> Pooling {
        match self {
            Self::Secret { server, .. } | Self::Iam { server, .. } => server.pooling,
            Self::Given(_) => Pooling::Session,
        }
    }

    /// User and password, for whoever makes that user.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when the secret cannot be read, `INTERNAL_ERROR` when there is
    /// no secret.
    pub async fn login(&self) -> Result<(String, String), Failure> {
        match self {
            Self::Secret { client, secret_arn, .. } => secret::login(client, secret_arn).await,
            Self::Iam { .. } | Self::Given(_) => {
                Err(Failure::internal("these credentials are no secret's"))
            }
        }
    }

    async fn read(&self, stage: Stage) -> Result<Option<PgConnectOptions>, Failure> {
        match self {
            Self::Secret { client, secret_arn, server } => {
                secret::connect_options(client, secret_arn, server, stage).await
            }
            // There is one user and no second version of anything.
            Self::Iam { .. } | Self::Given(_) if stage == Stage::Pending => Ok(None),
            Self::Iam { tokens, server } => tokens.connect_options(server).await.map(Some),
            Self::Given(options) => Ok(Some(options.as_ref().clone())),
        }
    }

    /// Whether what opened one connection opens others. A token is over after a while.
    const fn can_be_kept(&self) -> bool {
        !matches!(self, Self::Iam { .. })
    }
}

/// Makes connections. A secret is read once, and again whenever its password is refused; a token is
/// made for each.
#[derive(Debug)]
pub(in crate::store) struct Opener {
    credentials: Credentials,
    /// What worked last, or was read last.
    known: Mutex<Option<PgConnectOptions>>,
}

impl Opener {
    pub(in crate::store) fn new(credentials: Credentials) -> Self {
        Self { credentials, known: Mutex::new(None) }
    }

    /// A new connection, before `deadline`. Until then a refused password, a server that starts and
    /// one that is full are waited out. A rotation changes the password in the database before it
    /// puts the secret in force, so for seconds only the pending version opens it, or none.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when the secret or the database cannot be reached in time.
    pub(in crate::store) async fn open(
        &self,
        limits: Limits,
        pooling: Pooling,
        deadline: Instant,
    ) -> Result<Opened, Failure> {
        let mut wait = FIRST_WAIT;
        loop {
            let Refused { error, place } = match self.attempt(limits, pooling, deadline).await? {
                Ok(connection) => return Ok(connection),
                Err(refused) => refused,
            };
            let passes = fault::is_refused_password(&error) || fault::may_connect_soon(&error);
            let mut failure = Failure::from(error);
            if let Some(place) = place {
                failure.cause = format!("{}{AS}{place}", failure.cause);
            }
            if !passes || Instant::now() + wait >= deadline {
                return Err(failure);
            }
            tracing::warn!(cause = failure.cause, "cannot connect to the database yet");
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tries what is known, and if its password is refused the secret as it is now, in both its
    /// versions.
    async fn attempt(
        &self,
        limits: Limits,
        pooling: Pooling,
        deadline: Instant,
    ) -> Result<Result<Opened, Refused>, Failure> {
        let Ok(mut known) = timeout_at(deadline, self.known.lock()).await else {
            return Ok(Err(Refused::late(limits)));
        };
        let mut candidate = known.take().filter(|_| self.credentials.can_be_kept());
        // What is known may be out of date: the password, and where the database is.
        let mut remembered = candidate.is_some();
        let mut unread = [Stage::Current, Stage::Pending].into_iter();
        let mut refusal = None;
        loop {
            if let Some(options) = candidate.take() {
                let refused = |error| Refused { error, place: Some(place(&options)) };
                match connect(&options, limits, pooling, deadline).await.map_err(refused) {
                    Ok(connection) => {
                        *known = Some(options);
                        return Ok(Ok(connection));
                    }
                    Err(refused) if fault::is_refused_password(&refused.error) => {
                        refusal = Some(refused);
                    }
                    // It is where we think, and has said why not.
                    Err(refused) if refused.error.as_database_error().is_some() => {
                        *known = Some(options);
                        return Ok(Err(refused));
                    }
                    Err(refused) if remembered => refusal = Some(refused),
                    Err(refused) => return Ok(Err(refused)),
                }
            }
            remembered = false;
            let Some(stage) = unread.next() else {
                return Ok(Err(refusal.unwrap_or_else(|| Refused::late(limits))));
            };
            candidate = timeout_at(deadline, Box::pin(self.credentials.read(stage)))
                .await
                .unwrap_or_else(|_| Err(sqlx::Error::from(no_answer(limits.call)).into()))?;
        }
    }
}

/// Why there is no connection, and where to.
struct Refused {
    error: sqlx::Error,
    /// `None`: it did not come to where.
    place: Option<String>,
}

impl Refused {
    fn late(limits: Limits) -> Self {
        Self { error: no_answer(limits.call).into(), place: None }
    }
}

/// Between a cause and the place that it speaks of.
pub(super) const AS: &str = "; as ";

/// Whom and what the options lead to: what is wrong in a secret is one of these.
fn place(options: &PgConnectOptions) -> String {
    let (user, host, port) = (options.get_username(), options.get_host(), options.get_port());
    format!("{user} at {host}:{port}/{}", options.get_database().unwrap_or_default())
}

/// A new connection.
#[derive(Debug)]
pub(in crate::store) struct Opened {
    pub(in crate::store) connection: PgConnection,
    /// Whether the server has few connections left.
    pub(super) is_crowded: bool,
}

async fn connect(
    options: &PgConnectOptions,
    limits: Limits,
    pooling: Pooling,
    deadline: Instant,
) -> Result<Opened, sqlx::Error> {
    // Numbers travel in binary, so their digits as text are nobody's matter, and poolers refuse
    // startup parameters that they do not know.
    let mut options = options.clone().extra_float_digits(None);
    if pooling == Pooling::Transaction {
        options = options.statement_cache_capacity(0);
    }
    timeout_at(deadline, async {
        let mut connection = socket::connect(&options, limits.call).await?;
        let is_crowded = match pooling {
            Pooling::Session => {
                let settings = AssertSqlSafe(session_settings(limits));
                sqlx::raw_sql(settings).fetch_one(&mut connection).await?.try_get(0)?
            }
            // How many there may be is the pooler's matter.
            Pooling::Transaction => false,
        };
        Ok(Opened { connection, is_crowded })
    })
    .await
    .unwrap_or_else(|_| Err(no_answer(limits.call).into()))
}

/// What holds for the whole session. A plan for any values is made once: with plans for each value,
/// Postgres plans anew on every call for as long as they look cheaper. A session that its
/// environment has left behind, frozen or gone, ends after two minutes. Besides, it is asked
/// whether three quarters of the connections are taken that the server, or this database, may have.
fn session_settings(limits: Limits) -> String {
    let (statement_ms, lock_ms) = limits.of_server();
    format!(
        "SET statement_timeout = {statement_ms}; SET lock_timeout = {lock_ms}; \
         SET idle_session_timeout = '2min'; SET plan_cache_mode = force_generic_plan; \
         SELECT bool_or(used * 4 >= most * 3) FROM (\
             SELECT sum(numbackends) AS used, current_setting('max_connections')::bigint AS most \
             FROM pg_stat_database \
             UNION ALL \
             SELECT numbackends, datconnlimit \
             FROM pg_stat_database JOIN pg_database ON oid = datid \
             WHERE pg_database.datname = current_database() AND datconnlimit >= 0\
         ) connections"
    )
}
