//! What Step Functions holds.

use shared::process::Status;

use super::Fault;

/// Why an execution was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stopped {
    /// By hand.
    ByHand,
    /// Its process was cancelled.
    Cancelled,
    /// Its time was over.
    ForTime,
    /// Its process had ended so.
    Ended(Status),
}

/// Where one iteration of the Map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Branch {
    /// There is none.
    None,
    /// In the task Batch, after so many retries.
    Batch(u8),
    /// In the task `GiveUp`, for that error, after so many retries.
    GiveUp(Fault, u8),
    /// Done.
    Done,
}

/// An execution of the state machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Execution {
    /// There is none.
    Missing,
    /// In the task Generate, after so many retries.
    Generate(u8),
    /// In the Map, over the batches that this attempt planned.
    Map(u8, [Branch; 2]),
    /// In the task Settle, for that error, after so many retries.
    Settle(Fault, u8),
    /// SUCCEEDED.
    Succeeded,
    /// FAILED.
    Failed(Fault),
    /// `TIMED_OUT`.
    TimedOut,
    /// ABORTED.
    Aborted(Stopped),
}

impl Execution {
    /// Whether it is RUNNING.
    #[must_use]
    pub const fn runs(self) -> bool {
        matches!(self, Self::Generate(_) | Self::Map(..) | Self::Settle(..))
    }
}
