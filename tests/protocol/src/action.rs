//! Everything that may happen next.

use crate::{
    engine,
    guard::Guard,
    instance::{Instance, Trouble},
    people, reconciler,
    state::{Age, Answer, At, Call, Execution, Fault, Id, Job, State, Stopped, Target, Task},
    worker::{self, Choice},
};

/// One step of somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// The request is sent.
    Submit(Id),
    /// A call makes its next step.
    Step(Call, Choice),
    /// The engine gets an answer.
    Deliver(Call),
    /// Somebody does the next thing.
    Do(Task),
    /// Somebody dies before the next thing; or an event gets lost.
    Drop(Task),
    /// What happens to a call.
    Befalls(Call, Trouble),
    /// What somebody does to a process, or what happens to its execution.
    OfProcess(Id, Trouble),
    /// What the app does to a target.
    OfTarget(u8, Trouble),
    /// The sweep admits whoever waits (R15).
    SweepAdmits,
}

/// Does `action` to `state`.
pub fn apply(instance: &Instance, state: &mut State, action: Action) {
    match action {
        Action::Submit(id) => people::submit(instance, state, id),
        Action::Step(call, choice) => {
            take(state, call);
            if matches!(
                choice,
                Choice::Model(..) | Choice::Fails | Choice::AnswerLost | Choice::Lag
            ) {
                state.budget -= 1;
            }
            let at = match call.job {
                Job::Generate | Job::Batch(_) | Job::GiveUp(..) => {
                    worker::step(instance, state, call, choice)
                }
                Job::Settle(_) | Job::Ended(_) | Job::Sweep(_) => {
                    reconciler::step(instance, state, call, choice)
                }
            };
            match at {
                At::Answer(_) if !call.awaited => reconciler::done(state, call.job),
                at => state.calls.push(Call { at, ..call }),
            }
        }
        Action::Deliver(call) => {
            take(state, call);
            if let At::Answer(answer) = call.at {
                engine::answered(instance, state, call.id, call.job, answer);
            }
        }
        Action::Do(task) => {
            drop_task(state, task);
            people::perform(instance, state, task);
        }
        Action::Drop(task) => {
            drop_task(state, task);
            if !matches!(task, Task::Event(..)) {
                state.budget -= 1;
            }
        }
        Action::Befalls(call, trouble) => {
            state.budget -= 1;
            befalls(instance, state, call, trouble);
        }
        Action::OfProcess(id, trouble) => {
            state.budget -= 1;
            of_process(instance, state, id, trouble);
        }
        Action::OfTarget(target, trouble) => {
            state.budget -= 1;
            state.targets[usize::from(target)] =
                if trouble == Trouble::Delete { Target::Gone } else { Target::Filled };
        }
        Action::SweepAdmits => {
            state.budget -= 1;
            if instance.guards.has(Guard::WaitingRepaired) {
                state.tasks.push(Task::Admit);
            }
        }
    }
    state.sort();
}

fn take(state: &mut State, call: Call) {
    if let Some(index) = state.calls.iter().position(|other| *other == call) {
        state.calls.remove(index);
    }
}

fn drop_task(state: &mut State, task: Task) {
    if let Some(index) = state.tasks.iter().position(|other| *other == task) {
        state.tasks.remove(index);
    }
}

fn befalls(instance: &Instance, state: &mut State, call: Call, trouble: Trouble) {
    let fault = match trouble {
        Trouble::Duplicate => {
            state.calls.push(Call { awaited: false, ..call });
            return;
        }
        Trouble::LostAnswer => Fault::Unknown,
        Trouble::TaskTimeout => Fault::Timeout,
        _ => Fault::Died,
    };
    take(state, call);
    if trouble != Trouble::Crash && !matches!(call.at, At::Answer(_)) {
        state.calls.push(Call { awaited: false, ..call });
    }
    if call.awaited {
        engine::answered(instance, state, call.id, call.job, Answer::Failed(fault));
    }
}

fn of_process(instance: &Instance, state: &mut State, id: Id, trouble: Trouble) {
    let sweep = |age: Age| Call { id, job: Job::Sweep(age), awaited: false, at: At::Queued };
    match trouble {
        Trouble::Cancel => people::cancel(instance, state, id),
        Trouble::Repeat => people::repeat(instance, state, id),
        Trouble::Retry => people::retry(instance, state, id),
        Trouble::Stop => engine::stop(state, id, Stopped::ByHand),
        Trouble::MachineTimeout => engine::end(state, id, Execution::TimedOut),
        Trouble::YoungSweep => state.calls.push(sweep(Age::Young)),
        Trouble::OverdueSweep => state.calls.push(sweep(Age::Overdue)),
        _ => state.calls.push(sweep(Age::Old)),
    }
}
