//! The reconciler, one process at a time: `functions/reconciler/src`. What it does about a row and
//! its execution is the product's own [`plan`].
//!
//! The product's clock becomes the age of what it sees, see [`Age`]: whether a grace is over is
//! then the same for everything.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    process::{ErrorCode, ProcessId, Status},
    reconcile::{
        self, Plan, ProcessFacts, Repair, Rule, STOPPED_FOR_TIME, StartTries, mends, plan,
        stopped_for,
    },
};
use uuid::Uuid;

use crate::{
    engine,
    guard::Guard,
    instance::Instance,
    state::{
        Age, Answer, At, By, Call, Code, Execution, Fault, Id, Job, Row, Seen, State, Stopped,
        Task, Todo,
    },
    store,
    worker::{self, Choice},
};

/// Looks at one process: `MAX_ATTEMPTS` in `settle.rs`.
const MOST_LOOKS: u8 = 3;
/// When everything happened.
const BEGAN: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

/// What was read of a row, as the product's planner takes it.
#[must_use]
pub fn facts(id: Id, seen: Seen, progress: u8) -> ProcessFacts {
    let known = |known: bool| known.then_some(BEGAN);
    let tries = (seen.start_tries > 0).then(|| StartTries {
        count: seen.start_tries.into(),
        first_at: BEGAN - TimeDelta::minutes(if seen.start_tries > 1 { 20 } else { 0 }),
        last_at: BEGAN,
    });
    ProcessFacts {
        id: ProcessId(Uuid::from_u128(id.into())),
        status: seen.status,
        attempt: seen.attempt.into(),
        progress: progress.into(),
        has_arn: seen.has_arn,
        result_ready: seen.ready,
        // Hands that write rows are not modelled.
        ended_by_hand: false,
        created_at: BEGAN,
        admitted_at: known(seen.admitted),
        execution_started_at: known(seen.has_arn),
        started_at: known(seen.started),
        updated_at: BEGAN,
        completed_at: known(seen.status.is_terminal()),
        start_tries: tries,
    }
}

/// An execution as Step Functions describes it.
fn described(execution: Execution) -> reconcile::Execution {
    let aborted =
        |error: &str| reconcile::Execution::Aborted { error: Some(error.to_owned()), cause: None };
    match execution {
        Execution::Missing => reconcile::Execution::Missing,
        Execution::Generate(_) | Execution::Map(..) | Execution::Settle(..) => {
            reconcile::Execution::Running { since: BEGAN }
        }
        Execution::Succeeded => reconcile::Execution::Succeeded,
        Execution::Failed(fault) => {
            reconcile::Execution::Failed { error: fault.name().to_owned(), cause: None }
        }
        Execution::TimedOut => reconcile::Execution::TimedOut,
        Execution::Aborted(Stopped::ByHand) => {
            reconcile::Execution::Aborted { error: None, cause: None }
        }
        Execution::Aborted(Stopped::Cancelled) => aborted("CANCELLED"),
        Execution::Aborted(Stopped::ForTime) => aborted(STOPPED_FOR_TIME),
        Execution::Aborted(Stopped::Ended(status)) => aborted(stopped_for(status)),
    }
}

fn now(age: Age) -> DateTime<Utc> {
    BEGAN
        + match age {
            Age::Young => TimeDelta::seconds(1),
            Age::Old => TimeDelta::minutes(20),
            Age::Overdue => TimeDelta::hours(2),
        }
}

/// What the product plans for a row and its execution.
#[must_use]
pub fn planned(instance: &Instance, id: Id, row: &Row, execution: Execution, age: Age) -> Plan {
    let facts = facts(id, store::seen(row), row.progress);
    plan(&facts, &described(execution), now(age), &instance.limits())
}

/// Whether the row alone is as it should be, by the product's [`mends`].
#[must_use]
pub fn is_sound(id: Id, row: &Row) -> bool {
    mends(&facts(id, store::seen(row), row.progress)).is_empty()
}

const DONE: At = At::Answer(Answer::Done);

/// One step of `call`, which is the reconciler's. Where it is then.
pub fn step(instance: &Instance, state: &mut State, call: Call, choice: Choice) -> At {
    let Call { id, job, at, .. } = call;
    match at {
        At::Queued => look(state, id, job, 0),
        At::Again(looks) => look(state, id, job, looks),
        At::Looked(seen, looks) => match job {
            Job::Settle(fault) => settle(instance, state, id, seen, fault, looks),
            _ => describe(instance, state, id, job, seen, looks, choice),
        },
        At::Doing(seen, todo, looks) => act(instance, state, id, job, seen, todo, looks),
        At::Finish(..) | At::Applying { .. } => worker::step(instance, state, call, choice),
        at => at,
    }
}

/// Reads the row.
fn look(state: &State, id: Id, job: Job, looks: u8) -> At {
    let Some(row) = state.row(id) else { return DONE };
    let seen = store::seen(row);
    if let Job::Ended(succeeded) = job {
        // `needs_no_look` in `execution_ended.rs`.
        let better = !succeeded && seen.status == Status::Completed;
        if seen.status.is_terminal() && !better && is_sound(id, row) {
            return DONE;
        }
    }
    At::Looked(seen, looks)
}

/// `execution_failed.rs`: what the execution caught is what it will end with.
fn settle(
    instance: &Instance,
    state: &mut State,
    id: Id,
    seen: Seen,
    fault: Fault,
    looks: u8,
) -> At {
    let execution = described(Execution::Failed(fault));
    let plan = plan(&facts(id, seen, 0), &execution, now(Age::Young), &instance.limits());
    let Plan::Repair { repair: Repair::End(ending), .. } = plan else { return DONE };
    let code = ending.error().map(|error| Code(error.code));
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return DONE };
    if store::end_seen(instance.guards, row, seen, ending.status(), code) {
        DONE
    } else if looks + 1 < MOST_LOOKS {
        At::Again(looks + 1)
    } else {
        At::Answer(Answer::Failed(ErrorCode::DatabaseError.into()))
    }
}

/// Describes the execution, and plans.
fn describe(
    instance: &Instance,
    state: &State,
    id: Id,
    job: Job,
    seen: Seen,
    looks: u8,
    choice: Choice,
) -> At {
    let age = if let Job::Sweep(age) = job { age } else { Age::Young };
    let execution = match choice {
        Choice::Lag => Execution::Missing,
        _ => state.executions[usize::from(id)],
    };
    let planned = plan(&facts(id, seen, 0), &described(execution), now(age), &instance.limits());
    let Plan::Repair { rule, repair } = planned else { return DONE };
    let todo = match repair {
        Repair::Start if rule == Rule::R1 && !instance.guards.has(Guard::StartRepaired) => {
            return DONE;
        }
        Repair::Start => Todo::NoteTry,
        Repair::Complete => Todo::Complete,
        Repair::End(ending) => {
            Todo::End(ending.status(), ending.error().map(|error| Code(error.code)))
        }
        Repair::StopThenEnd(_) => Todo::StopForTime,
        Repair::Stop => Todo::Stop,
    };
    At::Doing(seen, todo, looks)
}

/// `repair.rs`.
fn act(
    instance: &Instance,
    state: &mut State,
    id: Id,
    job: Job,
    seen: Seen,
    todo: Todo,
    looks: u8,
) -> At {
    // The sweep goes on to the next; who came for this one looks again.
    let moved = match job {
        Job::Ended(_) if looks + 1 < MOST_LOOKS => At::Again(looks + 1),
        _ => DONE,
    };
    let Some(row) = state.rows[usize::from(id)].as_mut() else { return DONE };
    match todo {
        Todo::NoteTry => {
            if store::note_start_try(row) {
                At::Doing(seen, Todo::Start, looks)
            } else {
                moved
            }
        }
        Todo::Start => {
            engine::start(instance, state, id);
            At::Doing(seen, Todo::NoteStarted, looks)
        }
        Todo::NoteStarted => {
            store::note_started(state, id);
            DONE
        }
        Todo::Complete => {
            // `all_staged`; without it there would have to be a result, which needs a hand.
            if row.status == Status::Processing && row.targets > 0 && row.done >= row.targets {
                At::Finish(By::Reconciler(seen), 0)
            } else {
                moved
            }
        }
        Todo::End(status, code) => {
            if store::end_seen(instance.guards, row, seen, status, code) {
                DONE
            } else {
                moved
            }
        }
        Todo::StopForTime => {
            engine::stop(state, id, Stopped::ForTime);
            At::Looked(seen, looks)
        }
        Todo::Stop => {
            let why = Stopped::Ended(row.status);
            engine::stop(state, id, why);
            DONE
        }
    }
}

/// By which rule the next step of `call` repairs something, if it does.
pub(crate) fn rule(instance: &Instance, state: &State, call: Call) -> Option<Rule> {
    let At::Looked(seen, _) = call.at else { return None };
    let (age, execution) = match call.job {
        Job::Settle(_) => return None,
        Job::Sweep(age) => (age, state.executions[usize::from(call.id)]),
        _ => (Age::Young, state.executions[usize::from(call.id)]),
    };
    let facts = facts(call.id, seen, 0);
    match plan(&facts, &described(execution), now(age), &instance.limits()) {
        Plan::Repair { rule, .. } | Plan::Report(rule) => Some(rule),
        Plan::Agree | Plan::LookAgain | Plan::Healthy => None,
    }
}

/// What follows when the reconciler is done with a process: an event, or a repair of the sweep, is
/// an occasion to admit.
pub(crate) fn done(state: &mut State, job: Job) {
    if matches!(job, Job::Ended(_) | Job::Sweep(_)) {
        state.tasks.push(Task::Admit);
    }
}
