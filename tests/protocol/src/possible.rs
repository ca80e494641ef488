//! What may happen next in a state.

use shared::process::Status;

use crate::{
    action::Action,
    instance::{Instance, Trouble},
    people,
    state::{Age, At, Call, Execution, Fence, Job, State, Target, Task, members},
    store,
    worker::{Choice, asked},
};

/// Collects what may happen in `state`.
pub fn possible(instance: &Instance, state: &State, actions: &mut Vec<Action>) {
    let may = |trouble: Trouble| state.budget > 0 && instance.troubles.contains(&trouble);
    for id in 0..u8::try_from(instance.requests.len()).unwrap_or(0) {
        if state.sent & (1 << id) == 0 {
            actions.push(Action::Submit(id));
        }
    }
    for task in &state.tasks {
        actions.push(Action::Do(*task));
        if matches!(task, Task::Event(..)) || may(Trouble::Crash) {
            actions.push(Action::Drop(*task));
        }
    }
    for call in &state.calls {
        of_call(state, *call, &may, actions);
    }
    of_processes(instance, state, &may, actions);
    for (target, there) in (0..).zip(state.targets) {
        let is_asked = instance.requests.iter().any(|request| request.targets & (1 << target) != 0);
        if is_asked && there != Target::Gone && may(Trouble::Delete) {
            actions.push(Action::OfTarget(target, Trouble::Delete));
        }
        if is_asked && there == Target::Empty && may(Trouble::Fill) {
            actions.push(Action::OfTarget(target, Trouble::Fill));
        }
    }
    if may(Trouble::Sweep) && store::next_waiting(state, instance.calls).is_some() {
        actions.push(Action::SweepAdmits);
    }
}

fn of_call(state: &State, call: Call, may: &impl Fn(Trouble) -> bool, actions: &mut Vec<Action>) {
    let befalls = |trouble: Trouble, actions: &mut Vec<Action>| {
        if may(trouble) {
            actions.push(Action::Befalls(call, trouble));
        }
    };
    if call.awaited {
        befalls(Trouble::LostAnswer, actions);
        befalls(Trouble::TaskTimeout, actions);
    }
    if let At::Answer(_) = call.at {
        actions.push(Action::Deliver(call));
        return;
    }
    befalls(Trouble::Crash, actions);
    let step = |choice: Choice| Action::Step(call, choice);
    actions.push(step(Choice::Go));
    match call.at {
        At::Queued if !matches!(call.job, Job::Sweep(_)) => befalls(Trouble::Duplicate, actions),
        At::Looked(..) if may_lag(state, call) && may(Trouble::Lag) => {
            actions.push(step(Choice::Lag));
        }
        At::Asking(attempt) => {
            let fence = Fence { attempt, batch: None };
            of_asking(state, call, 0, fence, may, actions);
        }
        At::Writing(writing) => {
            if writing.gone == 0 && !matches!(call.job, Job::GiveUp(..)) {
                let Some(row) = state.row(call.id) else { return };
                let asked = asked(row, &writing);
                for target in members(asked) {
                    actions.push(step(Choice::Answered(target)));
                    of_model(call, target, may, actions);
                }
            }
            let may_stage = writing.gone != 0 || writing.sent[0].is_some();
            of_statement(call, may_stage, may, actions);
            of_watch(state, call, writing.fence, actions);
        }
        _ => {}
    }
}

/// Whether Step Functions may not find yet what it has started: soon after that, and where somebody
/// asks.
fn may_lag(state: &State, call: Call) -> bool {
    let asks_soon = matches!(call.job, Job::Ended(_) | Job::Sweep(Age::Young));
    asks_soon && state.executions[usize::from(call.id)] != Execution::Missing
}

fn of_asking(
    state: &State,
    call: Call,
    target: u8,
    fence: Fence,
    may: &impl Fn(Trouble) -> bool,
    actions: &mut Vec<Action>,
) {
    of_model(call, target, may, actions);
    of_statement(call, true, may, actions);
    of_watch(state, call, fence, actions);
}

fn of_watch(state: &State, call: Call, fence: Fence, actions: &mut Vec<Action>) {
    let standing = state.row(call.id).map(|row| store::standing(row, fence));
    if standing != Some(store::Standing::Current) {
        actions.push(Action::Step(call, Choice::Watch));
    }
}

fn of_statement(
    call: Call,
    is_one: bool,
    may: &impl Fn(Trouble) -> bool,
    actions: &mut Vec<Action>,
) {
    if is_one && may(Trouble::Database) {
        actions.push(Action::Step(call, Choice::Fails));
    }
    if is_one && may(Trouble::DatabaseAnswer) {
        actions.push(Action::Step(call, Choice::AnswerLost));
    }
}

fn of_model(call: Call, target: u8, may: &impl Fn(Trouble) -> bool, actions: &mut Vec<Action>) {
    const TROUBLES: [Trouble; 5] = [
        Trouble::Throttled,
        Trouble::ModelFails,
        Trouble::Invalid,
        Trouble::Refused,
        Trouble::Late,
    ];
    for trouble in TROUBLES {
        if may(trouble) {
            actions.push(Action::Step(call, Choice::Model(trouble, target)));
        }
    }
}

fn of_processes(
    instance: &Instance,
    state: &State,
    may: &impl Fn(Trouble) -> bool,
    actions: &mut Vec<Action>,
) {
    for (id, row) in state.all() {
        let execution = state.executions[usize::from(id)];
        let mut push = |trouble: Trouble, if_: bool| {
            if if_ && may(trouble) {
                actions.push(Action::OfProcess(id, trouble));
            }
        };
        // A cancel that comes too late changes nothing, but for what is wrong.
        push(Trouble::Cancel, row.status != Status::Cancelled);
        push(Trouble::Repeat, people::may_repeat(row));
        push(Trouble::Retry, people::may_retry(instance, state, id));
        push(Trouble::Stop, execution.runs());
        push(Trouble::MachineTimeout, execution.runs());
        let is_looked_at = row.status.is_active() && !row.waits() || execution.runs();
        let is_swept =
            state.calls.iter().any(|call| call.id == id && matches!(call.job, Job::Sweep(_)));
        push(Trouble::YoungSweep, is_looked_at && !is_swept);
        push(Trouble::Sweep, is_looked_at && !is_swept);
        push(Trouble::OverdueSweep, execution.runs() && !is_swept);
    }
}
