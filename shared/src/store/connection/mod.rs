//! The connection of an execution environment, and what may happen to it.
//!
//! | file | holds |
//! |---|---|
//! | this one | a connection that limits, repeats and judges each statement |
//! | `statement` | a statement that can be sent more than once |
//! | `held` | the connection in the hands of one store call |
//! | `age` | when a connection is trusted, asked first, or replaced |
//! | `open` | connecting: waits out a rotation of the password, a server that starts or is full |
//! | `secret` | the database's address and password |
//! | `token` | a token of IAM instead of a password |
//! | `account`, `roots` | what both make of it; whose certificates a server may have |
//! | `socket` | how the kernel is to treat the connection |
//! | `fault` | what an error means: for the caller, the connection and the statement |
//! | `trouble` | what a failure means to an operator |
//!
//! What a connection went through is not always known: an answer that did not come in time may
//! come later, and a statement whose future was dropped is still on its way. Then the connection is
//! dropped without a word, since even the word could hang, and the next call makes a new one.

mod account;
mod age;
mod fault;
mod held;
mod open;
mod roots;
mod secret;
mod socket;
mod statement;
mod token;
mod trouble;

use std::{fmt, io, time::Duration};

use futures_util::{
    FutureExt, StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    AssertSqlSafe, Either, Execute, Executor, PgConnection, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::{Instant, sleep, timeout_at};

use self::open::Opened;
pub use self::trouble::DatabaseTrouble;
use self::{
    age::{Age, Judgement},
    statement::Statement,
};
pub(super) use self::{fault::state, held::Held, open::Opener};
pub use self::{open::Credentials, token::Tokens};
use super::config::Pooling;
use crate::process::Failure;

/// A row, or how many rows a statement changed.
type Step = Either<PgQueryResult, PgRow>;

/// How long a call may take, and what follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// The longest time of one store call, its wait for the connection included.
    pub(super) call: Duration,
    /// How long an idle connection may take to show that it is alive.
    pub(super) ping: Duration,
    /// A connection that was idle longer than this is asked first, for one round trip: it may have
    /// been closed meanwhile, above all while Lambda had the environment frozen. One that breaks
    /// within this time costs its user a 503 that says to come back.
    pub(super) trusted_idle: Duration,
    /// How long a statement that was rolled back for somebody else's sake holds back before it is
    /// sent once more. Sent at once it can take the rows again before whom they were left to has
    /// woken up, and then the two are in each other's way again.
    pub(super) pause: Duration,
}

impl Limits {
    /// The limits of calls that may take so long.
    pub(super) fn of_call(call: Duration) -> Self {
        Self {
            call,
            ping: (call / 4).min(Duration::from_secs(1)),
            trusted_idle: Duration::from_secs(1),
            pause: Duration::from_millis(50),
        }
    }

    /// How long the server lets a statement run, and wait for a row that somebody else (perhaps by
    /// hand, in an open transaction) holds: both end before the call, so that it can say why.
    fn of_server(self) -> (u128, u128) {
        let statement = self.call.saturating_sub(Duration::from_secs(1)).max(self.call / 4 * 3);
        (statement.as_millis(), (statement / 2).as_millis())
    }
}

/// A connection as a store call sees it: an `Executor` of sqlx on which no statement takes longer
/// than the call may, and on which one that was in somebody's way is sent once more.
pub struct Connection {
    /// `None` before it is made, and after it was lost.
    inner: Option<PgConnection>,
    pooling: Pooling,
    limits: Limits,
    /// A statement is on its way, or its end was not seen.
    is_busy: bool,
    /// The server has few connections left: this one is closed when the call that holds it is over,
    /// so that however many environments there are, they find room in turn.
    is_crowded: bool,
    age: Age,
    /// When the call that holds it has to be over.
    deadline: Instant,
}

impl Connection {
    /// One that is not made yet.
    pub(super) fn new(pooling: Pooling, limits: Limits) -> Self {
        Self {
            inner: None,
            pooling,
            limits,
            is_busy: false,
            is_crowded: false,
            age: Age::new(),
            deadline: Instant::now(),
        }
    }

    pub(super) fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Makes it, unless it is there and alive. It then serves until `deadline`.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when it cannot be made in time.
    async fn ensure(&mut self, opener: &Opener, deadline: Instant) -> Result<(), Failure> {
        self.deadline = deadline;
        if !self.is_alive().await {
            self.inner = None;
            let Opened { connection, is_crowded } =
                opener.open(self.limits, self.pooling, deadline).await?;
            self.inner = Some(connection);
            self.is_crowded = is_crowded;
            self.is_busy = false;
            self.age = Age::new();
        }
        Ok(())
    }

    /// Whether the server answers in time. Of a connection that was used just now that is believed.
    async fn is_alive(&mut self) -> bool {
        let Some(inner) = self.inner.as_mut().filter(|_| !self.is_busy) else { return false };
        match self.age.judge(self.limits.trusted_idle) {
            Judgement::Trusted => return true,
            Judgement::TooOld => return false,
            Judgement::Doubtful => {}
        }
        let until = self.deadline.min(Instant::now() + self.limits.ping);
        self.is_busy = true;
        let pong = timeout_at(until, sqlx::Connection::ping(inner)).await;
        self.is_busy = !matches!(pong, Ok(Ok(())));
        !self.is_busy
    }

    fn inner(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.inner.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    }

    /// Sends the statement, and once more if it was rolled back for somebody else's sake.
    async fn run(&mut self, statement: Statement) -> Result<Vec<Step>, sqlx::Error> {
        let Some(inner) = self.inner.as_mut().filter(|_| !self.is_busy) else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        self.is_busy = true;
        let (pooling, limits) = (self.pooling, self.limits);
        let outcome = timeout_at(self.deadline, async {
            match send(inner, pooling, limits, statement.clone()).await {
                Err(error) if fault::may_be_repeated(&error) => {
                    tracing::warn!(
                        sqlstate = fault::state(&error).as_deref(),
                        "a statement was rolled back; it is sent once more"
                    );
                    sleep(limits.pause).await;
                    send(inner, pooling, limits, statement).await
                }
                outcome => outcome,
            }
        })
        .await
        .unwrap_or_else(|_| Err(no_answer(limits.call).into()));
        if outcome.as_ref().err().is_none_or(fault::leaves_connection_well) {
            self.is_busy = false;
            self.age.note_use();
        } else {
            self.inner = None;
        }
        outcome
    }
}

async fn send(
    connection: &mut PgConnection,
    pooling: Pooling,
    limits: Limits,
    statement: Statement,
) -> Result<Vec<Step>, sqlx::Error> {
    match pooling {
        Pooling::Session => connection.fetch_many(statement).try_collect().await,
        Pooling::Transaction => send_in_transaction(connection, limits, statement).await,
    }
}

/// Behind a transaction pooler nothing that one transaction leaves in the session is there in the
/// next: neither a setting nor a prepared statement. sqlx prepares and runs in two steps, so even
/// one statement needs a transaction around it.
async fn send_in_transaction(
    connection: &mut PgConnection,
    limits: Limits,
    statement: Statement,
) -> Result<Vec<Step>, sqlx::Error> {
    let (statement_ms, lock_ms) = limits.of_server();
    let begin = format!(
        "BEGIN; SET LOCAL statement_timeout = {statement_ms}; SET LOCAL lock_timeout = {lock_ms}"
    );
    connection.execute(AssertSqlSafe(begin)).await?;
    match connection.fetch_many(statement).try_collect().await {
        Ok(steps) => connection.execute("COMMIT").await.map(|_| steps),
        Err(error) => connection.execute("ROLLBACK").await.and(Err(error)),
    }
}

fn no_answer(limit: Duration) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit:?}"))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("is_busy", &self.is_busy).finish_non_exhaustive()
    }
}

/// All rows of a statement are read before the first is given out: only then is it known that it
/// was committed, and it can be repeated without giving a row twice.
impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, Result<Step, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let statement = Statement::of(query, self.pooling == Pooling::Session);
        stream::once(async move { self.run(statement?).await })
            .map_ok(|steps| stream::iter(steps.into_iter().map(Ok)))
            .try_flatten()
            .boxed()
    }

    fn fetch_optional<'e, 'q, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let statement = Statement::of(query, self.pooling == Pooling::Session);
        async move { Ok(self.run(statement?).await?.into_iter().find_map(Either::right)) }.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.inner()?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(
        self,
        sql: SqlStr,
    ) -> BoxFuture<'e, Result<sqlx::Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.inner()?.describe(sql).await }.boxed()
    }
}

#[cfg(test)]
mod tests;
