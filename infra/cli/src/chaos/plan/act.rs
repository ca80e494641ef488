//! What clients do.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chaos::dice::Dice;

/// What a job generates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::chaos) enum JobKind {
    /// A new goal's sub-goals.
    SubGoals,
    /// The actions of one sub-goal that is there.
    ActionsOfOne,
    /// Those of all eight.
    ActionsOfAll,
    /// The tasks of one action that is there.
    TasksOfOne,
    /// Those of all 64.
    TasksOfAll,
    /// A whole chart down to its sub-goals.
    ChartOfSubGoals,
    /// Down to its actions.
    ChartOfActions,
    /// Down to its tasks.
    ChartOfTasks,
}

impl JobKind {
    /// All of them.
    #[cfg(test)]
    pub(in crate::chaos) const ALL: [Self; 8] = [
        Self::SubGoals,
        Self::ActionsOfOne,
        Self::ActionsOfAll,
        Self::TasksOfOne,
        Self::TasksOfAll,
        Self::ChartOfSubGoals,
        Self::ChartOfActions,
        Self::ChartOfTasks,
    ];

    /// The type by the contract.
    pub(in crate::chaos) const fn process_type(self) -> &'static str {
        match self {
            Self::SubGoals => "SUBGOAL_GENERATION",
            Self::ActionsOfOne | Self::ActionsOfAll => "ACTION_GENERATION",
            Self::TasksOfOne | Self::TasksOfAll => "TASK_GENERATION",
            Self::ChartOfSubGoals | Self::ChartOfActions | Self::ChartOfTasks => "CHART_GENERATION",
        }
    }

    /// How deep the chart has to be in the tables before: 0 nothing, 1 sub-goals, 2 actions.
    pub(in crate::chaos) const fn planted_levels(self) -> u8 {
        match self {
            Self::ActionsOfOne | Self::ActionsOfAll => 1,
            Self::TasksOfOne | Self::TasksOfAll => 2,
            _ => 0,
        }
    }
}

/// How often each comes. Most jobs take one call of a model; a chart of tasks takes 73.
const WEIGHTS: [(u64, JobKind); 8] = [
    (54, JobKind::SubGoals),
    (14, JobKind::ActionsOfOne),
    (6, JobKind::ActionsOfAll),
    (12, JobKind::TasksOfOne),
    (2, JobKind::TasksOfAll),
    (6, JobKind::ChartOfSubGoals),
    (4, JobKind::ChartOfActions),
    (2, JobKind::ChartOfTasks),
];

/// A job that a client asks for.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chaos) struct Draft {
    /// Its number in the plan, from 0.
    pub(in crate::chaos) number: u32,
    pub(in crate::chaos) kind: JobKind,
    /// Of low priority.
    pub(in crate::chaos) low: bool,
    /// Whether the target has children, which are to be replaced.
    pub(in crate::chaos) replace: bool,
    /// How often the same request is sent again under its key.
    pub(in crate::chaos) repeats: u8,
    /// When the client thinks better of it, counted from the answer.
    pub(in crate::chaos) cancel_after: Option<Duration>,
    /// Whether the client tries again where it ended badly.
    pub(in crate::chaos) retries: bool,
}

/// Something that a client does.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chaos) struct Act {
    /// When, from the beginning.
    pub(in crate::chaos) at: Duration,
    /// Which of the users.
    pub(in crate::chaos) user: usize,
    pub(in crate::chaos) what: What,
}

/// What it is.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chaos) enum What {
    /// A job is asked for and watched.
    Job(Draft),
    /// Several are, in one request.
    Batch { drafts: Vec<Draft>, cancel_after: Option<Duration> },
    /// A user looks at their history, and at what is somebody else's.
    Look,
}

impl Act {
    /// How many jobs it asks for.
    pub(in crate::chaos) fn jobs(&self) -> usize {
        match &self.what {
            What::Job(_) => 1,
            What::Batch { drafts, .. } => drafts.len(),
            What::Look => 0,
        }
    }
}

/// The acts of so many jobs by so many users.
pub(super) fn acts(seed: u64, jobs: u32, lasts: Duration, users: usize) -> Vec<Act> {
    let mut dice = Dice::of(seed, 1);
    let mut acts = Vec::new();
    let mut number = 0;
    while number < jobs {
        let left = jobs - number;
        let what = if left > 2 && dice.chance(0.04) {
            let size = u32::try_from(2 + dice.below(9)).unwrap_or(2).min(left);
            let drafts = (number..number + size).map(|n| small_draft(&mut dice, n)).collect();
            let is_regretted = dice.chance(0.15);
            What::Batch { drafts, cancel_after: is_regretted.then(|| moment(&mut dice)) }
        } else {
            What::Job(draft(&mut dice, number))
        };
        let act = act(&mut dice, lasts, users, what);
        number += u32::try_from(act.jobs()).unwrap_or(1);
        acts.push(act);
        if dice.chance(0.08) {
            acts.push(self::act(&mut dice, lasts, users, What::Look));
        }
    }
    acts.sort_by_key(|act| act.at);
    acts
}

fn act(dice: &mut Dice, lasts: Duration, users: usize, what: What) -> Act {
    let millis = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
    let user = usize::try_from(dice.below(users as u64)).unwrap_or_default();
    Act { at: Duration::from_millis(dice.below(millis)), user, what }
}

fn draft(dice: &mut Dice, number: u32) -> Draft {
    let kind = dice.one_of(&WEIGHTS).unwrap_or(JobKind::SubGoals);
    let is_regretted = dice.chance(0.12);
    Draft {
        number,
        kind,
        low: dice.chance(0.25),
        replace: dice.chance(0.2),
        repeats: u8::from(dice.chance(0.15)) + u8::from(dice.chance(0.05)),
        cancel_after: is_regretted.then(|| moment(dice)),
        retries: dice.chance(0.7),
    }
}

/// One of those that batches are made of.
fn small_draft(dice: &mut Dice, number: u32) -> Draft {
    let is_chart = dice.chance(0.2);
    let kind = if is_chart { JobKind::ChartOfSubGoals } else { JobKind::SubGoals };
    Draft { kind, replace: false, repeats: 0, cancel_after: None, ..draft(dice, number) }
}

/// Before it has begun, while it runs, or after its end: nobody knows.
fn moment(dice: &mut Dice) -> Duration {
    let most = if dice.chance(0.5) { 400 } else { 4_000 };
    Duration::from_millis(dice.below(most))
}
