//! What has become true of a process by a statement of the store. Whoever measures or reports it
//! hears of it here, where it is committed, so that no caller can forget to say it or say it twice.

use std::fmt;

use chrono::{DateTime, Utc};

use super::Store;
use crate::process::{ProcessId, Status};

/// A fact about a process that has just been committed, by a statement that changed its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It was accepted: its row is there.
    Accepted {
        /// The process.
        id: ProcessId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It was given its share of the model calls.
    Admitted {
        /// The process.
        id: ProcessId,
        /// When.
        at: DateTime<Utc>,
    },
    /// It ended.
    Ended {
        /// The process.
        id: ProcessId,
        /// How.
        status: Status,
        /// When.
        at: DateTime<Utc>,
    },
}

/// Who hears of each fact.
pub(super) struct Observer(Box<dyn Fn(Committed) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Store {
    /// The same store, whose every committed fact `observer` hears of, once. A repeated or fenced
    /// write changes nothing and is no fact.
    ///
    /// Race accepted: when the answer to a statement is lost, it may have been committed, and
    /// nobody hears of it.
    #[must_use]
    pub fn observed_by(self, observer: impl Fn(Committed) + Send + Sync + 'static) -> Self {
        Self { observer: Some(Observer(Box::new(observer))), ..self }
    }

    pub(super) fn accepted(&self, id: ProcessId, at: DateTime<Utc>) {
        self.tell(Committed::Accepted { id, at });
    }

    pub(super) fn admitted(&self, id: ProcessId, at: DateTime<Utc>) {
        self.tell(Committed::Admitted { id, at });
    }

    pub(super) fn ended(&self, id: ProcessId, status: Status, at: DateTime<Utc>) {
        self.tell(Committed::Ended { id, status, at });
    }

    fn tell(&self, fact: Committed) {
        if let Some(Observer(observer)) = &self.observer {
            observer(fact);
        }
    }
}
