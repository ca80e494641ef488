//! What a model is asked to write, and whether it did. The limits stand here once: the schema that
//! the model is given and the check of its answer are made from the same constants.

use std::{collections::HashSet, ops::RangeInclusive};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::validation::{Rule, Text, Violation, check_text};

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

/// What is written for a target, from the middle of the chart outwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Eight sub-goals, for a goal.
    SubGoals,
    /// Eight actions, for a sub-goal.
    Actions,
    /// One to eight tasks, for an action.
    Tasks,
}

impl Kind {
    /// What is written for what this writes; nothing for tasks.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::SubGoals => Some(Self::Actions),
            Self::Actions => Some(Self::Tasks),
            Self::Tasks => None,
        }
    }

    /// The field of an answer and of a result that holds it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::SubGoals => "subGoals",
            Self::Actions => "actions",
            Self::Tasks => "tasks",
        }
    }

    /// How many targets there are from one of this kind down to `depth`, itself included.
    #[must_use]
    pub fn targets_to(self, depth: Self) -> i16 {
        match self {
            _ if self >= depth => 1,
            Self::SubGoals => 1 + 8 * Self::Actions.targets_to(depth),
            Self::Actions | Self::Tasks => 1 + 8,
        }
    }
}

/// How a person gets something done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ActionType {
    /// Once.
    Execution,
    /// Again and again.
    Habit,
}

impl ActionType {
    /// Its name on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "EXECUTION",
            Self::Habit => "HABIT",
        }
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

/// JSON Schema of an answer of `kind`.
#[must_use]
pub fn schema(kind: Kind) -> Value {
    let text = |length: &RangeInclusive<usize>, description: &str| json!({"type": "string", "minLength": length.start(), "maxLength": length.end(), "description": description});
    let choice = json!({"type": "string", "enum": ["EXECUTION", "HABIT"], "description": "EXECUTION: 一度で終わる。HABIT: 習慣として繰り返す。"});
    let (count, properties) = match kind {
        Kind::SubGoals => (
            SUB_GOALS..=SUB_GOALS,
            json!({
                "title": text(&TITLE_LENGTH, "サブ目標の名前。ほかと重複しないこと。"),
                "description": text(&DESCRIPTION_LENGTH, "何をどこまで達成するかの説明。"),
                "background": text(&BACKGROUND_LENGTH, "目標にとってなぜ必要か。"),
            }),
        ),
        Kind::Actions => (
            ACTIONS..=ACTIONS,
            json!({
                "title": text(&TITLE_LENGTH, "アクションの名前。ほかと重複しないこと。"),
                "description": text(&DESCRIPTION_LENGTH, "何をどのように行うかの説明。"),
                "background": text(&BACKGROUND_LENGTH, "サブ目標にとってなぜ必要か。"),
                "type": choice,
            }),
        ),
        Kind::Tasks => (
            TASKS,
            json!({
                "title": text(&TASK_TITLE_LENGTH, "タスクの名前。ほかと重複しないこと。"),
                "description": text(&TASK_DESCRIPTION_LENGTH, "具体的な手順。"),
                "type": choice,
                "estimatedMinutes": {"type": "integer", "minimum": TASK_MINUTES.start(), "maximum": TASK_MINUTES.end(), "description": "所要時間(分)。"},
            }),
        ),
    };
    let required: Vec<&String> =
        properties.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    let items = json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties});
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": [kind.field()],
        "properties": {kind.field(): {"type": "array", "minItems": count.start(), "maxItems": count.end(), "items": items}},
    })
}

/// Reads an answer of `kind`, and gives each item an id and its position.
///
/// # Errors
/// Every rule that the answer breaks, by field: nothing is cut or filled in silently.
pub fn parse(
    kind: Kind,
    answer: &Value,
    mut new_id: impl FnMut() -> Uuid,
) -> Result<Rows, Vec<Violation>> {
    match kind {
        Kind::SubGoals => parse_items(kind, answer, SUB_GOALS..=SUB_GOALS, check_sub_goal)
            .map(|items| Rows::SubGoals(rows(items, &mut new_id))),
        Kind::Actions => parse_items(kind, answer, ACTIONS..=ACTIONS, check_action)
            .map(|items| Rows::Actions(rows(items, &mut new_id))),
        Kind::Tasks => parse_items(kind, answer, TASKS, check_task)
            .map(|items| Rows::Tasks(rows(items, &mut new_id))),
    }
}

fn rows<T>(items: Vec<T>, new_id: &mut impl FnMut() -> Uuid) -> Vec<Row<T>> {
    (0..).zip(items).map(|(position, item)| Row { id: new_id(), position, item }).collect()
}

/// The texts of an item by field, the first of them its title, and what else is wrong with it.
type Checked<'a> =
    (Vec<(&'static str, &'a str, Text, RangeInclusive<usize>)>, Option<(&'static str, Rule)>);

fn check_sub_goal(item: &SubGoal) -> Checked<'_> {
    let texts = vec![
        ("title", item.title.as_str(), Text::Line, TITLE_LENGTH),
        ("description", item.description.as_str(), Text::Lines, DESCRIPTION_LENGTH),
        ("background", item.background.as_str(), Text::Lines, BACKGROUND_LENGTH),
    ];
    (texts, None)
}

fn check_action(item: &Action) -> Checked<'_> {
    let texts = vec![
        ("title", item.title.as_str(), Text::Line, TITLE_LENGTH),
        ("description", item.description.as_str(), Text::Lines, DESCRIPTION_LENGTH),
        ("background", item.background.as_str(), Text::Lines, BACKGROUND_LENGTH),
    ];
    (texts, None)
}

fn check_task(item: &Task) -> Checked<'_> {
    let texts = vec![
        ("title", item.title.as_str(), Text::Line, TASK_TITLE_LENGTH),
        ("description", item.description.as_str(), Text::Lines, TASK_DESCRIPTION_LENGTH),
    ];
    let (min, max, actual) = (*TASK_MINUTES.start(), *TASK_MINUTES.end(), item.estimated_minutes);
    let minutes = (!TASK_MINUTES.contains(&actual))
        .then_some(("estimatedMinutes", Rule::Range { min, max, actual }));
    (texts, minutes)
}

fn parse_items<T: DeserializeOwned>(
    kind: Kind,
    answer: &Value,
    count: RangeInclusive<usize>,
    check: fn(&T) -> Checked<'_>,
) -> Result<Vec<T>, Vec<Violation>> {
    let field = kind.field();
    let expected = match kind {
        Kind::SubGoals => "list of {title, description, background}",
        Kind::Actions => "list of {title, description, background, type}",
        Kind::Tasks => "list of {title, description, type, estimatedMinutes}",
    };
    let list =
        answer.as_object().filter(|answer| answer.len() == 1).and_then(|answer| answer.get(field));
    let items: Vec<T> = list
        .and_then(|list| Vec::deserialize(list).ok())
        .ok_or_else(|| vec![Violation::new(field, Rule::Type { expected })])?;
    let mut violations = Vec::new();
    if !count.contains(&items.len()) {
        violations.push(Violation::new(
            field,
            Rule::Count { min: *count.start(), max: *count.end(), actual: items.len() },
        ));
    }
    let mut titles = HashSet::new();
    for (index, item) in items.iter().enumerate() {
        let (texts, other) = check(item);
        let path = |name: &str| format!("{field}[{index}].{name}");
        let title = texts.first().map_or("", |(_, title, ..)| title.trim());
        for (name, text, text_kind, length) in &texts {
            if let Some(rule) = check_text(text, *text_kind, length.clone()) {
                violations.push(Violation::new(path(name), rule));
            }
        }
        if let Some((name, rule)) = other {
            violations.push(Violation::new(path(name), rule));
        }
        if !titles.insert(title.to_owned()) {
            violations.push(Violation::new(path("title"), Rule::Duplicate));
        }
    }
    if violations.is_empty() { Ok(items) } else { Err(violations) }
}

#[cfg(test)]
mod tests;
