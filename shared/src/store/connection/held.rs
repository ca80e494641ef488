//! The connection in the hands of one store call.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use tokio::{
    sync::{Mutex, MutexGuard},
    time::{Instant, timeout, timeout_at},
};

use super::{Connection, Opener};
use crate::process::{ErrorCode, Failure};

/// How long somebody who watches a process waits for the connection that others use. It is long for
/// statements that are well, and short beside the two seconds within which a cancel has its effect.
const WATCHER_PATIENCE: Duration = Duration::from_millis(500);

/// A connection that belongs to one store call until that call drops it.
#[derive(Debug)]
pub(in crate::store) struct Held<'a>(MutexGuard<'a, Connection>);

impl<'a> Held<'a> {
    /// Waits for the connection, and makes it if it is not there or not alive.
    ///
    /// # Errors
    /// `DATABASE_CONNECTION_ERROR` when it cannot be had before `deadline`.
    pub(in crate::store) async fn take(
        slot: &'a Mutex<Connection>,
        opener: &Opener,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let Ok(guard) = timeout_at(deadline, slot.lock()).await else {
            return Err(Failure::new(
                ErrorCode::DatabaseConnectionError,
                "no turn in time: other statements of this function held the connection",
            ));
        };
        let mut held = Self(guard);
        held.ensure(opener, deadline).await?;
        Ok(held)
    }

    /// Like `take`, but a connection that others hold for long is not waited for: `spare` is used
    /// instead, which is closed again as soon as the first one is free.
    pub(in crate::store) async fn take_soon(
        slot: &'a Mutex<Connection>,
        spare: &'a Mutex<Connection>,
        opener: &Opener,
        deadline: Instant,
    ) -> Result<Self, Failure> {
        let Ok(guard) = timeout(WATCHER_PATIENCE, slot.lock()).await else {
            return Self::take(spare, opener, deadline).await;
        };
        if let Ok(mut spare) = spare.try_lock() {
            spare.inner = None;
        }
        let mut held = Self(guard);
        held.ensure(opener, deadline).await?;
        Ok(held)
    }
}

impl Deref for Held<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A call whose future was dropped in the middle of a statement leaves a connection of which nobody
/// knows what it will say next. And where connections are few, none is kept for a next call that
/// may be long in coming.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.0.is_busy || self.0.is_crowded {
            self.0.inner = None;
        }
    }
}
