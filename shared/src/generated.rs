//! What a model is asked to write, and whether it did. The limits stand here once: the schema that the model is given and the
//! check of its answer are made from the same constants.

use std::{collections::HashSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::validation::{Rule, Text, Violation, check_text};

/// Sub-goals around a goal.
pub const SUB_GOALS: usize = 8;
/// Characters of a sub-goal's or action's title.
pub const TITLE_LENGTH: RangeInclusive<usize> = 1..=30;
/// Characters of a sub-goal's or action's description.
pub const DESCRIPTION_LENGTH: RangeInclusive<usize> = 50..=200;
/// Characters of a sub-goal's or action's background.
pub const BACKGROUND_LENGTH: RangeInclusive<usize> = 1..=100;

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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubGoals {
    sub_goals: Vec<SubGoal>,
}

fn text_schema(length: &RangeInclusive<usize>, description: &str) -> Value {
    json!({"type": "string", "minLength": length.start(), "maxLength": length.end(), "description": description})
}

/// JSON Schema of an answer with eight sub-goals.
#[must_use]
pub fn sub_goals_schema() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["subGoals"],
        "properties": {"subGoals": {
            "type": "array", "minItems": SUB_GOALS, "maxItems": SUB_GOALS,
            "items": {
                "type": "object",
                "additionalProperties": false,
                "required": ["title", "description", "background"],
                "properties": {
                    "title": text_schema(&TITLE_LENGTH, "サブ目標の名前。ほかと重複しないこと。"),
                    "description": text_schema(&DESCRIPTION_LENGTH, "何をどこまで達成するかの説明。"),
                    "background": text_schema(&BACKGROUND_LENGTH, "目標にとってなぜ必要か。"),
                },
            },
        }},
    })
}

/// Reads an answer with eight sub-goals.
///
/// # Errors
/// Every rule that the answer breaks, by field: nothing is cut or filled in silently.
pub fn parse_sub_goals(answer: &Value) -> Result<Vec<SubGoal>, Vec<Violation>> {
    let SubGoals { sub_goals } = SubGoals::deserialize(answer)
        .map_err(|_| vec![Violation::new("subGoals", Rule::Type { expected: "list of {title, description, background}" })])?;
    let mut violations = Vec::new();
    if sub_goals.len() != SUB_GOALS {
        violations.push(Violation::new("subGoals", Rule::Count { min: SUB_GOALS, max: SUB_GOALS, actual: sub_goals.len() }));
    }
    let mut titles = HashSet::new();
    for (index, sub_goal) in sub_goals.iter().enumerate() {
        let fields = [
            ("title", &sub_goal.title, Text::Line, TITLE_LENGTH),
            ("description", &sub_goal.description, Text::Lines, DESCRIPTION_LENGTH),
            ("background", &sub_goal.background, Text::Lines, BACKGROUND_LENGTH),
        ];
        for (field, text, kind, length) in fields {
            if let Some(rule) = check_text(text, kind, length) {
                violations.push(Violation::new(format!("subGoals[{index}].{field}"), rule));
            }
        }
        if !titles.insert(sub_goal.title.trim()) {
            violations.push(Violation::new(format!("subGoals[{index}].title"), Rule::Duplicate));
        }
    }
    if violations.is_empty() { Ok(sub_goals) } else { Err(violations) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Value {
        let sub_goals: Vec<_> =
            (0..8).map(|i| json!({"title": format!("サブ目標{i}"), "description": "説".repeat(50), "background": "背景"})).collect();
        json!({ "subGoals": sub_goals })
    }

    fn fields(answer: &Value) -> Vec<String> {
        parse_sub_goals(answer).unwrap_err().into_iter().map(|violation| violation.field).collect()
    }

    #[test]
    fn eight_sub_goals_within_their_limits_are_accepted() {
        assert_eq!(parse_sub_goals(&answer()).unwrap().len(), 8);
    }

    #[test]
    fn seven_or_nine_are_refused() {
        let mut seven = answer();
        seven["subGoals"].as_array_mut().unwrap().pop();
        assert_eq!(fields(&seven), ["subGoals"]);
        let mut nine = answer();
        nine["subGoals"].as_array_mut().unwrap().push(json!({"title": "九つ目", "description": "説".repeat(50), "background": "背景"}));
        assert_eq!(fields(&nine), ["subGoals"]);
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_and_not_cut() {
        let mut long = answer();
        long["subGoals"][3]["title"] = json!("長".repeat(31));
        long["subGoals"][4]["description"] = json!("短い");
        assert_eq!(fields(&long), ["subGoals[3].title", "subGoals[4].description"]);
    }

    #[test]
    fn a_repeated_title_is_refused() {
        let mut repeated = answer();
        repeated["subGoals"][7]["title"] = json!("サブ目標0 ");
        assert_eq!(fields(&repeated), ["subGoals[7].title"]);
    }

    #[test]
    fn what_is_no_list_of_sub_goals_is_refused() {
        for nonsense in [json!("text"), json!({}), json!({"subGoals": "eight"}), json!({"subGoals": [1]}), Value::Null] {
            assert_eq!(fields(&nonsense), ["subGoals"]);
        }
    }
}
