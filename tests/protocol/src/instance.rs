//! How large a world is explored: who asks for what, and how much may go wrong.

use shared::{process::ErrorCode, reconcile::Limits};

use crate::{
    guard::{Guard, Guards},
    state::Mask,
};

/// A process that somebody will ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whose.
    pub user: u8,
    /// For which targets.
    pub targets: Mask,
    /// Whether it is of a type that may have several, so that it is planned and staged.
    pub several: bool,
}

/// Something outside of the protocol's will that may happen, each at a cost of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Trouble {
    /// A message is delivered twice.
    Duplicate,
    /// Whoever works dies, at any step.
    Crash,
    /// The engine does not get the answer, and the work goes on unseen.
    LostAnswer,
    /// The task's time limit passes, and the work goes on unseen.
    TaskTimeout,
    /// The machine's time limit passes.
    MachineTimeout,
    /// A statement fails.
    Database,
    /// A statement is committed, and its answer is lost.
    DatabaseAnswer,
    /// The models refuse a call for their quota.
    Throttled,
    /// The models fail.
    ModelFails,
    /// A model's answer breaks the rules.
    Invalid,
    /// Every model refuses what it is asked.
    Refused,
    /// The worker's time is over.
    Late,
    /// The user cancels.
    Cancel,
    /// The user, or the client, sends a request again.
    Repeat,
    /// The user retries.
    Retry,
    /// The app deletes a target.
    Delete,
    /// The app fills a target.
    Fill,
    /// An operator stops an execution.
    Stop,
    /// The sweep comes by, soon after everything.
    YoungSweep,
    /// Step Functions does not find yet what it has started.
    Lag,
    /// The sweep comes by when every grace is over.
    Sweep,
    /// The sweep comes by when the process's time is over.
    OverdueSweep,
}

impl Trouble {
    /// Those after which a process completes all the same, if the engine tries often enough.
    pub const HARMLESS: [Self; 11] = [
        Self::Duplicate,
        Self::Crash,
        Self::LostAnswer,
        Self::Database,
        Self::DatabaseAnswer,
        Self::Throttled,
        Self::ModelFails,
        Self::Repeat,
        Self::YoungSweep,
        Self::Lag,
        Self::Sweep,
    ];
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Duplicate,
        Self::Crash,
        Self::LostAnswer,
        Self::TaskTimeout,
        Self::MachineTimeout,
        Self::Database,
        Self::DatabaseAnswer,
        Self::Throttled,
        Self::ModelFails,
        Self::Invalid,
        Self::Refused,
        Self::Late,
        Self::Cancel,
        Self::Repeat,
        Self::Retry,
        Self::Delete,
        Self::Fill,
        Self::Stop,
        Self::YoungSweep,
        Self::Lag,
        Self::Sweep,
        Self::OverdueSweep,
    ];
}

/// A world.
#[derive(Debug, Clone)]
pub struct Instance {
    /// What is asked for, in any order.
    pub requests: Vec<Request>,
    /// Rows for retries.
    pub retries: usize,
    /// Model calls in flight of all, and of one user.
    pub calls: u8,
    /// Calls of one batch (`MODEL_CALLS_AT_ONCE`).
    pub calls_at_once: u8,
    /// Retries that the engine makes of a task before it gives up, where the product has a count;
    /// what is waited for while there is time has none.
    pub engine_retries: u8,
    /// Troubles that there may be, of whatever kind.
    pub budget: u8,
    /// The kinds.
    pub troubles: Vec<Trouble>,
    /// Whether the troubles are such that every process must complete all the same.
    pub is_harmless: bool,
    /// What holds.
    pub guards: Guards,
}

impl Instance {
    /// The process with one target of one user.
    pub const ONE: Request = Request { user: 0, targets: 0b001, several: false };
    /// The process with two targets of another.
    pub const TWO: Request = Request { user: 1, targets: 0b110, several: true };

    /// Three users, of each a process with one target.
    pub const THREE: [Request; 3] = [
        Self::ONE,
        Request { user: 1, targets: 0b010, several: false },
        Request { user: 2, targets: 0b100, several: false },
    ];

    /// A world in which `requests` are made and up to `budget` troubles of every kind happen.
    #[must_use]
    pub fn new(requests: &[Request], calls: u8, budget: u8) -> Self {
        Self {
            requests: requests.to_vec(),
            retries: 0,
            calls,
            calls_at_once: 1,
            engine_retries: 1,
            budget,
            troubles: Trouble::ALL.to_vec(),
            is_harmless: false,
            guards: Guards::ALL,
        }
    }

    /// The same with room for so many retries.
    #[must_use]
    pub const fn with_retries(mut self, retries: usize) -> Self {
        self.retries = retries;
        self
    }

    /// The same where a batch may make so many calls at a time.
    #[must_use]
    pub const fn with_calls_at_once(mut self, calls: u8) -> Self {
        self.calls_at_once = calls;
        self
    }

    /// The same with `troubles` only.
    #[must_use]
    pub fn only(mut self, troubles: &[Trouble]) -> Self {
        self.troubles = troubles.to_vec();
        self
    }

    /// The same with troubles only that must not keep a process from completing: messages that come
    /// twice or late, answers that get lost, workers that die, a database and models that fail in
    /// passing, as often as the engine tries again. (A target whose answers break the rules twice
    /// is given up, as the product means it, so that wrong answers are not among them.)
    #[must_use]
    pub fn harmless(mut self) -> Self {
        self.troubles = Trouble::HARMLESS.to_vec();
        // A call of which the engine lost sight costs two: one for itself, and one for whom it
        // overtakes when it comes late.
        self.engine_retries = 2 * self.budget;
        self.is_harmless = true;
        self
    }

    /// The same without `off`.
    #[must_use]
    pub fn without(mut self, off: &[Guard]) -> Self {
        self.guards = Guards::without(off);
        self
    }

    /// The product's limits. Tries of a start are fewer, or they would not fit into the budget.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let mut limits = Limits { start_tries: 2, ..Limits::default() };
        if !self.guards.has(Guard::VisibilityGrace) {
            limits.visibility = chrono::TimeDelta::zero();
        }
        limits
    }

    /// Whether an error means that there was no capacity.
    #[must_use]
    pub const fn is_want_of_capacity(code: ErrorCode) -> bool {
        matches!(code, ErrorCode::AiThrottling | ErrorCode::RateLimitExceeded)
    }
}
