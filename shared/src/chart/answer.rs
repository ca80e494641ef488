//! Whether a model wrote what it was asked for.

use std::{collections::HashSet, ops::RangeInclusive};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{
    ACTIONS, Action, BACKGROUND_LENGTH, DESCRIPTION_LENGTH, Level, Row, Rows, SUB_GOALS, SubGoal,
    TASK_DESCRIPTION_LENGTH, TASK_MINUTES, TASK_TITLE_LENGTH, TASKS, TITLE_LENGTH, Task,
};
use crate::validation::{Rule, Text, Violation, check_text};

/// Reads an answer of `level`, and gives each item an id and its position.
///
/// # Errors
/// Every rule that the answer breaks, by field: nothing is cut or filled in silently.
pub fn parse_answer(
    level: Level,
    answer: &Value,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Rows, Vec<Violation>> {
    match level {
        Level::SubGoals => parse_items(level, answer, SUB_GOALS..=SUB_GOALS, check_sub_goal)
            .map(|items| Rows::SubGoals(rows(items, new_id))),
        Level::Actions => parse_items(level, answer, ACTIONS..=ACTIONS, check_action)
            .map(|items| Rows::Actions(rows(items, new_id))),
        Level::Tasks => parse_items(level, answer, TASKS, check_task)
            .map(|items| Rows::Tasks(rows(items, new_id))),
    }
}

fn rows<T>(items: Vec<T>, new_id: &mut dyn FnMut() -> Uuid) -> Vec<Row<T>> {
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
    level: Level,
    answer: &Value,
    count: RangeInclusive<usize>,
    check: fn(&T) -> Checked<'_>,
) -> Result<Vec<T>, Vec<Violation>> {
    let field = level.field();
    let expected = match level {
        Level::SubGoals => "list of {title, description, background}",
        Level::Actions => "list of {title, description, background, type}",
        Level::Tasks => "list of {title, description, type, estimatedMinutes}",
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
