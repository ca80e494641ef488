//! Reading the params of a request.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    ChartParams, ChartType, GoalParams, Level, Params, Part, PartParams, params::DEFAULT_DEPTH,
};
use crate::validation::{Reader, Rule, Text};

/// Reads the params of a request of `chart_type`, and notes every violation in `reader`.
pub(super) fn read_params(
    chart_type: ChartType,
    reader: &mut Reader<'_>,
    params: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Option<Params> {
    match chart_type {
        ChartType::SubgoalGeneration => read_goal(reader, now).map(Params::SubGoals),
        ChartType::ActionGeneration => {
            read_part(reader, params, "subGoalId", Part::SubGoalId, "subGoalId, goalId")
                .map(Params::Actions)
        }
        ChartType::TaskGeneration => {
            read_part(reader, params, "actionId", Part::ActionId, "actionId, goalId")
                .map(Params::Tasks)
        }
        ChartType::ChartGeneration => {
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

fn read_depth(reader: &mut Reader<'_>) -> Option<Level> {
    let Some(value) = reader.optional("depth") else { return Some(DEFAULT_DEPTH) };
    let depth = Level::deserialize(value).ok();
    if depth.is_none() {
        reader.violate("depth", Rule::OneOf { allowed: Level::NAMES });
    }
    depth
}

#[cfg(test)]
mod tests;
