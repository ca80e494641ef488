//! The model as the checker takes it, and the invariants of the design.

use std::{cell::RefCell, sync::Arc};

use shared::process::{ErrorCode, Status};
use stateright::{Model, Property};

use crate::{
    action::{Action, apply},
    instance::Instance,
    judge::{Broken, judge},
    met::Met,
    possible::possible,
    quiesce::{self, End},
    reconciler,
    state::{At, Code, Execution, Job, Out, Row, State, Target, members},
    store,
};

/// A world, explored.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// The world.
    pub instance: Instance,
    /// What has been met in it.
    pub met: Arc<Met>,
}

impl From<Instance> for Protocol {
    fn from(instance: Instance) -> Self {
        Self { instance, met: Arc::default() }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let processes = self.instance.requests.len() + self.instance.retries;
        vec![State {
            rows: vec![None; processes],
            answered: 0,
            sent: 0,
            executions: vec![Execution::Missing; processes],
            served: [0; 3],
            calls: Vec::new(),
            tasks: Vec::new(),
            targets: [Target::Empty; 3],
            budget: self.instance.budget,
            leaked: 0,
            broken: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        possible(&self.instance, state, actions);
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut after = before.clone();
        apply(&self.instance, &mut after, action);
        if let Action::Step(call, _) = action
            && let Some(rule) = reconciler::rule(&self.instance, before, call)
        {
            self.met.rule(rule);
        }
        judge(before, &action, &mut after);
        for (id, old) in before.all() {
            if let Some(new) = after.row(id)
                && (old.status, old.attempt) != (new.status, new.attempt)
            {
                self.met.moved(old.status, new.status);
            }
        }
        Some(after)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(STORED, |_, state: &State| state.answered & !stored(state) == 0),
            Property::always(ONE_EXECUTION, |_, state: &State| holds(state, Broken::TwoExecutions)),
            Property::always(MOVES, |_, state: &State| holds(state, Broken::Move)),
            Property::always(FINAL, |_, state: &State| holds(state, Broken::TerminalMoved)),
            Property::always(FENCED, |_, state: &State| holds(state, Broken::OvertakenWrote)),
            Property::always(SEEN, |_, state: &State| holds(state, Broken::EndedUnseen)),
            Property::always(APP, |_, state: &State| holds(state, Broken::AppOverruled)),
            Property::always(CANCELLED, |_, state: &State| holds(state, Broken::CancelledWrote)),
            Property::always(AT_ONCE, |_, state: &State| appears_at_once(state)),
            Property::always(WHOLE, |_, state: &State| state.all().all(|(_, row)| is_whole(row))),
            Property::always(COUNTED, |_, state: &State| {
                state.all().all(|(_, row)| is_counted(row))
            }),
            Property::always(PROGRESS, |_, state: &State| {
                holds(state, Broken::ProgressFell)
                    && state.all().all(|(id, row)| reconciler::is_sound(id, row))
            }),
            Property::always(CAPACITY, |model, state: &State| {
                store::in_use(state, None) <= model.instance.calls
            }),
            Property::always(IN_FLIGHT, |_, state: &State| calls_are_counted(state)),
            Property::always(WAITED, |_, state: &State| {
                state.all().all(|(_, row)| !failed_for_want_of_capacity(row))
            }),
            Property::always(NOT_MISSED, |_, state: &State| {
                state.all().all(|(_, row)| row.error != Some(Code(ErrorCode::ExecutionNotFound)))
            }),
            Property::always(ONE_RETRY, |_, state: &State| one_retry(state)),
            Property::always(ONE_FOR_A_KEY, |_, state: &State| holds(state, Broken::TwoForOneKey)),
            Property::always(NOTHING_STAGED, |_, state: &State| {
                state.all().all(|(_, row)| row.status.is_active() || has_nothing_staged(row))
            }),
            Property::always(ENDS, |model, state: &State| model.end(state).all_ended),
            Property::always(NO_DRIFT, |model, state: &State| model.end(state).no_drift),
            Property::always(FREE, |model, state: &State| model.end(state).all_free),
            Property::always(COMPLETES, |model, state: &State| {
                !model.instance.is_harmless || model.end(state).all_completed
            }),
        ]
    }
}

/// Invariant 1.
pub const STORED: &str = "who was answered is stored";
/// Invariant 2.
pub const ONE_EXECUTION: &str = "a process has one execution";
/// Invariant 3.
pub const MOVES: &str = "a status moves only as allowed";
/// Invariant 3.
pub const FINAL: &str = "terminal is final";
/// Invariant 5.
pub const FENCED: &str = "only the current attempt writes";
/// Invariant 4.
pub const SEEN: &str = "the reconciler ends only what it has seen";
/// Invariant 6.
pub const APP: &str = "what the app fills or deletes stays so";
/// Invariant 9.
pub const CANCELLED: &str = "nothing is written once it is cancelled";
/// Invariant 6.
pub const AT_ONCE: &str = "rows appear with COMPLETED, all at once";
/// Invariant 13.
pub const WHOLE: &str = "COMPLETED accounts for each planned target";
/// Invariant 13.
pub const COUNTED: &str = "what is counted is staged";
/// Invariant 8.
pub const PROGRESS: &str = "progress never falls, and is 100 when COMPLETED";
/// Promise of `process/admission`.
pub const CAPACITY: &str = "no more calls are given than there are";
/// The same.
pub const IN_FLIGHT: &str = "every call in flight is counted";
/// Invariant 14.
pub const WAITED: &str = "nothing fails for want of capacity";
/// Rule R8.
pub const NOT_MISSED: &str = "no execution is missed that runs";
/// Section 5.
pub const ONE_RETRY: &str = "a process has one retry";
/// Section 5.
pub const ONE_FOR_A_KEY: &str = "a key has one process";
/// Rule R16.
pub const NOTHING_STAGED: &str = "what has ended has nothing staged";
/// Invariants 1, 12 and 16.
pub const ENDS: &str = "left alone, every process ends";
/// Invariant 12.
pub const NO_DRIFT: &str = "left alone, a sweep leaves no drift";
/// Invariant 14 and rule R16.
pub const FREE: &str = "left alone, all is given back";
/// Invariants 7 and 14, in worlds without harm.
pub const COMPLETES: &str = "left alone, every process completes";

thread_local! {
    /// The state that was last run to its end: three properties ask for the same.
    static LAST: RefCell<Option<(State, End)>> = const { RefCell::new(None) };
}

impl Protocol {
    fn end(&self, state: &State) -> End {
        LAST.with_borrow_mut(|last| match last {
            Some((known, end)) if known == state => *end,
            _ => {
                let end = quiesce::run(&self.instance, state);
                *last = Some((state.clone(), end));
                end
            }
        })
    }
}

const fn holds(state: &State, broken: Broken) -> bool {
    state.broken & broken.bit() == 0
}

fn stored(state: &State) -> u8 {
    state.all().fold(0, |mask, (id, _)| mask | 1 << id)
}

fn appears_at_once(state: &State) -> bool {
    let belongs = (0_u8..).zip(state.targets).all(|(target, there)| match there {
        Target::WrittenBy(id) => state
            .row(id)
            .is_some_and(|row| row.status == Status::Completed && row.stored & (1 << target) != 0),
        Target::Empty | Target::Filled | Target::Gone => true,
    });
    let all_there =
        state.all().filter(|(_, row)| row.status == Status::Completed).all(|(id, row)| {
            members(row.stored).all(|target| {
                let there = state.targets[usize::from(target)];
                there == Target::WrittenBy(id) || there == Target::Gone
            })
        });
    belongs && all_there
}

fn is_whole(row: &Row) -> bool {
    let planned = if row.several { row.planned } else { row.wanted };
    let failed = row.result.unwrap_or(0);
    row.status != Status::Completed
        || (row.stored | failed == planned && row.stored & failed == 0 && row.stored != 0)
}

fn is_counted(row: &Row) -> bool {
    row.status != Status::Processing || u32::from(row.done) == row.staged().count_ones()
}

fn has_nothing_staged(row: &Row) -> bool {
    row.staged() == 0 && row.batches.iter().all(Option::is_none)
}

/// A call of a current worker that is in flight, or about to be, is one of its batch's slots.
fn calls_are_counted(state: &State) -> bool {
    state.calls.iter().all(|call| {
        let Some(row) = state.row(call.id) else { return true };
        match call.at {
            At::Asking(attempt) => {
                row.attempt != attempt || row.status != Status::Processing || row.share > 0
            }
            At::Writing(writing) => {
                let asks = !matches!(call.job, Job::GiveUp(..)) && writing.open != 0;
                let is_current = store::standing(row, writing.fence) == store::Standing::Current;
                let batch = writing.fence.batch.and_then(|(id, _)| row.batch(id));
                !asks || !is_current || batch.is_some_and(|batch| batch.slots > 0)
            }
            _ => true,
        }
    })
}

fn failed_for_want_of_capacity(row: &Row) -> bool {
    let is_it = |code: Code| Instance::is_want_of_capacity(code.0);
    row.error.is_some_and(is_it)
        || row.outputs.iter().any(|out| matches!(out, Some(Out::GivenUp(code)) if is_it(*code)))
}

fn one_retry(state: &State) -> bool {
    state.all().all(|(id, _)| {
        let retries = state
            .all()
            .filter(|(_, row)| row.retry_of == Some(id) && row.status != Status::Cancelled);
        retries.count() <= 1
    })
}
