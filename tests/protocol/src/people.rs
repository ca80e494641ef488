//! Clients and the functions that answer them: submitting, repeating, cancelling and retrying, and
//! what these do besides, one thing after the other.

use shared::process::{ErrorCode, Status};

use crate::{
    engine,
    guard::Guard,
    instance::Instance,
    judge::Broken,
    state::{At, Call, Code, Id, Job, Mask, Row, State, Stopped, Task},
    store,
};

/// The row of request `id`.
fn accepted(instance: &Instance, state: &State, id: Id) -> Row {
    let request = instance.requests[usize::from(id)];
    new_row(state, request.user, request.several, request.targets)
}

/// A row as it is stored: of `user`, for `wanted`.
fn new_row(state: &State, user: u8, several: bool, wanted: Mask) -> Row {
    Row {
        user,
        several,
        wanted,
        order: u8::try_from(state.all().count()).unwrap_or(u8::MAX),
        status: Status::Pending,
        attempt: 0,
        progress: 0,
        has_arn: false,
        admitted: false,
        started: false,
        share: 0,
        targets: 0,
        done: 0,
        is_planned: false,
        planned: 0,
        stored: 0,
        batches: Default::default(),
        outputs: Default::default(),
        result: None,
        error: None,
        start_tries: 0,
        retry_of: None,
    }
}

/// `use_case/submit.rs`: the row is stored, and only then is anything started or answered.
pub fn submit(instance: &Instance, state: &mut State, id: Id) {
    state.sent |= 1 << id;
    if instance.guards.has(Guard::CommittedFirst) {
        let row = accepted(instance, state, id);
        // `target_not_found`, `target_not_empty`: refused, and nothing stored.
        if row.wanted & state.present() == 0 || row.wanted & state.occupied() != 0 {
            return;
        }
        insert(instance, state, id, row);
    } else {
        state.tasks.push(Task::Store(id));
    }
    state.answered |= 1 << id;
}

/// `submit.sql` with `judge_admission`; then `begin` in `use_case/submit.rs`.
fn insert(instance: &Instance, state: &mut State, id: Id, mut row: Row) {
    let admitted = store::capacity_for_one(state, row.user, instance.calls, instance.calls);
    if admitted == Some(true) {
        row.admitted = true;
        row.share = 1;
    }
    state.rows[usize::from(id)] = Some(row);
    match admitted {
        Some(true) => state.tasks.push(Task::Start(id)),
        Some(false) => {}
        None => state.tasks.push(Task::Admit),
    }
}

/// Whether the client's repeat would find anything to do: `unstarted` in `submit.sql`.
#[must_use]
pub fn may_repeat(row: &Row) -> bool {
    row.status == Status::Pending && row.admitted && !row.has_arn
}

/// The same request with the same `Idempotency-Key`: the process that there is, and its start is
/// tried again.
pub fn repeat(instance: &Instance, state: &mut State, id: Id) {
    if !instance.guards.has(Guard::IdempotencyKey) {
        state.broken |= Broken::TwoForOneKey.bit();
    }
    state.tasks.push(Task::Start(id));
}

/// `cancel.rs`: the intent is stored; then the execution is stopped, and others are admitted.
pub fn cancel(instance: &Instance, state: &mut State, id: Id) {
    if store::cancel(instance.guards, state, id) {
        state.tasks.push(Task::StopCancelled(id));
    }
}

/// Where a retry of `id` would be stored.
fn place_of_retry(instance: &Instance, state: &State) -> Option<usize> {
    (instance.requests.len()..state.rows.len()).find(|place| state.rows[*place].is_none())
}

/// Whether a retry of `id` would be accepted: `retry_number` in the retry handler, and `retry` in
/// `submit.sql`.
#[must_use]
pub fn may_retry(instance: &Instance, state: &State, id: Id) -> bool {
    let Some(row) = state.row(id) else { return false };
    let ended_badly = match row.status {
        Status::Failed | Status::Timeout => {
            row.error.is_none_or(|Code(code): Code| ErrorCode::retryable(code))
        }
        Status::Completed => row.result.is_some_and(|failed| failed != 0),
        Status::Pending | Status::Processing | Status::Cancelled => false,
    };
    let retried = state
        .all()
        .any(|(_, other)| other.retry_of == Some(id) && other.status != Status::Cancelled);
    ended_badly
        && (!retried || !instance.guards.has(Guard::OneRetry))
        && place_of_retry(instance, state).is_some()
}

/// The retry handler: a new process for what is open.
pub fn retry(instance: &Instance, state: &mut State, id: Id) {
    let (Some(row), Some(place)) = (state.row(id), place_of_retry(instance, state)) else {
        return;
    };
    let wanted = match row.result {
        Some(failed) => failed,
        None => row.wanted,
    };
    // What has been filled or has gone meanwhile is left out.
    let open = wanted & state.present() & !state.occupied();
    if open == 0 {
        return;
    }
    let again = new_row(state, row.user, row.several, open);
    let fresh = Row { retry_of: Some(id), ..again };
    let Ok(place) = Id::try_from(place) else { return };
    insert(instance, state, place, fresh);
}

/// Does the next thing.
pub fn perform(instance: &Instance, state: &mut State, task: Task) {
    match task {
        Task::Store(id) => {
            let row = accepted(instance, state, id);
            insert(instance, state, id, row);
        }
        Task::Start(id) => {
            engine::start(instance, state, id);
            state.tasks.push(Task::Record(id));
        }
        Task::Record(id) => store::record_start(state, id),
        Task::StopCancelled(id) => {
            engine::stop(state, id, Stopped::Cancelled);
            state.tasks.push(Task::Admit);
        }
        Task::Admit if instance.guards.has(Guard::AdmissionLock) => {
            for id in store::admit(state, instance.calls, instance.calls) {
                state.tasks.push(Task::Start(id));
            }
        }
        Task::Admit => {
            // Without the lock, what was added up may be old when somebody is admitted by it.
            if let Some(next) = store::next_waiting(state, instance.calls)
                && store::in_use(state, None) < instance.calls
            {
                state.tasks.push(Task::AdmitSeen(next));
            }
        }
        Task::AdmitSeen(id) => {
            if state.row(id).is_some_and(Row::waits) {
                store::give(state, id);
                state.tasks.push(Task::Start(id));
            }
        }
        Task::Event(id, succeeded) => {
            let job = Job::Ended(succeeded);
            state.calls.push(Call { id, job, awaited: false, at: At::Queued });
        }
    }
}
