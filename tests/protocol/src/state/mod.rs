//! What there is at one moment: rows, executions, messages, workers, and the app's own tables.
//! Everything is small and can be hashed, because millions of these are kept.

mod call;
mod execution;
mod row;

use shared::process::{ErrorCode, engine_retry};

pub use self::{call::*, execution::*, row::*};

/// Which process: its row, and the name of its execution.
pub type Id = u8;
/// A set of targets, or of batches: bit n is the nth.
pub type Mask = u8;
/// Targets that there are in a world.
pub const TARGETS: usize = 3;

/// Users that there are in a world.
pub const USERS: usize = 3;

/// The members of `mask`.
pub fn members(mask: Mask) -> impl Iterator<Item = u8> {
    (0..8).filter(move |member| mask & (1 << member) != 0)
}

/// An error code with an order, so that messages can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub ErrorCode);

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0 as u8).cmp(&(other.0 as u8))
    }
}

/// An error as the engine sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// One of ours.
    Code(Code),
    /// A newer attempt has the work.
    Overtaken,
    /// `CONTENT_REFUSED`.
    ContentRefused,
    /// The engine does not know what became of the call.
    Unknown,
    /// The function died.
    Died,
    /// The task's time is over.
    Timeout,
}

impl Fault {
    /// The name by which the state machine chooses.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Code(Code(code)) => code.as_str(),
            Self::Overtaken => engine_retry::OVERTAKEN,
            Self::ContentRefused => engine_retry::CONTENT_REFUSED,
            Self::Unknown => "Lambda.Unknown",
            Self::Died => "Runtime.ExitError",
            Self::Timeout => "States.Timeout",
        }
    }
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Code(Code(code))
    }
}

/// What the app's tables hold where something is to be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The target is there, and empty.
    Empty,
    /// The app has filled it.
    Filled,
    /// This process has.
    WrittenBy(Id),
    /// It has gone.
    Gone,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// By process, once it is committed.
    pub rows: Vec<Option<Row>>,
    /// Requests that have been answered with 202.
    pub answered: Mask,
    /// Requests that have been sent.
    pub sent: Mask,
    /// By process.
    pub executions: Vec<Execution>,
    /// By user: in which place one of theirs was last admitted; 0: never.
    pub served: [u8; USERS],
    /// Sorted.
    pub calls: Vec<Call>,
    /// Sorted.
    pub tasks: Vec<Task>,
    /// By target.
    pub targets: [Target; TARGETS],
    /// Troubles that there may still be.
    pub budget: u8,
    /// Variant without [`crate::Guard::ShareInRow`]: calls that nobody gave back.
    pub leaked: u8,
    /// What has been broken on the way here: bits of `judge::Broken`.
    pub broken: u16,
}

impl State {
    /// The row of `id`.
    #[must_use]
    pub fn row(&self, id: Id) -> Option<&Row> {
        self.rows[usize::from(id)].as_ref()
    }

    /// The rows that there are.
    pub fn all(&self) -> impl Iterator<Item = (Id, &Row)> {
        (0..).zip(&self.rows).filter_map(|(id, row)| Some((id, row.as_ref()?)))
    }

    /// A process of `user` is admitted: they are last in the order of those who were served.
    pub fn serve(&mut self, user: u8) {
        let before = self.served[usize::from(user)];
        let last = self.served.iter().max().copied().unwrap_or(0);
        if before == 0 || before < last {
            for other in &mut self.served {
                *other -= u8::from(before != 0 && *other > before);
            }
            self.served[usize::from(user)] = self.served.iter().max().map_or(1, |last| last + 1);
        }
    }

    /// Messages and tasks are sets: their order means nothing.
    pub fn sort(&mut self) {
        self.calls.sort_unstable();
        self.tasks.sort_unstable();
    }

    /// The targets that are there.
    #[must_use]
    pub fn present(&self) -> Mask {
        self.mask(|target| target != Target::Gone)
    }

    /// The targets that hold something already.
    #[must_use]
    pub fn occupied(&self) -> Mask {
        self.mask(|target| matches!(target, Target::Filled | Target::WrittenBy(_)))
    }

    fn mask(&self, is_in: impl Fn(Target) -> bool) -> Mask {
        (0..).zip(self.targets).filter(|(_, target)| is_in(*target)).fold(0, |m, (n, _)| m | 1 << n)
    }
}
