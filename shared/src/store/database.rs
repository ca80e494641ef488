//! The database: one connection per execution environment, so that the number of connections is the
//! number of environments and none of them can exhaust the server. Calls take turns. A second one
//! is made only for who watches a process, and only while the first is held for long.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

use super::{
    config::Pooling,
    connection::{Connection, Credentials, Held, Limits, Opener},
};
use crate::process::Failure;

/// The longest time of a store call, where its caller has more than ten seconds.
const CALL_LIMIT: Duration = Duration::from_secs(9);
/// The longest time of a look of who watches a process. A cancel is to have its effect within two
/// seconds; this is what a connection that died unseen may add once.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// A database that is connected to on first use.
#[derive(Debug)]
pub struct Database {
    opener: Opener,
    limits: Limits,
    connection: Mutex<Connection>,
    spare: Mutex<Connection>,
}

impl Database {
    /// Nothing is read or connected yet.
    #[must_use]
    pub fn new(credentials: Credentials) -> Self {
        let pooling = credentials.pooling();
        Self::with(Opener::new(credentials), pooling, Limits::of_call(CALL_LIMIT))
    }

    /// Has no store call take longer than `limit`, the wait for the connection included. It must be
    /// less than what the caller itself has, so that the caller can still answer.
    #[must_use]
    pub fn limit_calls(self, limit: Duration) -> Self {
        let pooling = self.connection.into_inner().pooling();
        let limits = Limits { trusted_idle: self.limits.trusted_idle, ..Limits::of_call(limit) };
        Self::with(self.opener, pooling, limits)
    }

    /// Has a connection that was idle longer than `idle` asked whether it is alive before it is
    /// used; a second, where nothing else is said.
    #[must_use]
    pub fn doubt_after(self, idle: Duration) -> Self {
        let pooling = self.connection.into_inner().pooling();
        Self::with(self.opener, pooling, Limits { trusted_idle: idle, ..self.limits })
    }

    /// Says what is between here and the server, where no secret's configuration does.
    #[must_use]
    pub fn behind(self, pooling: Pooling) -> Self {
        Self::with(self.opener, pooling, self.limits)
    }

    fn with(opener: Opener, pooling: Pooling, limits: Limits) -> Self {
        let slot = || Mutex::new(Connection::new(pooling, limits));
        Self { opener, limits, connection: slot(), spare: slot() }
    }

    /// The connection of this environment, for one store call: from now on that call has the time
    /// that it may take.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when there is none in time.
    pub(super) async fn connection(&self) -> Result<Held<'_>, Failure> {
        let deadline = Instant::now() + self.limits.call;
        Held::take(&self.connection, &self.opener, deadline).await
    }

    /// The same for who watches a process, which is a short look: never behind a statement that
    /// hangs, and soon over if its own one does.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when there is none in time.
    pub(super) async fn connection_soon(&self) -> Result<Held<'_>, Failure> {
        let deadline = Instant::now() + self.limits.call.min(LOOK_LIMIT);
        Held::take_soon(&self.connection, &self.spare, &self.opener, deadline).await
    }
}
