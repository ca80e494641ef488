//! All SQL. Every statement that changes a process is a compare-and-set: it names the states it may
//! leave, writes the process's history in the same transaction (it is one statement, so one round
//! trip), and tells apart "changed", "there, but not in that state" and "missing".
//!
//! Statements that move a process begin with `before AS (SELECT … FOR UPDATE)`: the lock makes what
//! they decide by the row's newest version, whoever else is moving it, and gives the history its
//! `from_status`.

mod completing;
mod database;
mod health;
mod history;
mod poll;
mod processes;
mod rate_limit;
mod reconcile;
mod settling;
mod staging;
mod submission;
mod targets;
mod worker;

pub use self::{
    completing::{Completion, NewRows},
    database::{Credentials, Database, failure_of},
    history::{CURSOR_LENGTH, Cursor, Filter, HISTORY_SQL, Page, Window},
    poll::Polled,
    processes::Seen,
    rate_limit::{Counted, Quota},
    reconcile::{EndingNote, Gauges, Lease, Point, Repaired},
    settling::{Actor, Cancelling, Ending},
    staging::{BatchClaim, Staged, Staging, StagingProgress},
    submission::{Retry, Submission, Submitted},
    targets::FoundTarget,
    worker::{Claim, Fence, Standing},
};

/// The store: what the functions may do with the database.
#[derive(Debug)]
pub struct Store {
    database: Database,
}

impl Store {
    /// A store on `database`.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database }
    }

    /// Connects ahead of the first request, so that it need not wait. A failure is left for that
    /// request to report.
    pub async fn warm_up(&self) {
        drop(self.database.connection().await);
    }
}
