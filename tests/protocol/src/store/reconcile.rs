//! The reconciler's statements.

use shared::process::Status;

use crate::{
    guard::{Guard, Guards},
    state::{Code, Id, Row, Seen, State},
};

use super::ended;

/// `by_ids.sql`, and the pages: what the reconciler reads of a row.
#[must_use]
pub fn seen(row: &Row) -> Seen {
    let counted = row.status == Status::Processing && row.targets > 0 && row.done >= row.targets;
    Seen {
        status: row.status,
        attempt: row.attempt,
        has_arn: row.has_arn,
        admitted: row.admitted,
        started: row.started,
        ready: row.result.is_some() || counted,
        start_tries: row.start_tries,
    }
}

/// `end_seen` in `repairs.rs`. Whether it was done; else the row has moved.
pub fn end_seen(
    guards: Guards,
    row: &mut Row,
    seen: Seen,
    status: Status,
    code: Option<Code>,
) -> bool {
    let is_as_seen = row.status == seen.status && row.attempt == seen.attempt;
    let is_as_ready = self::seen(row).ready == seen.ready || !guards.has(Guard::ReadyCompared);
    let may = is_as_ready
        && (is_as_seen || !guards.has(Guard::CompareAndSet))
        && (row.status.is_active() || !guards.has(Guard::ActiveOnly));
    if may {
        row.status = status;
        row.error = code;
        ended(guards, row);
    }
    may
}

/// `note_start_try` in `executions.rs`. Whether it still waits for its start.
pub fn note_start_try(row: &mut Row) -> bool {
    let waits = row.status == Status::Pending && !row.has_arn;
    if waits {
        row.start_tries = (row.start_tries + 1).min(3);
    }
    waits
}

/// `note_started` in `executions.rs`.
pub fn note_started(state: &mut State, id: Id) {
    if let Some(row) = state.rows[usize::from(id)].as_mut() {
        row.has_arn = true;
    }
}

/// `start.rs`.
pub fn record_start(state: &mut State, id: Id) {
    note_started(state, id);
}
