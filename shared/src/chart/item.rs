//! What a chart is made of: sub-goals, actions and tasks, with their limits. The schema that a
//! model is given and the check of its answer are both made from these limits.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Sub-goals around a goal.
pub const SUB_GOALS: usize = 8;
/// Actions around a sub-goal.
pub const ACTIONS: usize = 8;
/// Tasks of an action.
pub const TASKS: RangeInclusive<usize> = 1..=8;
/// Characters of a sub-goal's or action's title.
pub const TITLE_LENGTH: RangeInclusive<usize> = 1..=30;
/// Characters of a sub-goal's or action's description.
pub const DESCRIPTION_LENGTH: RangeInclusive<usize> = 50..=200;
/// Characters of a sub-goal's or action's background.
pub const BACKGROUND_LENGTH: RangeInclusive<usize> = 1..=100;
/// Characters of a task's title.
pub const TASK_TITLE_LENGTH: RangeInclusive<usize> = 1..=50;
/// Characters of a task's description.
pub const TASK_DESCRIPTION_LENGTH: RangeInclusive<usize> = 1..=200;
/// Minutes that a task may take.
pub const TASK_MINUTES: RangeInclusive<i64> = 15..=120;

/// How a person gets something done.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantNames,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(serialize_all = "UPPERCASE")]
pub enum ActionType {
    /// Once.
    Execution,
    /// Again and again.
    Habit,
}

impl ActionType {
    /// The name of every type.
    pub const NAMES: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// Its name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// One generated sub-goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubGoal {
    /// What to reach.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Why it matters for the goal.
    pub background: String,
}

/// One generated action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    /// What to do.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Why it matters for the sub-goal.
    pub background: String,
    /// Once, or as a habit.
    #[serde(rename = "type")]
    pub action_type: ActionType,
}

/// One generated task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// What to do.
    pub title: String,
    /// How.
    pub description: String,
    /// Once, or as a habit.
    #[serde(rename = "type")]
    pub task_type: ActionType,
    /// Minutes that it takes.
    pub estimated_minutes: i64,
}

/// An item with the row that it will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row<T> {
    /// The row's id.
    pub id: Uuid,
    /// From 0.
    pub position: i16,
    /// What was generated.
    #[serde(flatten)]
    pub item: T,
}

/// What was written for one target, as rows in the order of their positions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rows {
    /// For a goal.
    SubGoals(Vec<Row<SubGoal>>),
    /// For a sub-goal.
    Actions(Vec<Row<Action>>),
    /// For an action.
    Tasks(Vec<Row<Task>>),
}

impl Rows {
    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match self {
            Self::SubGoals(rows) => rows.len(),
            Self::Actions(rows) => rows.len(),
            Self::Tasks(rows) => rows.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
