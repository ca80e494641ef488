//! What no state shows, because it is about a step: how a process moves, and who wrote.

use shared::process::{Status, Transition};

use crate::{
    action::Action,
    state::{At, Call, Fence, Id, Row, State, Target},
    store,
};

/// What a step has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A process got a second execution.
    TwoExecutions,
    /// Two processes were accepted under one `Idempotency-Key`.
    TwoForOneKey,
    /// A status moved as [`Transition`] does not allow.
    Move,
    /// A terminal status moved.
    TerminalMoved,
    /// Progress fell while the process was active.
    ProgressFell,
    /// A worker wrote whose attempt was not the current one.
    OvertakenWrote,
    /// Something was written for a process that had been cancelled.
    CancelledWrote,
    /// The reconciler ended a process that was not as it had seen it.
    EndedUnseen,
    /// Something was written where the app had filled or deleted the target.
    AppOverruled,
}

impl Broken {
    /// Its bit.
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Whether the product's [`Transition`]s lead from one status to another.
#[must_use]
pub fn is_allowed(from: Status, to: Status) -> bool {
    Transition::ALL.iter().any(|transition| transition.from(from) == Ok(to))
}

/// Notes in `after` what `action` has broken.
pub fn judge(before: &State, action: &Action, after: &mut State) {
    let mut broken = 0;
    for (id, old) in before.all() {
        let Some(new) = after.row(id) else { continue };
        if old.status != new.status {
            if !is_allowed(old.status, new.status) {
                broken |= Broken::Move.bit();
            }
            if old.status.is_terminal() {
                broken |= Broken::TerminalMoved.bit();
            }
        }
        if new.status.is_active() && new.progress < old.progress {
            broken |= Broken::ProgressFell.bit();
        }
        let rows_came = has_new_rows(before, after, id);
        if old.status == Status::Cancelled && (rows_came || old.outputs != new.outputs) {
            broken |= Broken::CancelledWrote.bit();
        }
        if let Action::Step(Call { at: At::Doing(seen, ..), .. }, _) = action
            && old.status != new.status
            && (old.status, old.attempt) != (seen.status, seen.attempt)
        {
            broken |= Broken::EndedUnseen.bit();
        }
        if let Action::Step(call, _) = action
            && call.id == id
            && let Some(fence) = fence(call)
            && (rows_came || has_written(old, new))
            && store::standing(old, fence) != store::Standing::Current
        {
            broken |= Broken::OvertakenWrote.bit();
        }
    }
    let overruled = before.targets.iter().zip(&after.targets).any(|(old, new)| {
        matches!(new, Target::WrittenBy(_)) && old != new && *old != Target::Empty
    });
    if overruled {
        broken |= Broken::AppOverruled.bit();
    }
    after.broken |= broken;
}

fn has_new_rows(before: &State, after: &State, id: Id) -> bool {
    before
        .targets
        .iter()
        .zip(&after.targets)
        .any(|(old, new)| old != new && *new == Target::WrittenBy(id))
}

/// Whether a row shows a worker's writing. That the process is ended by an error is none.
fn has_written(old: &Row, new: &Row) -> bool {
    let is_ended = old.status != new.status && new.status != Status::Completed;
    !is_ended
        && (old.progress != new.progress
            || old.done != new.done
            || old.outputs != new.outputs
            || old.batches != new.batches
            || old.share != new.share
            || old.status != new.status)
}

/// By what a call writes in its next step.
fn fence(call: &Call) -> Option<Fence> {
    let of = |attempt| Some(Fence { attempt, batch: None });
    match call.at {
        At::Claimed(attempt)
        | At::Asking(attempt)
        | At::HalfDone(attempt)
        | At::Widened(attempt, ..)
        | At::Applying { attempt, .. } => of(attempt),
        At::Writing(writing) => Some(writing.fence),
        _ => None,
    }
}
