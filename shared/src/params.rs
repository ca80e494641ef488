//! What a client may ask for: the body of `POST /generate`, checked whole, with every violation
//! named by its path.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    generated::Kind,
    process::ProcessType,
    validation::{Reader, Rule, Text, Violation},
};

/// The process types that can be asked for, for messages.
const PROCESS_TYPES: &str =
    "SUBGOAL_GENERATION, ACTION_GENERATION, TASK_GENERATION, CHART_GENERATION";
/// The names of [`Kind`] as a depth, for messages.
const DEPTHS: &str = "subGoals, actions, tasks";

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
    pub depth: Kind,
    /// Only these sub-goals and actions: what a partial process left open, for its retry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<Uuid>>,
}

const fn default_depth() -> Kind {
    Kind::Actions
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
    pub const fn process_type(&self) -> ProcessType {
        match self {
            Self::SubGoals(_) => ProcessType::SubgoalGeneration,
            Self::Actions(_) => ProcessType::ActionGeneration,
            Self::Tasks(_) => ProcessType::TaskGeneration,
            Self::Chart(_) => ProcessType::ChartGeneration,
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
    pub const fn depth(&self) -> Kind {
        match self {
            Self::SubGoals(_) => Kind::SubGoals,
            Self::Actions(_) => Kind::Actions,
            Self::Tasks(_) => Kind::Tasks,
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
    pub const fn is_staged(&self) -> bool {
        match self {
            Self::SubGoals(_) => false,
            Self::Actions(part) | Self::Tasks(part) => matches!(part.of, Part::GoalId(_)),
            Self::Chart(_) => true,
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

    /// The params of a retry of a process that ended with `result`: after a partial success, only
    /// what it left open.
    #[must_use]
    pub fn for_retry_after(mut self, result: Option<&Value>) -> Self {
        let failed = result.map(failed_targets).filter(|failed| !failed.is_empty());
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
    /// When the row's params are not those of its type: only a foreign hand can have done that.
    pub fn from_stored(
        process_type: ProcessType,
        stored: &Value,
    ) -> Result<Self, UnreadableParams> {
        match process_type {
            ProcessType::SubgoalGeneration => GoalParams::deserialize(stored).map(Self::SubGoals),
            ProcessType::ActionGeneration => PartParams::deserialize(stored).map(Self::Actions),
            ProcessType::TaskGeneration => PartParams::deserialize(stored).map(Self::Tasks),
            ProcessType::ChartGeneration => ChartParams::deserialize(stored).map(Self::Chart),
        }
        .map_err(|error| UnreadableParams(error.to_string()))
    }
}

/// The targets that a result names as failed.
#[must_use]
pub fn failed_targets(result: &Value) -> Vec<Uuid> {
    let failed = result
        .get("failedTargets")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    failed.iter().filter_map(|target| target.get("targetId")?.as_str()?.parse().ok()).collect()
}

/// The params in a row are not those of its type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored params cannot be read: {0}")]
pub struct UnreadableParams(String);

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRequest {
    /// `type` names no type.
    ProcessType(Violation),
    /// Fields break rules: at least one.
    Fields(Vec<Violation>),
}

/// Reads the body of `POST /generate`.
///
/// # Errors
/// Everything that is wrong with it, each by the path of its field. When `type` is unknown,
/// `params` cannot be judged.
pub fn parse_generate(body: &str, now: DateTime<Utc>) -> Result<Params, InvalidRequest> {
    let body: Value = serde_json::from_str(body).map_err(|error| {
        InvalidRequest::Fields(vec![Violation::new(
            "body",
            Rule::Json { line: error.line(), column: error.column() },
        )])
    })?;
    let Some(body) = body.as_object() else {
        return Err(InvalidRequest::Fields(vec![Violation::new(
            "body",
            Rule::Type { expected: "object" },
        )]));
    };
    let mut reader = Reader::new("", body);
    let process_type = match reader
        .required("type")
        .map(|value| value.as_str().and_then(|name| name.parse().ok()))
    {
        None => None,
        Some(Some(process_type)) => Some(process_type),
        Some(None) => {
            return Err(InvalidRequest::ProcessType(Violation::new(
                "type",
                Rule::OneOf { allowed: PROCESS_TYPES },
            )));
        }
    };
    let params = reader
        .required("params")
        .and_then(|value| reader.typed("params", value.as_object(), "object"));
    let mut violations = reader.finish();
    let parsed = match (process_type, params) {
        (Some(process_type), Some(params)) => {
            let mut reader = Reader::new("params", params);
            let parsed = read_params(process_type, &mut reader, params, now);
            violations.extend(reader.finish());
            parsed
        }
        _ => None,
    };
    match parsed {
        Some(params) if violations.is_empty() => Ok(params),
        _ => Err(InvalidRequest::Fields(violations)),
    }
}

fn read_params(
    process_type: ProcessType,
    reader: &mut Reader<'_>,
    params: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Option<Params> {
    match process_type {
        ProcessType::SubgoalGeneration => read_goal(reader, now).map(Params::SubGoals),
        ProcessType::ActionGeneration => {
            read_part(reader, params, "subGoalId", Part::SubGoalId, "subGoalId, goalId")
                .map(Params::Actions)
        }
        ProcessType::TaskGeneration => {
            read_part(reader, params, "actionId", Part::ActionId, "actionId, goalId")
                .map(Params::Tasks)
        }
        ProcessType::ChartGeneration => {
            let goal = read_goal(reader, now);
            let depth = read_depth(reader);
            Some(Params::Chart(ChartParams { goal: goal?, depth: depth?, only: None }))
        }
    }
}

fn read_goal(reader: &mut Reader<'_>, now: DateTime<Utc>) -> Option<GoalParams> {
    let goal_id = reader.uuid("goalId");
    let title = reader.text("title", Text::Line, 1..=200);
    let description = reader.text("description", Text::Lines, 1..=2000);
    let deadline = reader.future_time("deadline", now);
    let background = reader.text("background", Text::Lines, 1..=2000);
    let constraints = reader.optional_text("constraints", Text::Lines, 0..=2000);
    let replace = reader.flag("replace");
    Some(GoalParams {
        goal_id: goal_id?,
        title: title?,
        description: description?,
        deadline: deadline?,
        background: background?,
        constraints,
        replace,
    })
}

/// One target under `field`, or `goalId` for all of a goal's.
fn read_part(
    reader: &mut Reader<'_>,
    params: &Map<String, Value>,
    field: &'static str,
    part: fn(Uuid) -> Part,
    fields: &'static str,
) -> Option<PartParams> {
    let given = |field: &str| params.get(field).is_some_and(|value| !value.is_null());
    let (one, all) = (reader.optional_uuid(field), reader.optional_uuid("goalId"));
    let replace = reader.flag("replace");
    if given(field) == given("goalId") {
        reader.violate(field, Rule::ExactlyOneOf { fields });
        return None;
    }
    Some(PartParams { of: one.map(part).or(all.map(Part::GoalId))?, replace, only: None })
}

fn read_depth(reader: &mut Reader<'_>) -> Option<Kind> {
    let Some(value) = reader.optional("depth") else { return Some(default_depth()) };
    let depth = Kind::deserialize(value).ok();
    if depth.is_none() {
        reader.violate("depth", Rule::OneOf { allowed: DEPTHS });
    }
    depth
}

#[cfg(test)]
mod tests;
