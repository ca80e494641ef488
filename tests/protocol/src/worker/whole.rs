//! The first step of the state machine: a process with one target as a whole (`single.rs`), or the
//! plan of one with several (`plan.rs`).

use shared::process::{ErrorCode, Status};

use super::{Choice, DONE, failed, failure, fault, fenced};
use crate::{
    guard::Guard,
    instance::Instance,
    state::{Answer, At, Batch, Fence, Id, Mask, Row, State, Target, members},
    store::{self, Completion},
    toy,
};

/// `single.rs`, up to the question: the target is looked at.
pub(super) fn begin_single(state: &State, row: &Row, attempt: u8) -> At {
    if row.wanted & state.present() == 0 {
        return failed(ErrorCode::TargetNotFound);
    }
    if row.wanted & state.occupied() != 0 {
        return failed(ErrorCode::TargetNotEmpty);
    }
    At::Asking(attempt)
}

/// `single.rs`, from the answer on.
pub(super) fn single(
    instance: &Instance,
    state: &mut State,
    id: Id,
    attempt: u8,
    choice: Choice,
) -> At {
    let fence = Fence { attempt, batch: None };
    let Some(row) = state.row(id) else { return DONE };
    match choice {
        Choice::Model(trouble, _) => {
            return At::Answer(Answer::Failed(fault(&failure(trouble))));
        }
        Choice::Watch => return fenced(row, fence),
        Choice::Fails => return failed(ErrorCode::DatabaseError),
        _ => {}
    }
    let parts = row.wanted;
    if !instance.guards.has(Guard::OneStatement) {
        for target in members(parts) {
            state.targets[usize::from(target)] = Target::WrittenBy(id);
        }
        return At::HalfDone(attempt);
    }
    let completion = store::complete(instance.guards, state, id, attempt, parts, 0);
    let Some(row) = state.row(id) else { return DONE };
    match completion {
        _ if choice == Choice::AnswerLost => failed(ErrorCode::DatabaseError),
        Completion::Completed => DONE,
        Completion::Fenced => fenced(row, fence),
        Completion::TargetNotFound => failed(ErrorCode::TargetNotFound),
        Completion::TargetNotEmpty => failed(ErrorCode::TargetNotEmpty),
    }
}

/// The second statement of a variant that needs two.
pub(super) fn half_done(instance: &Instance, state: &mut State, id: Id, attempt: u8) -> At {
    let fence = Fence { attempt, batch: None };
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return DONE };
    if !store::may_write(instance.guards, row, fence) {
        return fenced(row, fence);
    }
    row.status = Status::Completed;
    row.progress = 100;
    row.result = Some(0);
    row.stored = row.wanted;
    store::ended(instance.guards, row);
    DONE
}

/// `plan.rs`: which targets there are, and how many calls it gets.
pub(super) fn widen(instance: &Instance, state: &mut State, id: Id, attempt: u8) -> At {
    let Some(row) = state.row(id) else { return DONE };
    let roots = row.wanted & state.present();
    if roots == 0 {
        return failed(ErrorCode::TargetNotFound);
    }
    if roots & state.occupied() != 0 {
        return failed(ErrorCode::TargetNotEmpty);
    }
    let wanted = u8::try_from(roots.count_ones()).unwrap_or(1);
    let limits = (instance.calls, instance.calls);
    match store::widen(instance.guards, state, id, attempt, wanted, limits) {
        Some(share) => At::Widened(attempt, share, roots),
        None => state.row(id).map_or(DONE, |row| fenced(row, Fence { attempt, batch: None })),
    }
}

/// `plan.rs`: the batches. How many there are, and what each may have, is said by `batches_for` and
/// `grant` in `limits.rs`.
pub(super) fn plan(instance: &Instance, row: &mut Row, attempt: u8, share: u8, roots: Mask) -> At {
    let at_once = instance.calls_at_once;
    let planned = toy::batches_of(roots, share.div_ceil(at_once).clamp(1, 2));
    let count = u8::try_from(planned.len()).unwrap_or(1).max(1);
    let mut batches = [None; 2];
    let mut numbers = 0;
    for (number, targets) in (0..).zip(planned) {
        let wants = u8::try_from(targets.count_ones()).unwrap_or(1).min(at_once).max(1);
        let part = share / count + u8::from(number < share % count);
        numbers |= 1 << number;
        batches[usize::from(number)] = Some(Batch {
            plan: attempt,
            attempt: 0,
            targets,
            slots: part.clamp(1, wants),
            wants,
            gives_back: 0,
            rests: false,
            failed_tries: 0,
        });
    }
    let targets = u8::try_from(roots.count_ones()).unwrap_or(1);
    if store::plan_batches(instance.guards, row, attempt, targets, batches) {
        At::Answer(Answer::Planned(attempt, numbers))
    } else {
        fenced(row, Fence { attempt, batch: None })
    }
}
