//! What a process of a chart was asked for.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Level;
use crate::{
    process::{ProcessType, UnreadableParams, generation::parse_failed_targets},
    validation::describe_json_error,
};

/// What of a chart is generated.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ChartType {
    /// Eight sub-goals for a goal.
    SubgoalGeneration,
    /// Eight actions for a sub-goal, or for each sub-goal of a goal.
    ActionGeneration,
    /// One to eight tasks for an action, or for each action of a goal.
    TaskGeneration,
    /// From a goal to its whole chart, as deep as is asked for.
    ChartGeneration,
}

impl ChartType {
    /// Every type.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;
    /// The name of every type.
    pub const NAMES: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// Its name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<ChartType> for ProcessType {
    fn from(chart_type: ChartType) -> Self {
        Self::new(chart_type.as_str())
    }
}

/// A goal as the app describes it, and what to do with sub-goals that it already has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoalParams {
    /// The goal's id; the goal itself may not be stored yet.
    pub goal_id: Uuid,
    /// 1–200 characters.
    pub title: String,
    /// 1–2000 characters.
    pub description: String,
    /// In the future when it was asked for.
    pub deadline: DateTime<Utc>,
    /// 1–2000 characters.
    pub background: String,
    /// At most 2000 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<String>,
    /// Whether sub-goals that are already there give way.
    #[serde(default)]
    pub replace: bool,
}

/// Params of a generation for what is in the tables already: one target, or all those of a goal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartParams {
    /// The sub-goal or action, or the goal for all its sub-goals or actions.
    #[serde(flatten)]
    pub of: Part,
    /// Whether children that are already there give way.
    #[serde(default)]
    pub replace: bool,
    /// Only these targets: what a partial process left open, for its retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<Uuid>>,
}

/// Whose children to generate, as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// One sub-goal.
    SubGoalId(Uuid),
    /// One action.
    ActionId(Uuid),
    /// All sub-goals, or all actions, of a goal.
    GoalId(Uuid),
}

impl Part {
    const fn id(self) -> Uuid {
        match self {
            Self::SubGoalId(id) | Self::ActionId(id) | Self::GoalId(id) => id,
        }
    }
}

/// Params of a whole chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartParams {
    /// The goal in its middle.
    #[serde(flatten)]
    pub goal: GoalParams,
    /// The last thing to write.
    #[serde(default = "default_depth")]
    pub depth: Level,
    /// Only these sub-goals and actions: what a partial process left open, for its retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<Uuid>>,
}

/// How deep a whole chart goes where the request does not say.
pub(super) const DEFAULT_DEPTH: Level = Level::Actions;

const fn default_depth() -> Level {
    DEFAULT_DEPTH
}

/// The params of a process, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Params {
    /// Eight sub-goals for this goal.
    SubGoals(GoalParams),
    /// Eight actions for a sub-goal, or for each of a goal's.
    Actions(PartParams),
    /// One to eight tasks for an action, or for each of a goal's.
    Tasks(PartParams),
    /// A goal's whole chart.
    Chart(ChartParams),
}

/// The parts of a goal, and of a sub-goal.
const PARTS: i16 = 8;

fn count(targets: &[Uuid]) -> i16 {
    i16::try_from(targets.len()).unwrap_or(i16::MAX).max(1)
}

/// Which rows of the goal tables a process needs to be there, and to have children only if they may
/// go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// This goal. It may be missing: it is stored with what is generated for it.
    pub goal: Option<Uuid>,
    /// These sub-goals.
    pub sub_goals: Vec<Uuid>,
    /// All sub-goals of this goal.
    pub sub_goals_of: Option<Uuid>,
    /// These actions.
    pub actions: Vec<Uuid>,
    /// All actions of this goal.
    pub actions_of: Option<Uuid>,
}

impl Params {
    /// The type that these params belong to.
    #[must_use]
    pub const fn chart_type(&self) -> ChartType {
        match self {
            Self::SubGoals(_) => ChartType::SubgoalGeneration,
            Self::Actions(_) => ChartType::ActionGeneration,
            Self::Tasks(_) => ChartType::TaskGeneration,
            Self::Chart(_) => ChartType::ChartGeneration,
        }
    }

    /// What the process is about: a goal, a sub-goal or an action.
    #[must_use]
    pub const fn target_id(&self) -> Uuid {
        match self {
            Self::SubGoals(goal) | Self::Chart(ChartParams { goal, .. }) => goal.goal_id,
            Self::Actions(part) | Self::Tasks(part) => part.of.id(),
        }
    }

    /// Whether children that are already there give way.
    #[must_use]
    pub const fn replace(&self) -> bool {
        match self {
            Self::SubGoals(goal) | Self::Chart(ChartParams { goal, .. }) => goal.replace,
            Self::Actions(part) | Self::Tasks(part) => part.replace,
        }
    }

    /// The last thing that is written.
    #[must_use]
    pub const fn depth(&self) -> Level {
        match self {
            Self::SubGoals(_) => Level::SubGoals,
            Self::Actions(_) => Level::Actions,
            Self::Tasks(_) => Level::Tasks,
            Self::Chart(chart) => chart.depth,
        }
    }

    /// The goal that is stored with what is generated for it, if the app has not stored it yet.
    #[must_use]
    pub const fn new_goal(&self) -> Option<&GoalParams> {
        match self {
            Self::SubGoals(goal) | Self::Chart(ChartParams { goal, only: None, .. }) => Some(goal),
            Self::Chart(_) | Self::Actions(_) | Self::Tasks(_) => None,
        }
    }

    /// Whether there may be several targets, so that what is written is staged first.
    #[must_use]
    pub const fn has_several_targets(&self) -> bool {
        match self {
            Self::SubGoals(_) => false,
            Self::Actions(part) | Self::Tasks(part) => matches!(part.of, Part::GoalId(_)),
            Self::Chart(_) => true,
        }
    }

    /// Model calls that are made if every answer is right: at most so many, where a goal's parts
    /// are counted only when the work begins.
    #[must_use]
    pub fn planned_calls(&self) -> i16 {
        let of_parts = |parts: &PartParams, of_a_goal| match (&parts.only, parts.of) {
            (Some(only), _) => count(only),
            (None, Part::GoalId(_)) => of_a_goal,
            (None, Part::SubGoalId(_) | Part::ActionId(_)) => 1,
        };
        match self {
            Self::SubGoals(_) => 1,
            Self::Actions(parts) => of_parts(parts, PARTS),
            Self::Tasks(parts) => of_parts(parts, PARTS * PARTS),
            Self::Chart(ChartParams { only: Some(only), depth, .. }) => {
                count(only).saturating_mul(Level::Actions.targets_to(*depth))
            }
            Self::Chart(chart) => Level::SubGoals.targets_to(chart.depth),
        }
    }

    /// Whether the process is for what an earlier one left open: what has been filled or has gone
    /// since is left out, instead of standing in the way of the rest.
    #[must_use]
    pub const fn only_what_is_open(&self) -> bool {
        match self {
            Self::SubGoals(_) => false,
            Self::Actions(part) | Self::Tasks(part) => part.only.is_some(),
            Self::Chart(chart) => chart.only.is_some(),
        }
    }

    /// Which rows must be there.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match self {
            Self::SubGoals(goal) | Self::Chart(ChartParams { goal, only: None, .. }) => {
                Needs { goal: Some(goal.goal_id), ..Needs::default() }
            }
            // An id is a sub-goal's or an action's, and is found in one of the two tables.
            Self::Chart(ChartParams { only: Some(only), .. }) => {
                Needs { sub_goals: only.clone(), actions: only.clone(), ..Needs::default() }
            }
            Self::Actions(PartParams { only: Some(only), .. }) => {
                Needs { sub_goals: only.clone(), ..Needs::default() }
            }
            Self::Tasks(PartParams { only: Some(only), .. }) => {
                Needs { actions: only.clone(), ..Needs::default() }
            }
            Self::Actions(PartParams { of, .. }) => match of {
                Part::GoalId(goal) => Needs { sub_goals_of: Some(*goal), ..Needs::default() },
                Part::SubGoalId(id) | Part::ActionId(id) => {
                    Needs { sub_goals: vec![*id], ..Needs::default() }
                }
            },
            Self::Tasks(PartParams { of, .. }) => match of {
                Part::GoalId(goal) => Needs { actions_of: Some(*goal), ..Needs::default() },
                Part::ActionId(id) | Part::SubGoalId(id) => {
                    Needs { actions: vec![*id], ..Needs::default() }
                }
            },
        }
    }

    /// The rows of the tables that these `ids` can be, for such params.
    #[must_use]
    pub fn needs_of(&self, ids: &[Uuid]) -> Needs {
        let ids = ids.to_vec();
        match self {
            Self::Tasks(_) => Needs { actions: ids, ..Needs::default() },
            Self::Actions(_) => Needs { sub_goals: ids, ..Needs::default() },
            // An id is a sub-goal's or an action's, and is found in one of the two tables.
            Self::SubGoals(_) | Self::Chart(_) => {
                Needs { sub_goals: ids.clone(), actions: ids, ..Needs::default() }
            }
        }
    }

    /// The params of a retry of a process that ended with `result`: after a partial success, only
    /// what it left open.
    #[must_use]
    pub fn for_retry_after(mut self, result: Option<&Value>) -> Self {
        let failed = result.map(parse_failed_targets).filter(|failed| !failed.is_empty());
        match &mut self {
            Self::Actions(PartParams { only, .. })
            | Self::Tasks(PartParams { only, .. })
            | Self::Chart(ChartParams { only, .. })
                if failed.is_some() =>
            {
                *only = failed;
            }
            _ => {}
        }
        self
    }

    /// As the row keeps them.
    ///
    /// # Errors
    /// Never for these types; `serde_json` cannot know that.
    pub fn to_stored(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::SubGoals(goal) => serde_json::to_value(goal),
            Self::Actions(part) | Self::Tasks(part) => serde_json::to_value(part),
            Self::Chart(chart) => serde_json::to_value(chart),
        }
    }

    /// Reads them back from a row.
    ///
    /// # Errors
    /// When the type is none of a chart's, or the params are not those of the type: only a foreign
    /// hand can have done that.
    pub fn parse_stored(
        process_type: &ProcessType,
        stored: &Value,
    ) -> Result<Self, UnreadableParams> {
        let chart_type = process_type
            .as_str()
            .parse()
            .map_err(|_| UnreadableParams(format!("{process_type} is no type of a chart")))?;
        match chart_type {
            ChartType::SubgoalGeneration => GoalParams::deserialize(stored).map(Self::SubGoals),
            ChartType::ActionGeneration => PartParams::deserialize(stored).map(Self::Actions),
            ChartType::TaskGeneration => PartParams::deserialize(stored).map(Self::Tasks),
            ChartType::ChartGeneration => ChartParams::deserialize(stored).map(Self::Chart),
        }
        .map_err(|error| UnreadableParams(describe_json_error(&error)))
    }
}
