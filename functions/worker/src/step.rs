//! What the state machine passes to the worker and gets back: ids, never texts.

use serde::{Deserialize, Serialize};
use shared::process::{ProcessId, Status};
use uuid::Uuid;

/// What to do.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepInput {
    pub(crate) process_id: ProcessId,
    pub(crate) execution_arn: Option<String>,
    /// One batch of a process with several targets; without it, the process itself.
    pub(crate) batch_id: Option<Uuid>,
    /// The error for which the state machine no longer retries the batch: what is left of it is
    /// given up.
    pub(crate) give_up: Option<CaughtError>,
}

/// An error as the state machine caught it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct CaughtError {
    pub(crate) error: String,
    pub(crate) cause: Option<String>,
}

/// How it went.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StepOutput {
    process_id: ProcessId,
    pub(crate) status: Status,
    /// What is left to do: a process with one target leaves nothing.
    batches: Vec<Uuid>,
    /// How many batches may run at the same time.
    batches_at_once: usize,
}

impl StepOutput {
    /// There is nothing more to do.
    pub(crate) const fn ended(process_id: ProcessId, status: Status) -> Self {
        Self { process_id, status, batches: Vec::new(), batches_at_once: 1 }
    }

    /// These batches are to be written.
    pub(crate) fn planned(process_id: ProcessId, batches: Vec<Uuid>) -> Self {
        // All of them at once: there are no more than the process may make calls.
        let batches_at_once = batches.len().max(1);
        Self { process_id, status: Status::Processing, batches, batches_at_once }
    }
}
