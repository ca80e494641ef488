//! Statements about the batches of a process and what they stage.

use shared::process::Status;

use crate::{
    guard::{Guard, Guards},
    state::{Batch, BatchId, Fence, Out, Row},
};

use super::may_write;

/// `plan_batches` in `batch.rs`. Whether it was not fenced.
pub fn plan_batches(
    guards: Guards,
    row: &mut Row,
    attempt: u8,
    targets: u8,
    batches: [Option<Batch>; 2],
) -> bool {
    let may = may_write(guards, row, Fence { attempt, batch: None });
    if may {
        row.targets = targets;
        row.is_planned = true;
        row.progress = row.progress.max(5);
        row.share = batches.iter().flatten().map(|batch| batch.slots).sum();
        row.batches = batches;
        row.planned = row.batches.iter().flatten().fold(0, |mask, batch| mask | batch.targets);
    }
    may
}

/// What a worker learns when it begins a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchClaim {
    /// It writes by this; whether all targets of the process are settled.
    Claimed(Fence, bool),
    /// The process has ended.
    Ended,
    /// It is no longer planned.
    Overtaken,
}

/// `claim_batch` in `batch.rs`.
pub fn claim_batch(row: &mut Row, id: BatchId) -> BatchClaim {
    let is_current = row.status == Status::Processing && id.plan == row.attempt;
    let Some(batch) = row.batches[usize::from(id.number)]
        .as_mut()
        .filter(|batch| is_current && batch.plan == id.plan)
    else {
        let has_ended = row.status.is_terminal();
        return if has_ended { BatchClaim::Ended } else { BatchClaim::Overtaken };
    };
    let before = batch.slots;
    batch.attempt += 1;
    batch.slots = before.saturating_sub(batch.gives_back).max(batch.wants.min(1));
    batch.gives_back = 0;
    batch.rests = false;
    row.share = (row.share + batch.slots).saturating_sub(before);
    let fence = Fence { attempt: row.attempt, batch: Some((id, batch.attempt)) };
    BatchClaim::Claimed(fence, row.done >= row.targets)
}

fn current(guards: Guards, row: &mut Row, fence: Fence) -> Option<&mut Batch> {
    let (id, _) = fence.batch?;
    if !may_write(guards, row, fence) {
        return None;
    }
    row.batches[usize::from(id.number)].as_mut()
}

/// `close_batch` in `batch.rs`: gives back all that it has. Whether that was anything; `None`:
/// fenced.
pub fn close_batch(guards: Guards, row: &mut Row, fence: Fence) -> Option<bool> {
    let batch = current(guards, row, fence)?;
    let given_back = batch.slots;
    (batch.slots, batch.wants, batch.gives_back) = (0, 0, 0);
    row.share = row.share.saturating_sub(given_back);
    Some(given_back > 0)
}

/// `rest_batch` in `batch.rs`: it keeps one until it is tried again. Whether it gave any back;
/// `None`: fenced.
pub fn rest_batch(guards: Guards, row: &mut Row, fence: Fence, failed: bool) -> Option<bool> {
    let batch = current(guards, row, fence)?;
    let before = batch.slots;
    batch.slots = before.min(1);
    batch.gives_back = 0;
    batch.rests = true;
    batch.failed_tries += u8::from(failed);
    let given_back = before - batch.slots;
    row.share = row.share.saturating_sub(given_back);
    Some(given_back > 0)
}

/// What staging has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// Whether all targets of the process are settled, by the count.
    pub whole: bool,
    /// Calls that the batch may have in flight from now on.
    pub slots: Option<u8>,
    /// Whether calls were given back.
    pub gave_back: bool,
}

/// `stage.sql`. `open`: targets that are open in the batch after it, where a call of it has ended.
/// `None`: fenced.
pub fn stage(
    guards: Guards,
    row: &mut Row,
    fence: Fence,
    target: u8,
    out: Out,
    open: Option<u8>,
) -> Option<Staged> {
    if !may_write(guards, row, fence) {
        return None;
    }
    let (mut slots, mut given_back) = (None, 0);
    if let (Some(open), Some((id, _))) = (open, fence.batch)
        && let Some(batch) = row.batches[usize::from(id.number)].as_mut()
    {
        let before = batch.slots;
        let kept = (before - before.min(batch.gives_back.min(1))).max(before.min(1)).min(open);
        slots = Some(kept);
        given_back = before - kept;
        if kept < before || batch.gives_back > 0 || batch.wants > open {
            batch.slots = kept;
            batch.wants = batch.wants.min(open);
            batch.gives_back = batch.gives_back.min(kept).saturating_sub(1);
        }
    }
    let place = &mut row.outputs[usize::from(target)];
    let is_new = place.is_none();
    if is_new {
        *place = Some(out);
    }
    if is_new || !guards.has(Guard::StagedOnce) {
        row.done += 1;
        let percent = 5 + 94 * u16::from(row.done) / u16::from(row.targets.max(1));
        row.progress = row.progress.max(u8::try_from(percent).unwrap_or(99)).min(99);
    }
    row.share = row.share.saturating_sub(given_back);
    Some(Staged { whole: row.done >= row.targets, slots, gave_back: given_back > 0 })
}
