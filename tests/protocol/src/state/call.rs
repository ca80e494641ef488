//! What is on its way, and what whoever works knows.

use shared::process::Status;

use super::{BatchId, Code, Fault, Id, Mask, Out};

/// How long ago everything happened when the sweep comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Age {
    /// A moment: no grace is over.
    Young,
    /// Long enough that every grace is over.
    Old,
    /// So long that the process's own time is over.
    Overdue,
}

/// What a function is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    /// The worker: the process, or its plan.
    Generate,
    /// The worker: a batch.
    Batch(BatchId),
    /// The worker: giving the rest of a batch up for this error.
    GiveUp(BatchId, Fault),
    /// The reconciler, from the state machine's Catch.
    Settle(Fault),
    /// The reconciler, for the event that an execution ended; whether it succeeded.
    Ended(bool),
    /// The reconciler: the sweep's look at one process.
    Sweep(Age),
}

/// What a worker writes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fence {
    /// The attempt at the process.
    pub attempt: u8,
    /// The batch, and the attempt at it.
    pub batch: Option<(BatchId, u8)>,
}

/// A model's answer, on its way to be staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sent {
    /// For which target.
    pub target: u8,
    /// What.
    pub out: Out,
    /// What the worker takes to be open in its batch after it.
    pub open: u8,
}

/// A worker at a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Writing {
    /// What it writes by.
    pub fence: Fence,
    /// Targets that have gone and are to be settled.
    pub gone: Mask,
    /// Targets that are to be asked for, or are being.
    pub open: Mask,
    /// Answers that wait for the one connection, in their order.
    pub sent: [Option<Sent>; 2],
    /// Targets that it takes to be open.
    pub counted: u8,
    /// For what the batch is tried again.
    pub failed: Option<Fault>,
    /// Whether all targets of the process are settled, as far as it knows.
    pub whole: bool,
    /// Whether it has given all its calls back.
    pub closed: bool,
}

/// What the reconciler has read of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "a row: each field is a column of its own")]
pub struct Seen {
    /// `status`.
    pub status: Status,
    /// `attempt`.
    pub attempt: u8,
    /// `execution_arn IS NOT NULL`.
    pub has_arn: bool,
    /// `admitted_at IS NOT NULL`.
    pub admitted: bool,
    /// `started_at IS NOT NULL`.
    pub started: bool,
    /// Whether everything is there, by result or count.
    pub ready: bool,
    /// Starts that were tried.
    pub start_tries: u8,
}

/// Who finishes a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum By {
    /// The worker that has staged the last target.
    Worker(Fence),
    /// The reconciler, which has seen the row so.
    Reconciler(Seen),
}

/// What the reconciler is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Todo {
    /// Note a try to start.
    NoteTry,
    /// Start.
    Start,
    /// Note that it was started.
    NoteStarted,
    /// Complete with what is staged or stored.
    Complete,
    /// End so.
    End(Status, Option<Code>),
    /// Stop for time, then look again.
    StopForTime,
    /// Stop what runs on after its process.
    Stop,
}

/// How far a call has come: its program counter and what it knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// On its way, for as long as you like.
    Queued,
    /// The worker has claimed the process.
    Claimed(u8),
    /// It asks a model for its one target.
    Asking(u8),
    /// Variant without [`crate::Guard::OneStatement`]: the rows are there, the status is not.
    HalfDone(u8),
    /// It has so many calls, and plans for these targets.
    Widened(u8, u8, Mask),
    /// It has claimed a batch; whether all targets of the process are settled.
    BatchClaimed(Fence, bool),
    /// It writes a batch.
    Writing(Writing),
    /// It looks whether all is there; for the how manieth time.
    Finish(By, u8),
    /// It applies these parts by that attempt, and names the others as failed.
    Applying {
        /// By whom.
        by: By,
        /// How often it has looked.
        looks: u8,
        /// The attempt at the process.
        attempt: u8,
        /// What is stored.
        parts: Mask,
        /// What is named as failed.
        failed: Mask,
        /// The first failure.
        error: Code,
    },
    /// The reconciler has read the row; for the how manieth time.
    Looked(Seen, u8),
    /// It is about to do that.
    Doing(Seen, Todo, u8),
    /// The row moved: it looks again.
    Again(u8),
    /// It answers.
    Answer(Answer),
}

/// What a call answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// There is nothing more to do.
    Done,
    /// These batches of that attempt are to be written.
    Planned(u8, Mask),
    /// It failed.
    Failed(Fault),
}

/// A call of a function that is on its way, runs, or is being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Call {
    /// About which process.
    pub id: Id,
    /// What for.
    pub job: Job,
    /// Whether the engine waits for its answer.
    pub awaited: bool,
    /// How far it is.
    pub at: At,
}

/// What somebody is about to do besides, one thing after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Task {
    /// Variant without [`crate::Guard::CommittedFirst`]: store what has been answered.
    Store(Id),
    /// Start an execution, then note it.
    Start(Id),
    /// Note that it has been started.
    Record(Id),
    /// Stop the execution of a cancelled process, then admit.
    StopCancelled(Id),
    /// Admit whoever is next.
    Admit,
    /// Variant without [`crate::Guard::AdmissionLock`]: admit who was next at the look.
    AdmitSeen(Id),
    /// Deliver the event that an execution ended; whether it succeeded. It may get lost.
    Event(Id, bool),
}
