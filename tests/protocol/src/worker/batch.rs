//! An attempt at a batch: `functions/worker/src/batch.rs`.

use shared::process::{
    ErrorCode, Failure,
    ending::of_execution_error,
    engine_retry::{ends_process, gives_up, is_failed_try, worst},
};

use super::{Choice, DONE, failed, failure, failure_of, fault, fenced};
use crate::{
    guard::{Guard, Guards},
    instance::{Instance, Trouble},
    state::{
        Answer, At, By, Code, Fault, Fence, Id, Job, Mask, Out, Row, Sent, State, Task, Writing,
        members,
    },
    store, toy,
};

/// `open` in `batch.rs`: what is left of the batch, and what of it has gone from the tables.
pub(super) fn look(state: &State, id: Id, fence: Fence, whole: bool, job: Job) -> At {
    let Some(row) = state.row(id) else { return DONE };
    let Some(batch) = fence.batch.and_then(|(batch, _)| row.batch(batch)) else {
        return fenced(row, fence);
    };
    if let Some(code) = giving_up(job).filter(|code| ends_process(*code)) {
        return failed(code);
    }
    let present = state.present();
    let open = batch.targets & present & !row.staged();
    At::Writing(Writing {
        fence,
        gone: toy::open(batch.targets & !present, row),
        open,
        sent: [None; 2],
        counted: u8::try_from(open.count_ones()).unwrap_or(0),
        failed: None,
        whole,
        closed: false,
    })
}

/// For what the rest of a batch is given up: `give_up` in `batch.rs`.
fn giving_up(job: Job) -> Option<ErrorCode> {
    let Job::GiveUp(_, fault) = job else { return None };
    of_execution_error(fault.name(), None).error().map(|error| error.code)
}

/// Whether two calls of the batch may be in flight.
#[must_use]
pub fn asked(row: &Row, writing: &Writing) -> Mask {
    let slots = writing.fence.batch.and_then(|(id, attempt)| {
        row.batch(id).filter(|batch| batch.attempt == attempt).map(|batch| batch.slots)
    });
    let sent = writing.sent.iter().flatten().count();
    let free = usize::from(slots.unwrap_or(1).max(1)).saturating_sub(sent);
    members(writing.open).take(free).fold(0, |mask, target| mask | 1 << target)
}

/// `write`, `give_up` and what follows them in `batch.rs`.
pub(super) fn write(
    instance: &Instance,
    state: &mut State,
    id: Id,
    mut writing: Writing,
    job: Job,
    choice: Choice,
) -> At {
    let guards = instance.guards;
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return DONE };
    let fence = writing.fence;
    if choice == Choice::Watch {
        return fenced(row, fence);
    }
    if let Some(target) = members(writing.gone).next() {
        if choice == Choice::Fails {
            writing.failed = Some(ErrorCode::DatabaseError.into());
            return end_attempt(guards, row, &writing);
        }
        let out = Out::GivenUp(Code(ErrorCode::TargetNotFound));
        let Some(staged) = store::stage(guards, row, fence, target, out, None) else {
            return fenced(row, fence);
        };
        writing.gone &= !(1 << target);
        writing.whole |= staged.whole;
        return At::Writing(writing);
    }
    if let Some(code) = giving_up(job)
        && let Some(target) = members(writing.open).next()
    {
        if choice == Choice::Fails {
            return failed(ErrorCode::DatabaseError);
        }
        let out = Out::GivenUp(Code(code));
        let Some(staged) = store::stage(guards, row, fence, target, out, None) else {
            return fenced(row, fence);
        };
        writing.open &= !(1 << target);
        writing.whole |= staged.whole;
        return At::Writing(writing);
    }
    if let Choice::Model(trouble, target) = choice {
        return not_answered(guards, row, writing, trouble, target);
    }
    if let Choice::Answered(target) = choice {
        return At::Writing(answered(guards, writing, target, Out::Written));
    }
    if let [Some(sent), then] = writing.sent {
        writing.sent = [then, None];
        let is_open_until_staged = guards.has(Guard::OpenUntilStaged);
        let counted_before = u8::from(!is_open_until_staged);
        if choice == Choice::Fails {
            writing.counted += counted_before;
            return At::Writing(also_failed(writing, ErrorCode::DatabaseError.into()));
        }
        let open = Some(sent.open);
        let staged = store::stage(guards, row, fence, sent.target, sent.out, open);
        if choice == Choice::AnswerLost {
            writing.counted += counted_before;
            return At::Writing(also_failed(writing, ErrorCode::DatabaseError.into()));
        }
        let Some(staged) = staged else { return fenced(row, fence) };
        writing.counted -= u8::from(is_open_until_staged);
        writing.whole |= staged.whole;
        writing.closed |= staged.slots == Some(0);
        if staged.gave_back {
            state.tasks.push(Task::Admit);
        }
        return At::Writing(writing);
    }
    if let Some(target) = members(writing.open).next() {
        return At::Writing(answered(guards, writing, target, Out::Written));
    }
    end_attempt_or_finish(instance, state, id, &writing)
}

/// An answer comes, and is to be staged.
fn answered(guards: Guards, mut writing: Writing, target: u8, out: Out) -> Writing {
    writing.open &= !(1 << target);
    let open = writing.counted.saturating_sub(1);
    if !guards.has(Guard::OpenUntilStaged) {
        writing.counted = open;
    }
    let sent = Some(Sent { target, out, open });
    let place = usize::from(writing.sent[0].is_some());
    writing.sent[place] = sent;
    writing
}

/// No answer comes: the target is given up, or the batch is tried again.
fn not_answered(
    guards: Guards,
    row: &Row,
    mut writing: Writing,
    trouble: Trouble,
    target: u8,
) -> At {
    let failure = failure(trouble);
    let tries = writing.fence.batch.and_then(|(id, _)| row.batch(id));
    let this_try = i32::from(tries.map_or(0, |batch| batch.failed_tries)) + 1;
    if gives_up(&failure, this_try) {
        return At::Writing(answered(guards, writing, target, Out::GivenUp(Code(failure.code))));
    }
    if trouble == Trouble::Throttled {
        // No other call is begun.
        writing.open &= asked(row, &writing);
    }
    writing.open &= !(1 << target);
    At::Writing(also_failed(writing, fault(&failure)))
}

fn also_failed(mut writing: Writing, fault_: Fault) -> Writing {
    let failures: Vec<Failure> =
        writing.failed.into_iter().chain([fault_]).map(failure_of).collect();
    writing.failed = worst(failures).map(|failure| fault(&failure));
    writing
}

/// `rest` in `batch.rs`, with the failure as the answer.
fn end_attempt(guards: Guards, row: &mut Row, writing: &Writing) -> At {
    let fault = writing.failed.unwrap_or(Fault::Overtaken);
    let counts = matches!(fault, Fault::ContentRefused)
        || matches!(fault, Fault::Code(Code(code)) if is_failed_try(code));
    // Whoever waits because of what is given back is admitted at the next occasion.
    let _ = store::rest_batch(guards, row, writing.fence, counts);
    At::Answer(Answer::Failed(fault))
}

fn end_attempt_or_finish(instance: &Instance, state: &mut State, id: Id, writing: &Writing) -> At {
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return DONE };
    if writing.failed.is_some() {
        let at = end_attempt(instance.guards, row, writing);
        state.tasks.push(Task::Admit);
        return at;
    }
    if !writing.closed {
        let gave_back = store::close_batch(instance.guards, row, writing.fence);
        if gave_back == Some(true) {
            state.tasks.push(Task::Admit);
        }
        return At::Writing(Writing { closed: true, ..*writing });
    }
    if writing.whole || !instance.guards.has(Guard::CountSaysWhen) {
        At::Finish(By::Worker(writing.fence), 0)
    } else {
        DONE
    }
}
