//! What a client may ask for: the body of `POST /generate`, checked whole, with every violation named by its path.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    process::ProcessType,
    validation::{Reader, Rule, Text, Violation},
};

/// The process types that can be asked for, for messages.
const PROCESS_TYPES: &str = "SUBGOAL_GENERATION";

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

/// The params of a process, by its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Params {
    /// Eight sub-goals for this goal.
    SubGoals(GoalParams),
}

impl Params {
    /// The type that these params belong to.
    #[must_use]
    pub const fn process_type(&self) -> ProcessType {
        match self {
            Self::SubGoals(_) => ProcessType::SubgoalGeneration,
        }
    }

    /// Whose children are generated.
    #[must_use]
    pub const fn target_id(&self) -> Uuid {
        match self {
            Self::SubGoals(goal) => goal.goal_id,
        }
    }

    /// Whether children that are already there give way.
    #[must_use]
    pub const fn replace(&self) -> bool {
        match self {
            Self::SubGoals(goal) => goal.replace,
        }
    }

    /// As the row keeps them.
    ///
    /// # Errors
    /// Never for these types; `serde_json` cannot know that.
    pub fn to_stored(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::SubGoals(goal) => serde_json::to_value(goal),
        }
    }

    /// Reads them back from a row.
    ///
    /// # Errors
    /// When the row's params are not those of its type: only a foreign hand can have done that.
    pub fn from_stored(process_type: ProcessType, stored: &Value) -> Result<Self, UnreadableParams> {
        match process_type {
            ProcessType::SubgoalGeneration => {
                GoalParams::deserialize(stored).map(Self::SubGoals).map_err(|error| UnreadableParams(error.to_string()))
            }
            ProcessType::ActionGeneration | ProcessType::TaskGeneration => {
                Err(UnreadableParams(format!("this version does not generate {process_type}")))
            }
        }
    }
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
/// Everything that is wrong with it, each by the path of its field. When `type` is unknown, `params` cannot be judged.
pub fn parse_generate(body: &str, now: DateTime<Utc>) -> Result<Params, InvalidRequest> {
    let body: Value = serde_json::from_str(body)
        .map_err(|error| InvalidRequest::Fields(vec![Violation::new("body", Rule::Json { line: error.line(), column: error.column() })]))?;
    let Some(body) = body.as_object() else {
        return Err(InvalidRequest::Fields(vec![Violation::new("body", Rule::Type { expected: "object" })]));
    };
    let mut reader = Reader::new("", body);
    let process_type = match reader.required("type").map(|value| (value, value.as_str().and_then(|name| name.parse().ok()))) {
        None => None,
        Some((_, Some(ProcessType::SubgoalGeneration))) => Some(ProcessType::SubgoalGeneration),
        Some(_) => return Err(InvalidRequest::ProcessType(Violation::new("type", Rule::OneOf { allowed: PROCESS_TYPES }))),
    };
    let params = reader.required("params").and_then(|value| reader.typed("params", value.as_object(), "object"));
    let mut violations = reader.finish();
    let parsed = match (process_type, params) {
        (Some(_), Some(params)) => {
            let (parsed, found) = parse_goal(params, now);
            violations.extend(found);
            parsed.map(Params::SubGoals)
        }
        _ => None,
    };
    match parsed {
        Some(params) if violations.is_empty() => Ok(params),
        _ => Err(InvalidRequest::Fields(violations)),
    }
}

fn parse_goal(params: &Map<String, Value>, now: DateTime<Utc>) -> (Option<GoalParams>, Vec<Violation>) {
    let mut reader = Reader::new("params", params);
    let goal_id = reader.uuid("goalId");
    let title = reader.text("title", Text::Line, 1..=200);
    let description = reader.text("description", Text::Lines, 1..=2000);
    let deadline = reader.future_time("deadline", now);
    let background = reader.text("background", Text::Lines, 1..=2000);
    let constraints = reader.optional_text("constraints", Text::Lines, 0..=2000);
    let replace = reader.flag("replace");
    let goal = (|| {
        Some(GoalParams {
            goal_id: goal_id?,
            title: title?,
            description: description?,
            deadline: deadline?,
            background: background?,
            constraints,
            replace,
        })
    })();
    (goal, reader.finish())
}

#[cfg(test)]
mod tests;
