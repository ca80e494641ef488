//! All SQL. Every statement that changes a process is a compare-and-set: it names the states it may
//! leave, writes the process's history in the same transaction (it is one statement, so one round
//! trip), and tells apart "changed", "there, but not in that state" and "missing".
//!
//! | file | operation |
//! |---|---|
//! | `submit`, `start` | a process is accepted, and its execution started |
//! | `admit`, `capacity` | who waits is admitted; limits, pause, what throttling makes of them |
//! | `claim`, `standing` | a worker begins, looks whether it still may |
//! | `batch`, `stage`, `staged` | a process with several targets: batches, outputs, reading them |
//! | `request_batch/` | many requests at once: looking, accepting, reading, cancelling |
//! | `generation` | the seam to the tables of a kind; `chart/` is the Mandala chart's |
//! | `end`, `cancel` | a process ends other than by completing |
//! | `committed` | who hears of what has been committed |
//! | `find`, `poll`, `history` | reading processes |
//! | `rate_limit` | requests a minute of each user |
//! | `reconcile/` | what the reconciler reads and repairs |
//! | `database`, `connection/` | the connection |
//! | `config`, `health` | its settings, and whether it works |
//! | `timeline`, `survey`, `export` | for operators: one process's history; many processes |
//! | `candidates` | for operators: what is cancelled or retried together |
//! | `flow`, `sessions`, `schema` | for operators: whether work flows, who blocks, migrations |
//! | `migrate` | the schema's owner: applying migrations |
//! | `adoption` | the same, where an app has tables of these names already (`adopt`, a crate) |
//! | `roles`, `rights` | the same: letting roles in; what each may do |
//! | `statements` | for operators: what the database spends its time on |
//!
//! # How to add a query
//!
//! 1. Give it a file of its own, named after the operation, with one `impl Store` method that says
//!    what zero rows mean. What is longer than a screen goes into a `.sql` file beside it, with one
//!    column or group of parameters a line.
//! 2. Take the connection by `self.database.connection().await?`, use `sqlx::query!` (or
//!    `query_file!`), and end with `?`: `From<sqlx::Error>` chooses the error code. The connection
//!    is held until it is dropped: never await anything but the database meanwhile, and take it
//!    once a call. Each statement is a transaction of its own, because it is sent once more when
//!    somebody else was in its way (deadlock, lock not available) and because behind a pooler
//!    nothing of it is left in the session; so neither `BEGIN` nor `SET` nor a temporary table.
//! 3. If it moves a process, begin with `before AS (SELECT … FOR UPDATE)`. The lock makes what the
//!    statement decides by the row's newest version, whoever else is moving it, and gives the
//!    history its `from_status`. Name the states it leaves, name the attempt if a worker writes,
//!    insert one `processing_event` from what was changed, and return whether anything was.
//! 4. Turn the row into a type of `process` by a private row type, as in `find`.
//! 5. Run `cargo aigen prepare` and commit `.sqlx`. Add a test in `shared/tests/store/`.

mod admit;
mod adoption;
mod batch;
mod cancel;
mod candidates;
mod capacity;
mod chart;
mod claim;
mod committed;
mod config;
mod connection;
mod database;
mod end;
mod export;
mod find;
mod flow;
mod generation;
mod health;
mod history;
mod migrate;
mod poll;
mod rate_limit;
mod reconcile;
mod request_batch;
mod rights;
mod roles;
mod schema;
mod sessions;
mod stage;
mod staged;
mod standing;
mod start;
mod statements;
mod submit;
mod survey;
mod timeline;

pub use adopt::{Obstacle as AdoptionObstacle, Plan as AdoptionPlan};

pub use self::{
    adoption::Adopted,
    batch::{BatchClaim, PlannedBatch},
    cancel::Cancelling,
    candidates::{Candidate, CandidatePage, Candidates},
    capacity::{Capacity, NewLimits, SetBy},
    claim::Claim,
    committed::Committed,
    config::{DatabaseConfig, DatabaseLogin, DatabaseServer, DatabaseTls, Pooling},
    connection::{Connection, Credentials, DatabaseTrouble, Tokens},
    database::Database,
    end::Ended,
    export::{ExportFilter, ExportPage, Exported},
    flow::{ActiveOfType, Budgets, FailuresOfCode, Flow, LastSweep, Unstarted},
    generation::{Completion, FoundTarget, NewRows, StoredGeneration},
    history::{CURSOR_LENGTH, Cursor, Filter, HISTORY_SQL, Page, Window},
    migrate::{Migrated, SchemaOwner},
    poll::Polled,
    rate_limit::{Counted, Quota},
    reconcile::{
        DELETED_AT_ONCE, EndingNote, Gauges, Lease, Leftovers, LeftoversPage, Point, Repaired,
        Resume,
    },
    request_batch::{
        BatchCancelling, BatchLook, KnownBatch, NewBatch, NewProcess, RequestBatch, Sender,
    },
    rights::Access,
    roles::{Login, Proof},
    schema::{Schema, statement_of_index},
    sessions::{Server, Session},
    stage::{StageOutcome, Staging, StagingProgress},
    staged::Staged,
    standing::{Fence, Standing, Watched},
    statements::{Statement, TableReads},
    submit::{Observed, Retry, Submission, SubmissionPlan, Submitted},
    survey::{Failures, ListFilter, Listed, Spread, StatusCount, Survey, TypeTimes},
    timeline::Event,
};

/// How long a start waits for the database.
const WARM_UP_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The store: what the functions may do with the database.
#[derive(Debug)]
pub struct Store {
    database: Database,
    observer: Option<committed::Observer>,
}

impl Store {
    /// A store on `database`.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database, observer: None }
    }

    /// Connects ahead of the first request, so that it need not wait. A failure is left for that
    /// request to report, and so is whatever takes long: Lambda gives a start ten seconds.
    pub async fn warm_up(&self) {
        drop(tokio::time::timeout(WARM_UP_LIMIT, self.database.connection()).await);
    }
}
