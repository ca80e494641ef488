//! What a process is, and the rules it lives by: pure, and without any knowledge of what is
//! generated.
//!
//! | file | holds |
//! |---|---|
//! | this one | [`Process`]: one requested generation, one row of `processing_state` |
//! | `id`, `status`, `actor`, `event_kind` | its names, and those of what happens to it |
//! | `transition` | how it may move: the state diagram |
//! | `ending` | how it ends, by hand of whom and for which error |
//! | `error_code`, `error`, `failure`, `evidence` | the closed table of codes; why it ended |
//! | `engine_retry` | what the state machine tries again (a user's retry is a new process) |
//! | `admission` | when it may begin: whose turn it is, how many calls may be in flight |
//! | `request`, `request_batch` | the body of `POST /generate`, and many of them sent together |
//! | `estimate` | when it will be done, and when to ask again |
//! | `generation` | the seam to what is generated: all that a process asks of its kind |
//! | `retention` | for how long it is kept after its end |
//! | `usage` | what the calls of a model cost |

mod actor;
pub mod admission;
pub mod ending;
pub mod engine_retry;
mod error;
mod error_code;
pub mod estimate;
mod event_kind;
mod evidence;
mod failure;
pub mod generation;
mod id;
mod request;
pub mod request_batch;
mod retention;
mod status;
mod transition;
mod usage;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

/// Retries in one chain.
pub const MAX_RETRIES: i16 = 3;

pub use self::{
    actor::{Actor, Author},
    admission::{Priority, Terms, Waiting, WaitingReason},
    ending::Ending,
    error::ProcessError,
    error_code::{ErrorCode, LogLevel, UnknownErrorCode},
    event_kind::EventKind,
    evidence::Evidence,
    failure::Failure,
    generation::{
        Assembly, FailedTarget, Generation, Output, Outputs, PlannedTarget, Prompt, Rejection,
        UnreadableParams,
    },
    id::{ProcessId, ProcessType, RequestBatchId, UserId},
    request::{InvalidRequest, ParsedRequest, parse_generate, parse_request, read_priority},
    retention::Retention,
    status::Status,
    transition::{Refused, Transition},
    usage::{ModelTotal, ModelUsage, total_by_model},
};

/// A name that is none of the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not a known {what}")]
pub struct UnknownName {
    what: &'static str,
    name: String,
}

impl UnknownName {
    pub(crate) fn status(name: &str) -> Self {
        Self { what: "status", name: name.to_owned() }
    }
}

/// A process as a list, a poll or a cancel tells it: all but what it was asked for and what it
/// generated.
///
/// Foreign hands may have left a row half right, so what a status should bring along is optional
/// here: reading never fails for it, and the reconciler mends it.
#[derive(Debug, Clone, PartialEq)]
pub struct ProcessSummary {
    /// Its id.
    pub id: ProcessId,
    /// Who asked for it.
    pub user_id: UserId,
    /// What it generates.
    pub process_type: ProcessType,
    /// Where it stands.
    pub status: Status,
    /// Percent as stored; see [`ProcessSummary::shown_progress`].
    pub progress: i16,
    /// Why it ended.
    pub error: Option<ProcessError>,
    /// How many retries lie before it in its chain.
    pub retry_count: i16,
    /// The process that it retries.
    pub original_process_id: Option<ProcessId>,
    /// The current worker run, from 1; 0 before the first.
    pub attempt: i32,
    /// Why it was cancelled, in the words of who did.
    pub cancel_reason: Option<String>,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When the first worker claimed it.
    pub started_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it reached its terminal status.
    pub completed_at: Option<DateTime<Utc>>,
}

impl ProcessSummary {
    /// Percent as a client sees it: 100 exactly when COMPLETED, and within 0–100 whatever foreign
    /// hands wrote.
    #[must_use]
    pub fn shown_progress(&self) -> i16 {
        match self.status {
            Status::Completed => 100,
            Status::Pending
            | Status::Processing
            | Status::Failed
            | Status::Timeout
            | Status::Cancelled => self.progress.clamp(0, 99),
        }
    }
}

/// A process as its whole row tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Process {
    /// What lists and polls tell.
    pub summary: ProcessSummary,
    /// What it is about.
    pub target_id: Uuid,
    /// The validated params of the request.
    pub params: Value,
    /// What was generated.
    pub result: Option<Value>,
    /// Known once the execution has been started.
    pub execution_arn: Option<String>,
}
