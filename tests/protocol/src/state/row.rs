//! What the database holds.

use shared::process::Status;

use super::{Code, Id, Mask, TARGETS};

/// What is staged for a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Out {
    /// Written.
    Written,
    /// Given up.
    GivenUp(Code),
}

/// A row of `processing_batch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Batch {
    /// The attempt at the process that planned it.
    pub plan: u8,
    /// The current attempt at it.
    pub attempt: u8,
    /// What it is to write.
    pub targets: Mask,
    /// Calls that it may have in flight.
    pub slots: u8,
    /// The most that it could use.
    pub wants: u8,
    /// How many others wait for.
    pub gives_back: u8,
    /// Whether it waits to be tried again.
    pub rests: bool,
    /// Attempts in which an answer was not right.
    pub failed_tries: u8,
}

/// Which batch: the attempt that planned it, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId {
    /// The attempt at the process.
    pub plan: u8,
    /// Its number in the plan.
    pub number: u8,
}

/// A row of `processing_state`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "a row: each field is a column of its own")]
pub struct Row {
    /// Whose.
    pub user: u8,
    /// Whether it is planned and staged.
    pub several: bool,
    /// What it was asked for.
    pub wanted: Mask,
    /// When it was accepted, as a number in a row.
    pub order: u8,
    /// `status`.
    pub status: Status,
    /// `attempt`.
    pub attempt: u8,
    /// `progress`.
    pub progress: u8,
    /// `execution_arn IS NOT NULL`.
    pub has_arn: bool,
    /// `admitted_at IS NOT NULL`.
    pub admitted: bool,
    /// `started_at IS NOT NULL`.
    pub started: bool,
    /// `share`.
    pub share: u8,
    /// `targets`, 0 for NULL.
    pub targets: u8,
    /// `targets_done`.
    pub done: u8,
    /// `batch_ids IS NOT NULL`.
    pub is_planned: bool,
    /// What was planned, kept for the proof alone.
    pub planned: Mask,
    /// What was stored when it completed, kept for the proof alone.
    pub stored: Mask,
    /// `processing_batch`.
    pub batches: [Option<Batch>; 2],
    /// `processing_output`, by target.
    pub outputs: [Option<Out>; TARGETS],
    /// `result`: the targets that it names as failed.
    pub result: Option<Mask>,
    /// `error ->> 'code'`.
    pub error: Option<Code>,
    /// `processing_start.attempts`.
    pub start_tries: u8,
    /// `original_process_id`.
    pub retry_of: Option<Id>,
}

impl Row {
    /// Accepted, and neither admitted nor started by somebody else.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.status == Status::Pending && !self.admitted && !self.has_arn
    }

    /// Model calls that it has of the capacity.
    #[must_use]
    pub fn calls(&self) -> u8 {
        if self.status.is_active() && !self.waits() { self.share } else { 0 }
    }

    /// A batch of the current plan, or of an older one.
    #[must_use]
    pub fn batch(&self, id: BatchId) -> Option<&Batch> {
        self.batches[usize::from(id.number)].as_ref().filter(|batch| batch.plan == id.plan)
    }

    /// The targets that are staged in one way or another.
    #[must_use]
    pub fn staged(&self) -> Mask {
        self.outputs
            .iter()
            .zip(0..)
            .filter(|(output, _)| output.is_some())
            .fold(0, |mask, (_, target)| mask | 1 << target)
    }
}
