//! The protocol without one of its guards, and what goes wrong then.

use crate::{
    guard::Guard,
    instance::Instance,
    model::{
        APP, AT_ONCE, CANCELLED, CAPACITY, COMPLETES, COUNTED, ENDS, FENCED, FINAL, FREE,
        IN_FLIGHT, NO_DRIFT, NOT_MISSED, NOTHING_STAGED, ONE_EXECUTION, ONE_FOR_A_KEY, ONE_RETRY,
        SEEN, STORED, WAITED, WHOLE,
    },
};

/// A broken protocol.
#[derive(Debug, Clone)]
pub struct Variant {
    /// What is switched off.
    pub off: &'static [Guard],
    /// A property that it breaks.
    pub breaks: &'static str,
    /// Where that is found.
    pub world: Instance,
}

fn one(budget: u8) -> Instance {
    Instance::new(&[Instance::ONE], 1, budget)
}

fn two(calls: u8, budget: u8) -> Instance {
    Instance::new(&[Instance::TWO], calls, budget)
}

fn both(budget: u8) -> Instance {
    Instance::new(&[Instance::ONE, Instance::TWO], 1, budget)
}

fn three(budget: u8) -> Instance {
    Instance::new(&Instance::THREE, 1, budget)
}

/// Every guard, switched off alone. Those that are missing here stand in [`second_lines`].
#[must_use]
pub fn variants() -> Vec<Variant> {
    let variant = |off: &'static [Guard], breaks, world| Variant { off, breaks, world };
    vec![
        variant(&[Guard::AttemptFence], FENCED, one(1)),
        variant(&[Guard::BatchFence], FENCED, two(1, 1)),
        variant(&[Guard::StatusFence], CANCELLED, one(1)),
        variant(&[Guard::CompareAndSet], SEEN, one(3)),
        variant(&[Guard::ReadyCompared], COMPLETES, two(1, 2).harmless()),
        variant(&[Guard::ActiveOnly], FINAL, one(1)),
        variant(&[Guard::ClaimActiveOnly], FINAL, one(1)),
        variant(&[Guard::PlanKept], COMPLETES, two(2, 2).harmless()),
        variant(&[Guard::OpenUntilStaged], IN_FLIGHT, two(2, 1).with_calls_at_once(2)),
        variant(&[Guard::OneStatement], AT_ONCE, one(1)),
        variant(&[Guard::TargetsLookedAtAgain], APP, one(1)),
        variant(&[Guard::NamedExecution], ONE_EXECUTION, one(1)),
        variant(&[Guard::CommittedFirst], STORED, one(0)),
        variant(&[Guard::StartRepaired], ENDS, one(1)),
        variant(&[Guard::WaitingRepaired], NO_DRIFT, both(1)),
        variant(&[Guard::AdmissionLock], CAPACITY, three(1)),
        variant(&[Guard::ShareInRow], FREE, one(1)),
        variant(&[Guard::StagedGoesWithTheEnd], NOTHING_STAGED, two(1, 1)),
        variant(&[Guard::ThrottlingWaits], WAITED, one(2)),
        variant(&[Guard::VisibilityGrace], NOT_MISSED, one(2)),
        variant(&[Guard::OneRetry], ONE_RETRY, one(3).with_retries(2)),
        variant(&[Guard::IdempotencyKey], ONE_FOR_A_KEY, one(1)),
    ]
}

/// Guards that break nothing alone, because another stands before them: without both, this breaks.
#[must_use]
pub fn second_lines() -> Vec<Variant> {
    let variant = |off: &'static [Guard], breaks, world| Variant { off, breaks, world };
    vec![
        variant(&[Guard::PlanDecides, Guard::CountSaysWhen], WHOLE, two(2, 0)),
        variant(&[Guard::StagedOnce, Guard::BatchFence], COUNTED, two(1, 1)),
    ]
}
