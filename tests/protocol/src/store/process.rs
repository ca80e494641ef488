//! Statements about one process.

use shared::process::{ErrorCode, Status};

use crate::{
    guard::{Guard, Guards},
    state::{Code, Fence, Id, Mask, Row, State, Target, members},
};

use super::{ended, may_write};

/// What a worker learns when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// This attempt is the current one.
    Claimed(u8),
    /// The current attempt, that one, has planned these batches.
    Planned(u8, Mask),
    /// It has ended.
    Ended,
}

/// `claim.rs`.
pub fn claim(guards: Guards, row: &mut Row) -> Claim {
    let is_active = row.status.is_active() || !guards.has(Guard::ClaimActiveOnly);
    if is_active && (!row.is_planned || !guards.has(Guard::PlanKept)) {
        row.status = Status::Processing;
        row.attempt += 1;
        row.started = true;
        row.has_arn = true;
        row.admitted = true;
        row.share = row.share.max(1);
        if row.wanted.is_power_of_two() {
            // One call is all there is to make.
            row.progress = row.progress.clamp(50, 99);
        }
        return Claim::Claimed(row.attempt);
    }
    if row.is_planned && row.status.is_active() {
        let planned = (0..2).filter(|n| row.batches[usize::from(*n)].is_some());
        return Claim::Planned(row.attempt, planned.fold(0, |mask, number: u8| mask | 1 << number));
    }
    Claim::Ended
}

/// `standing.rs`: how the process stands for a worker.
#[must_use]
pub fn standing(row: &Row, fence: Fence) -> Standing {
    let own_batch = fence
        .batch
        .is_none_or(|(id, attempt)| row.batch(id).is_some_and(|batch| batch.attempt == attempt));
    match row.status {
        Status::Processing if row.attempt == fence.attempt && own_batch => Standing::Current,
        status if status.is_terminal() => Standing::Ended,
        _ => Standing::Overtaken,
    }
}

/// The same as the product's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is this worker's.
    Current,
    /// It has ended.
    Ended,
    /// A newer attempt has it.
    Overtaken,
}

/// What became of a wish to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// COMPLETED.
    Completed,
    /// Fenced.
    Fenced,
    /// A target has gone.
    TargetNotFound,
    /// A target has been filled.
    TargetNotEmpty,
}

/// `complete.sql`: stores `parts`, names `failed`, and completes.
pub fn complete(
    guards: Guards,
    state: &mut State,
    id: Id,
    attempt: u8,
    parts: Mask,
    failed: Mask,
) -> Completion {
    let (gone, filled) = (parts & !state.present(), parts & state.occupied());
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return Completion::Fenced };
    if !may_write(guards, row, Fence { attempt, batch: None }) {
        return Completion::Fenced;
    }
    if guards.has(Guard::TargetsLookedAtAgain) {
        if gone != 0 {
            return Completion::TargetNotFound;
        }
        if filled != 0 {
            return Completion::TargetNotEmpty;
        }
    }
    row.status = Status::Completed;
    row.progress = 100;
    row.result = Some(failed);
    row.stored = parts;
    row.error = None;
    ended(guards, row);
    for target in members(parts) {
        state.targets[usize::from(target)] = Target::WrittenBy(id);
    }
    Completion::Completed
}

/// `end.rs`: ends an active process with `code`.
pub fn end(guards: Guards, row: &mut Row, code: ErrorCode) {
    if row.status.is_active() || !guards.has(Guard::ActiveOnly) {
        row.status = if code.is_time_limit() { Status::Timeout } else { Status::Failed };
        row.error = Some(Code(code));
        ended(guards, row);
    }
}

/// `cancel.rs`. Whether this wish cancelled it.
pub fn cancel(guards: Guards, state: &mut State, id: Id) -> bool {
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return false };
    let may = row.status.is_active() || !guards.has(Guard::ActiveOnly);
    if may {
        if !guards.has(Guard::ShareInRow) {
            state.leaked += row.calls();
        }
        row.status = Status::Cancelled;
        ended(guards, row);
    }
    may
}
