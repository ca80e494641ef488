//! What becomes of a state that is left alone: no trouble happens any more, everything that is on
//! its way arrives, everybody finishes, and the sweep comes by from time to time. Events are not
//! counted upon: each of them gets lost.
//!
//! This is how "eventually" is checked: in every state that can be reached, the run to the end is
//! made. It is stronger than what `stateright` offers by that name, which does not look into
//! cycles.

use shared::reconcile::Plan;

use crate::{
    action::{Action, apply},
    guard::Guard,
    instance::Instance,
    reconciler,
    state::{Age, At, Call, Job, State, Task},
    store,
    worker::Choice,
};

/// Steps that a run may have: far more than any needs.
const MOST_STEPS: usize = 2_000;
/// Sweeps that a run may have: a few for each process.
const MOST_SWEEPS: usize = 12;

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub struct End {
    /// Whether every process ended.
    pub all_ended: bool,
    /// Whether every process completed, with nothing left out.
    pub all_completed: bool,
    /// Whether each sweep left no drift.
    pub no_drift: bool,
    /// Whether all of the capacity is free, no execution runs, and nothing is staged.
    pub all_free: bool,
}

/// Runs `state` to its end.
#[must_use]
pub fn run(instance: &Instance, state: &State) -> End {
    let mut state = state.clone();
    let mut no_drift = true;
    for _ in 0..MOST_SWEEPS {
        if !settle_down(instance, &mut state) {
            break;
        }
        if is_over(&state) {
            break;
        }
        sweep(instance, &mut state);
        no_drift &= !has_drift(instance, &state);
    }
    let all_ended = state.all().all(|(_, row)| row.status.is_terminal());
    let all_free = store::in_use(&state, None) == 0
        && !state.executions.iter().any(|execution| execution.runs())
        && state.all().all(|(_, row)| row.staged() == 0 && row.batches.iter().all(Option::is_none));
    let all_completed = state.all().all(|(_, row)| row.result == Some(0));
    End { all_ended, all_completed, no_drift, all_free }
}

fn is_over(state: &State) -> bool {
    state.all().all(|(_, row)| row.status.is_terminal())
        && !state.executions.iter().any(|execution| execution.runs())
}

/// Whatever is on its way arrives, and everybody finishes. Whether that comes to an end.
fn settle_down(instance: &Instance, state: &mut State) -> bool {
    for _ in 0..MOST_STEPS {
        run_tasks(instance, state);
        let Some(call) = state.calls.first().copied() else { return true };
        step(instance, state, call);
    }
    false
}

fn step(instance: &Instance, state: &mut State, call: Call) {
    let action = match call.at {
        At::Answer(_) => Action::Deliver(call),
        _ => Action::Step(call, Choice::Go),
    };
    apply(instance, state, action);
}

fn run_tasks(instance: &Instance, state: &mut State) {
    state.tasks.retain(|task| !matches!(task, Task::Event(..)));
    while let Some(task) = state.tasks.first().copied() {
        apply(instance, state, Action::Do(task));
        state.tasks.retain(|task| !matches!(task, Task::Event(..)));
    }
}

fn admit(instance: &Instance, state: &mut State) {
    if instance.guards.has(Guard::WaitingRepaired) {
        state.tasks.push(Task::Admit);
    }
    run_tasks(instance, state);
}

/// `sweep/steps.rs`: whoever waits is admitted, each process is looked at and settled, and what
/// that has freed is given to who waits.
fn sweep(instance: &Instance, state: &mut State) {
    admit(instance, state);
    let ids: Vec<_> = state.all().map(|(id, _)| id).collect();
    for id in ids {
        let job = Job::Sweep(Age::Old);
        let mut call = Call { id, job, awaited: false, at: At::Queued };
        for _ in 0..MOST_STEPS {
            let mut at = reconciler::step(instance, state, call, Choice::Go);
            std::mem::swap(&mut call.at, &mut at);
            if matches!(call.at, At::Answer(_)) {
                break;
            }
        }
        run_tasks(instance, state);
    }
    admit(instance, state);
}

/// Whether anything disagrees that a sweep should have mended.
fn has_drift(instance: &Instance, state: &State) -> bool {
    let could_admit = store::in_use(state, None) < instance.calls
        && store::next_waiting(state, instance.calls).is_some();
    could_admit
        || state.all().any(|(id, row)| {
            let execution = state.executions[usize::from(id)];
            let plan = reconciler::planned(instance, id, row, execution, Age::Old);
            matches!(plan, Plan::Repair { .. }) || !reconciler::is_sound(id, row)
        })
}
