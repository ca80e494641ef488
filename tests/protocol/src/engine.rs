//! Step Functions: what `infra/statemachine/ai-generation.asl.json` says, with the product's own
//! list of what is retried ([`engine_retry::backoff`]), which a test of the product compares with
//! that file.
//!
//! A wait before a retry is a message that takes long: the next call is made at once, and may be
//! queued for as long as you like.

use shared::process::engine_retry;

use crate::{
    guard::Guard,
    instance::Instance,
    state::{
        Answer, At, BatchId, Branch, Call, Execution, Fault, Id, Job, State, Stopped, Task, members,
    },
};

/// From so many retries on, what is waited for is waited for while there is time.
const WHILE_THERE_IS_TIME: u64 = 240;

/// `StartExecution`. That there is one of this name counts as started.
pub fn start(instance: &Instance, state: &mut State, id: Id) {
    let execution = &mut state.executions[usize::from(id)];
    if *execution == Execution::Missing {
        *execution = Execution::Generate(0);
    } else if instance.guards.has(Guard::NamedExecution) {
        return;
    } else {
        state.broken |= crate::judge::Broken::TwoExecutions.bit();
    }
    call(state, id, Job::Generate);
}

/// `StopExecution`. Stopping one that has ended changes nothing.
pub fn stop(state: &mut State, id: Id, why: Stopped) {
    if state.executions[usize::from(id)].runs() {
        end(state, id, Execution::Aborted(why));
    }
}

/// It ends: nobody waits for its calls any more, and an event says so.
pub fn end(state: &mut State, id: Id, how: Execution) {
    forget(state, id);
    state.executions[usize::from(id)] = how;
    state.tasks.push(Task::Event(id, how == Execution::Succeeded));
}

/// Nobody waits any more for the calls of `id`. An answer that nobody waits for is none.
fn forget(state: &mut State, id: Id) {
    for call in state.calls.iter_mut().filter(|call| call.id == id) {
        call.awaited = false;
    }
    state.calls.retain(|call| call.awaited || !matches!(call.at, At::Answer(_)));
}

fn call(state: &mut State, id: Id, job: Job) {
    state.calls.push(Call { id, job, awaited: true, at: At::Queued });
}

/// Whether the task retries `fault`, of which it has made `retries`; then how many it has made.
fn retry(instance: &Instance, task: engine_retry::Task, fault: Fault, retries: u8) -> Option<u8> {
    let backoff = engine_retry::backoff(task, fault.name())?;
    let is_throttling = engine_retry::MODEL_BUSY.errors.contains(&fault.name());
    let waits_on = backoff.max_attempts >= WHILE_THERE_IS_TIME
        && (!is_throttling || instance.guards.has(Guard::ThrottlingWaits));
    if waits_on {
        Some(retries)
    } else {
        (retries < instance.engine_retries).then_some(retries + 1)
    }
}

/// The engine gets `answer` to the call that it made for `job`.
pub fn answered(instance: &Instance, state: &mut State, id: Id, job: Job, answer: Answer) {
    let execution = state.executions[usize::from(id)];
    match (execution, job, answer) {
        (Execution::Generate(_), Job::Generate, Answer::Planned(plan, batches)) if batches != 0 => {
            let mut branches = [Branch::None; 2];
            for number in members(batches) {
                branches[usize::from(number)] = Branch::Batch(0);
                call(state, id, Job::Batch(BatchId { plan, number }));
            }
            state.executions[usize::from(id)] = Execution::Map(plan, branches);
        }
        (Execution::Generate(retries), Job::Generate, Answer::Failed(fault)) => {
            match retry(instance, engine_retry::Task::Generate, fault, retries) {
                Some(retries) => {
                    state.executions[usize::from(id)] = Execution::Generate(retries);
                    call(state, id, Job::Generate);
                }
                None => settle(state, id, fault),
            }
        }
        (Execution::Generate(_), Job::Generate, _) => end(state, id, Execution::Succeeded),
        (Execution::Map(plan, branches), Job::Batch(batch) | Job::GiveUp(batch, _), answer) => {
            of_branch(instance, state, id, plan, branches, batch.number, answer);
        }
        (Execution::Settle(caught, retries), Job::Settle(_), Answer::Failed(fault)) => {
            match retry(instance, engine_retry::Task::Settle, fault, retries) {
                Some(retries) => {
                    state.executions[usize::from(id)] = Execution::Settle(caught, retries);
                    call(state, id, Job::Settle(caught));
                }
                None => end(state, id, Execution::Failed(caught)),
            }
        }
        (Execution::Settle(caught, _), Job::Settle(_), _) => {
            end(state, id, Execution::Failed(caught));
        }
        // It waits for something else by now.
        _ => {}
    }
}

fn of_branch(
    instance: &Instance,
    state: &mut State,
    id: Id,
    plan: u8,
    mut branches: [Branch; 2],
    number: u8,
    answer: Answer,
) {
    let branch = &mut branches[usize::from(number)];
    let batch = BatchId { plan, number };
    let next = match (*branch, answer) {
        (Branch::Batch(retries), Answer::Failed(fault)) => {
            match retry(instance, engine_retry::Task::Batch, fault, retries) {
                Some(retries) => (Branch::Batch(retries), Some(Job::Batch(batch))),
                None => (Branch::GiveUp(fault, 0), Some(Job::GiveUp(batch, fault))),
            }
        }
        (Branch::GiveUp(caught, retries), Answer::Failed(fault)) => {
            match retry(instance, engine_retry::Task::GiveUp, fault, retries) {
                Some(retries) => {
                    (Branch::GiveUp(caught, retries), Some(Job::GiveUp(batch, caught)))
                }
                None => return settle(state, id, fault),
            }
        }
        (Branch::Batch(_) | Branch::GiveUp(..), _) => (Branch::Done, None),
        (Branch::None | Branch::Done, _) => return,
    };
    *branch = next.0;
    state.executions[usize::from(id)] = Execution::Map(plan, branches);
    if let Some(job) = next.1 {
        call(state, id, job);
    } else if branches.iter().all(|branch| matches!(branch, Branch::None | Branch::Done)) {
        end(state, id, Execution::Succeeded);
    }
}

/// Catch: the reconciler is to settle the process. What else the Map had running is let go.
fn settle(state: &mut State, id: Id, fault: Fault) {
    forget(state, id);
    state.executions[usize::from(id)] = Execution::Settle(fault, 0);
    call(state, id, Job::Settle(fault));
}
