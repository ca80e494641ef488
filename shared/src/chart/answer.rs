//! Whether a model wrote what it was asked for, item by item: what is right is kept, and a repair
//! asks for the rest only.

use std::{collections::HashSet, ops::RangeInclusive};

use serde_json::{Map, Value};
use uuid::Uuid;

use self::fields::{Fields, kind, unquoted, whole};
use super::{
    ACTIONS, Action, ActionType, BACKGROUND_LENGTH, DESCRIPTION_LENGTH, Draft, Level, Row, Rows,
    SUB_GOALS, SubGoal, TASK_DESCRIPTION_LENGTH, TASK_MINUTES, TASK_TITLE_LENGTH, TASKS,
    TITLE_LENGTH, Task, draft::INDEX,
};
use crate::{
    process::Rejection,
    validation::{Rule, Text, Violation, text},
};

mod fields;

/// What is wrong with an answer of a chart, and what of it is right.
pub type ChartRejection = Rejection<Draft>;

/// Reads an answer of `level`, and gives each item an id and its position. With `draft`, the answer
/// is that to the repair of `draft`: its items take the places of the broken ones.
///
/// # Errors
/// Every rule that the answer breaks, by item and field, with what is right: nothing is cut or
/// filled in silently.
pub fn parse_answer(
    level: Level,
    answer: &Value,
    draft: Option<Draft>,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Result<Rows, ChartRejection> {
    match level {
        Level::SubGoals => parse_items(level, answer, draft, |fields| Some(sub_goal(fields)))
            .map(|items| Rows::SubGoals(rows(items, new_id))),
        Level::Actions => parse_items(level, answer, draft, action)
            .map(|items| Rows::Actions(rows(items, new_id))),
        Level::Tasks => {
            parse_items(level, answer, draft, task).map(|items| Rows::Tasks(rows(items, new_id)))
        }
    }
}

fn rows<T>(items: Vec<T>, new_id: &mut dyn FnMut() -> Uuid) -> Vec<Row<T>> {
    (0..).zip(items).map(|(position, item)| Row { id: new_id(), position, item }).collect()
}

/// How many items an answer of `level` has.
pub(super) const fn count(level: Level) -> RangeInclusive<usize> {
    match level {
        Level::SubGoals => SUB_GOALS..=SUB_GOALS,
        Level::Actions => ACTIONS..=ACTIONS,
        Level::Tasks => TASKS,
    }
}

/// Reads the fields of one item; `None` where one is missing that has no empty value.
type ReadItem<T> = fn(&mut Fields<'_>) -> Option<T>;

fn sub_goal(fields: &mut Fields<'_>) -> SubGoal {
    SubGoal {
        title: fields.text("title", Text::Line, TITLE_LENGTH),
        description: fields.text("description", Text::Lines, DESCRIPTION_LENGTH),
        background: fields.text("background", Text::Lines, BACKGROUND_LENGTH),
    }
}

fn action(fields: &mut Fields<'_>) -> Option<Action> {
    let SubGoal { title, description, background } = sub_goal(fields);
    Some(Action { title, description, background, action_type: action_type(fields)? })
}

fn task(fields: &mut Fields<'_>) -> Option<Task> {
    let title = fields.text("title", Text::Line, TASK_TITLE_LENGTH);
    let description = fields.text("description", Text::Lines, TASK_DESCRIPTION_LENGTH);
    // Both are read before either can end the reading, so that every violation is found.
    let task_type = action_type(fields);
    let estimated_minutes = fields.whole("estimatedMinutes", TASK_MINUTES);
    Some(Task { title, description, task_type: task_type?, estimated_minutes: estimated_minutes? })
}

fn action_type(fields: &mut Fields<'_>) -> Option<ActionType> {
    fields.one_of("type", ActionType::NAMES, |name| name.parse().ok())
}

fn parse_items<T>(
    level: Level,
    answer: &Value,
    draft: Option<Draft>,
    read: ReadItem<T>,
) -> Result<Vec<T>, ChartRejection> {
    let list = match list(level, answer) {
        Ok(list) => list,
        // What was asked for is still to be written: all of it, or the draft's broken items.
        Err(violation) => return Err(Rejection { violations: vec![violation], draft }),
    };
    let (items, kept, mut open) = match draft {
        None => (list, Vec::new(), Vec::new()),
        Some(draft) => draft.merge(level, &list),
    };
    let count = count(level);
    if !count.contains(&items.len()) {
        let (min, max) = (*count.start(), *count.end());
        let rule = Rule::Count { min, max, actual: items.len() };
        return Err(Rejection {
            violations: vec![Violation::new(level.field(), rule)],
            draft: None,
        });
    }
    let mut parsed = Vec::new();
    for (index, item) in items.iter().enumerate() {
        if open.iter().any(|(missing, _)| *missing == index) {
            continue;
        }
        match parse_item(format!("{}[{index}]", level.field()), item, read) {
            Ok(item) => parsed.push(item),
            Err(violations) => open.push((index, violations)),
        }
    }
    for index in duplicates(&items, &kept, &open) {
        let path = format!("{}[{index}].title", level.field());
        open.push((index, vec![Violation::new(path, Rule::Duplicate)]));
    }
    if open.is_empty() {
        return Ok(parsed);
    }
    open.sort_by_key(|(index, _)| *index);
    let violations = open.iter().flat_map(|(_, violations)| violations.clone()).collect();
    let broken: Vec<usize> = open.into_iter().map(|(index, _)| index).collect();
    Err(Rejection { draft: Draft::new(items, &broken), violations })
}

/// The list that an answer is to consist of.
fn list(level: Level, answer: &Value) -> Result<Vec<Value>, Violation> {
    let field = level.field();
    let answer = unquoted(answer);
    let Some(object) = answer.as_object() else {
        return Err(Violation::new("answer", kind("object", &answer)));
    };
    let value = object.get(field).ok_or_else(|| Violation::new(field, Rule::Required))?;
    if object.len() > 1 {
        return Err(Violation::new("answer", Rule::Unknown { known: field.to_owned() }));
    }
    match unquoted(value).into_owned() {
        Value::Array(items) => Ok(items),
        other => Err(Violation::new(field, kind("list", &other))),
    }
}

fn parse_item<T>(path: String, item: &Value, read: ReadItem<T>) -> Result<T, Vec<Violation>> {
    let mut fields = Fields::new(path, item).map_err(|violation| vec![violation])?;
    let item = read(&mut fields);
    let violations = fields.finish();
    // An item that could not be read has a violation that says why.
    item.filter(|_| violations.is_empty()).ok_or(violations)
}

/// The items whose title another one has, as people see it. Of two, the one is right that was right
/// before, or else the first. Those that are broken anyway take no title from others.
fn duplicates(items: &[Value], kept: &[usize], open: &[(usize, Vec<Violation>)]) -> Vec<usize> {
    let is_open = |index: &usize| open.iter().any(|(broken, _)| broken == index);
    let written = (0..items.len()).filter(|index| !kept.contains(index));
    let mut titles = HashSet::new();
    kept.iter()
        .copied()
        .chain(written)
        .filter(|index| !is_open(index))
        .filter(|index| !titles.insert(text::as_seen(&title(&items[*index]))))
        .collect()
}

/// The title of an item that may be anything.
pub(super) fn title(item: &Value) -> String {
    let item = unquoted(item);
    item.get("title").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Takes the place that an item of a repair is for out of it.
pub(super) fn take_index(item: &Value) -> (Option<usize>, Value) {
    let mut item = unquoted(item).into_owned();
    let index = item.as_object_mut().and_then(|fields: &mut Map<_, _>| fields.remove(INDEX));
    let index = index.and_then(|index| whole(&unquoted(&index)));
    (index.and_then(|index| usize::try_from(index).ok()), item)
}

#[cfg(test)]
mod tests;
