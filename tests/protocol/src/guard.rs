//! What the protocol is held together by. Each guard can be switched off, and then the checker has
//! to find what goes wrong without it: else the model could not fail.

/// One guard. Its statement or function in the product is named with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// `attempt = $2` in what a worker writes: `stage.sql`, `batch.rs`,
    /// `complete.sql`.
    AttemptFence,
    /// `batch.attempt = $4` in what a worker of a batch writes: `stage.sql`, `batch.rs`.
    BatchFence,
    /// `status = 'PROCESSING'` in what a worker writes.
    StatusFence,
    /// `status = $2 AND attempt = $3` when the reconciler ends what it has seen: `repairs.rs`,
    /// `end_seen`.
    CompareAndSet,
    /// There too: whether everything is there is still as it was seen.
    ReadyCompared,
    /// `status IN ('PENDING', 'PROCESSING')` when a process is cancelled or ended: `cancel.rs`,
    /// `end.rs`, `end_seen`.
    ActiveOnly,
    /// The same when it is claimed: `claim.rs`.
    ClaimActiveOnly,
    /// `batch_ids IS NULL` when it is claimed: who comes again gets the plan that there is.
    PlanKept,
    /// `ON CONFLICT DO NOTHING` on `processing_output`, and what was not staged is not counted:
    /// `stage.sql`.
    StagedOnce,
    /// `ask_and_stage` in `worker/src/batch.rs`: a target is open in its batch until it is known to
    /// be staged.
    OpenUntilStaged,
    /// `open_in_plan` in `use_case/finish.rs`: whole by plan.
    PlanDecides,
    /// `StagingProgress::is_whole`: the count says when it is worth while to look. It only saves
    /// work, so that nothing breaks without it.
    CountSaysWhen,
    /// The `DELETE`, `INSERT` and `UPDATE` of `complete.sql` are one statement.
    OneStatement,
    /// `gone` in `complete.sql`: a target is looked at again when what was written for it is
    /// stored.
    TargetsLookedAtAgain,
    /// The execution's name is the process's id: `aws/workflow.rs`, `start`.
    NamedExecution,
    /// The row is committed before anybody is answered: `use_case/submit.rs`.
    CommittedFirst,
    /// R1: the sweep starts what was admitted and never started.
    StartRepaired,
    /// R15: the sweep admits what waits.
    WaitingRepaired,
    /// `capacity_lock` around adding up and admitting: `admit` in migration 12.
    AdmissionLock,
    /// What is in flight is added up over the active rows (`capacity_in_use` in migration 12), so
    /// that whatever ends a process gives its calls back.
    ShareInRow,
    /// The trigger `processing_state_ended` of migration 9.
    StagedGoesWithTheEnd,
    /// `engine_retry::MODEL_BUSY` waits while there is time.
    ThrottlingWaits,
    /// `Limits::visibility`: Step Functions may not know yet what it has just started.
    VisibilityGrace,
    /// The unique index `processing_state_one_retry`.
    OneRetry,
    /// The unique index on user and `Idempotency-Key`.
    IdempotencyKey,
}

impl Guard {
    /// Every guard.
    pub const ALL: [Self; 25] = [
        Self::AttemptFence,
        Self::BatchFence,
        Self::StatusFence,
        Self::CompareAndSet,
        Self::ReadyCompared,
        Self::ActiveOnly,
        Self::ClaimActiveOnly,
        Self::PlanKept,
        Self::StagedOnce,
        Self::OpenUntilStaged,
        Self::PlanDecides,
        Self::CountSaysWhen,
        Self::OneStatement,
        Self::TargetsLookedAtAgain,
        Self::NamedExecution,
        Self::CommittedFirst,
        Self::StartRepaired,
        Self::WaitingRepaired,
        Self::AdmissionLock,
        Self::ShareInRow,
        Self::StagedGoesWithTheEnd,
        Self::ThrottlingWaits,
        Self::VisibilityGrace,
        Self::OneRetry,
        Self::IdempotencyKey,
    ];
}

/// The guards that hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guards(u32);

impl Guards {
    /// All of them, as in the product.
    pub const ALL: Self = Self(u32::MAX);

    /// All but `off`.
    #[must_use]
    pub fn without(off: &[Guard]) -> Self {
        Self(off.iter().fold(u32::MAX, |held, guard| held & !(1 << *guard as u32)))
    }

    /// Whether `guard` holds.
    #[must_use]
    pub const fn has(self, guard: Guard) -> bool {
        self.0 & (1 << guard as u32) != 0
    }
}
