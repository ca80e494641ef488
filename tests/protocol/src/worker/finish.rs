//! Finishing a process with several targets: `use_case/finish.rs`, which the reconciler does too.

use shared::process::{ErrorCode, Status};

use super::{DONE, MOST_LOOKS, failed, fenced};
use crate::{
    guard::Guard,
    instance::Instance,
    state::{At, By, Code, Id, Mask, Out, Row, State, Todo, members},
    store::{self, Completion, Standing},
    toy,
};

/// `use_case/finish.rs`, its look: whether all that was planned is there.
pub(super) fn finish(instance: &Instance, state: &State, id: Id, by: By, looks: u8) -> At {
    let Some(row) = state.row(id) else { return DONE };
    if row.status != Status::Processing {
        return DONE;
    }
    let current = row.batches.iter().flatten().filter(|batch| batch.plan == row.attempt);
    let mut planned = current.fold(0, |mask, batch| mask | batch.targets);
    if instance.guards.has(Guard::PlanDecides) {
        if planned == 0 || toy::open(planned, row) != 0 {
            return not_yet(row, by);
        }
    } else {
        planned = row.staged();
    }
    let is_written = |target: &u8| row.outputs[usize::from(*target)] == Some(Out::Written);
    let written = members(planned).filter(is_written).fold(0, |mask, target| mask | 1 << target);
    let parts = written & state.present() & !state.occupied();
    let error = members(planned & !parts)
        .find_map(|target| match row.outputs[usize::from(target)] {
            Some(Out::GivenUp(code)) => Some(code),
            _ => None,
        })
        .unwrap_or(Code(ErrorCode::TargetNotFound));
    At::Applying { by, looks, attempt: row.attempt, parts, failed: planned & !parts, error }
}

/// Not everything is there.
fn not_yet(row: &Row, by: By) -> At {
    match by {
        // R4: what is missing of the plan will not come any more.
        By::Reconciler(seen) => {
            let missing = Some(Code(ErrorCode::ResultMissing));
            At::Doing(seen, Todo::End(Status::Failed, missing), MOST_LOOKS)
        }
        By::Worker(fence) => match store::standing(row, fence) {
            // Other batches are still at it.
            Standing::Current => DONE,
            _ => fenced(row, fence),
        },
    }
}

#[derive(Clone, Copy)]
pub(super) struct Applying {
    pub(super) by: By,
    pub(super) looks: u8,
    pub(super) attempt: u8,
    pub(super) parts: Mask,
    pub(super) failed: Mask,
    pub(super) error: Code,
}

/// `use_case/finish.rs`, what it does.
pub(super) fn apply(instance: &Instance, state: &mut State, id: Id, applying: Applying) -> At {
    let Applying { by, looks, attempt, parts, failed: others, error } = applying;
    if parts == 0 {
        if let Some(row) = state.rows[usize::from(id)].as_mut() {
            store::end(instance.guards, row, error.0);
        }
        return DONE;
    }
    match store::complete(instance.guards, state, id, attempt, parts, others) {
        Completion::Completed => DONE,
        _ if looks + 1 == MOST_LOOKS => failed(ErrorCode::DatabaseError),
        Completion::Fenced | Completion::TargetNotFound | Completion::TargetNotEmpty => {
            At::Finish(by, looks + 1)
        }
    }
}
