//! The database in memory: one function a statement, with the same name and the same guards. A
//! statement is one step, because Postgres makes it one: each of them locks the row of the process
//! first, and looks at it anew once it has the lock.

mod admission;
mod batch;
mod process;
mod reconcile;

pub use self::{
    admission::{admit, capacity_for_one, give, in_use, next_waiting, widen},
    batch::{BatchClaim, claim_batch, close_batch, plan_batches, rest_batch, stage},
    process::{Claim, Completion, Standing, cancel, claim, complete, end, standing},
    reconcile::{end_seen, note_start_try, note_started, record_start, seen},
};

use crate::{
    guard::{Guard, Guards},
    state::{Fence, Row},
};
use shared::process::Status;

/// `WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'`, and of a batch
/// `batch.id = $3 AND batch.attempt = $4`.
#[must_use]
pub fn may_write(guards: Guards, row: &Row, fence: Fence) -> bool {
    (row.status == Status::Processing || !guards.has(Guard::StatusFence))
        && (row.attempt == fence.attempt || !guards.has(Guard::AttemptFence))
        && fence.batch.is_none_or(|(id, attempt)| {
            row.batch(id)
                .is_some_and(|batch| batch.attempt == attempt || !guards.has(Guard::BatchFence))
        })
}

/// What the trigger `processing_state_ended` does, and what nobody reads any more.
pub(crate) fn ended(guards: Guards, row: &mut Row) {
    if guards.has(Guard::StagedGoesWithTheEnd) {
        row.outputs = Default::default();
        row.batches = Default::default();
    }
    row.is_planned = false;
    row.share = 0;
}
