//! Completing a process of a chart: what it generated appears in the goal tables in the statement
//! that makes it COMPLETED, or not at all.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    chart::{Action, Chart, Row, Rows, SubGoal, Task},
    process::{Actor, ErrorCode, Failure, ProcessId},
    store::{Completion, Connection, NewRows},
};

/// Rows of one table with the parent of each.
type Children<'a, T> = Vec<(Uuid, &'a Row<T>)>;

/// The parts table by table, and which parents must be in the tables already.
#[derive(Default)]
struct Sorted<'a> {
    sub_goals: Children<'a, SubGoal>,
    actions: Children<'a, Action>,
    tasks: Children<'a, Task>,
    old_sub_goals: Vec<Uuid>,
    old_actions: Vec<Uuid>,
}

impl<'a> Sorted<'a> {
    fn of(parts: &'a [(Uuid, Rows)]) -> Self {
        let mut sorted = Self::default();
        for (parent, rows) in parts {
            match rows {
                Rows::SubGoals(rows) => {
                    sorted.sub_goals.extend(rows.iter().map(|row| (*parent, row)));
                }
                Rows::Actions(rows) => sorted.actions.extend(rows.iter().map(|row| (*parent, row))),
                Rows::Tasks(rows) => sorted.tasks.extend(rows.iter().map(|row| (*parent, row))),
            }
        }
        let new: HashSet<Uuid> = sorted
            .sub_goals
            .iter()
            .map(|(_, row)| row.id)
            .chain(sorted.actions.iter().map(|(_, row)| row.id))
            .collect();
        for (parent, rows) in parts.iter().filter(|(parent, _)| !new.contains(parent)) {
            match rows {
                Rows::SubGoals(_) => {}
                Rows::Actions(_) => sorted.old_sub_goals.push(*parent),
                Rows::Tasks(_) => sorted.old_actions.push(*parent),
            }
        }
        sorted
    }
}

fn column<T, C>(rows: &Children<'_, T>, field: impl Fn(&Row<T>) -> C) -> Vec<C> {
    rows.iter().map(|(_, row)| field(row)).collect()
}

fn parents<T>(rows: &Children<'_, T>) -> Vec<Uuid> {
    rows.iter().map(|(parent, _)| *parent).collect()
}

/// Others can store something while the statement runs, and then it is run again, so often.
const MAX_ATTEMPTS: u32 = 5;

/// The foreign keys of what is inserted.
const OWN_FOREIGN_KEYS: [&str; 3] =
    ["sub_goals_goal_id_fkey", "actions_sub_goal_id_fkey", "tasks_action_id_fkey"];

pub(super) async fn complete(
    connection: &mut Connection,
    id: ProcessId,
    attempt: i32,
    new: &NewRows<'_, Chart>,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Completion, Failure> {
    let rows = Sorted::of(new.parts);
    for _ in 0..MAX_ATTEMPTS {
        let completion = try_complete(connection, id, attempt, new, &rows, actor, now).await?;
        if let Some(completion) = completion {
            return Ok(completion);
        }
    }
    let cause = format!("others stored children {MAX_ATTEMPTS} times while it was being completed");
    Err(Failure::new(ErrorCode::DatabaseError, cause))
}

/// `None`: somebody stored something meanwhile that the statement could not see.
async fn try_complete(
    connection: &mut Connection,
    id: ProcessId,
    attempt: i32,
    new: &NewRows<'_, Chart>,
    rows: &Sorted<'_>,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Option<Completion>, Failure> {
    let goal = new.params.new_goal();
    let minutes: Vec<i16> =
        column(&rows.tasks, |row| i16::try_from(row.item.estimated_minutes).unwrap_or(i16::MAX));
    let outcome = sqlx::query_file!(
        "src/store/chart/complete.sql",
        id.0,
        attempt,
        now,
        goal.map(|goal| goal.goal_id),
        new.user_id.0,
        goal.map(|goal| goal.title.as_str()),
        goal.map(|goal| goal.description.as_str()),
        goal.map(|goal| goal.deadline),
        goal.map(|goal| goal.background.as_str()),
        goal.and_then(|goal| goal.constraints.as_deref()),
        new.params.replace(),
        &rows.old_sub_goals,
        &rows.old_actions,
        new.result,
        new.detail,
        actor.as_str(),
        &column(&rows.sub_goals, |row| row.id),
        &parents(&rows.sub_goals),
        &column(&rows.sub_goals, |row| row.position),
        &column(&rows.sub_goals, |row| row.item.title.clone()),
        &column(&rows.sub_goals, |row| row.item.description.clone()),
        &column(&rows.sub_goals, |row| row.item.background.clone()),
        &column(&rows.actions, |row| row.id),
        &parents(&rows.actions),
        &column(&rows.actions, |row| row.position),
        &column(&rows.actions, |row| row.item.title.clone()),
        &column(&rows.actions, |row| row.item.description.clone()),
        &column(&rows.actions, |row| row.item.background.clone()),
        &column(&rows.actions, |row| row.item.action_type.as_str().to_owned()),
        &column(&rows.tasks, |row| row.id),
        &parents(&rows.tasks),
        &column(&rows.tasks, |row| row.position),
        &column(&rows.tasks, |row| row.item.title.clone()),
        &column(&rows.tasks, |row| row.item.description.clone()),
        &column(&rows.tasks, |row| row.item.task_type.as_str().to_owned()),
        &minutes,
    )
    .fetch_one(connection)
    .await;
    match outcome {
        Ok(row) => Ok(if row.done {
            Some(Completion::Completed)
        } else if !row.current {
            Some(Completion::Fenced)
        } else if row.foreign_goal {
            Some(Completion::Forbidden)
        } else if row.gone {
            Some(Completion::TargetNotFound)
        } else {
            row.occupied.then_some(Completion::TargetNotEmpty)
        }),
        Err(sqlx::Error::Database(error)) => match error.constraint() {
            Some(
                "sub_goals_one_per_position"
                | "actions_one_per_position"
                | "tasks_one_per_position",
            ) => Ok(None),
            // It went between the statement's look and the check of the foreign key. The app's own
            // foreign keys, which do not let go what is to be replaced, are another matter.
            Some(name) if OWN_FOREIGN_KEYS.contains(&name) => Ok(Some(Completion::TargetNotFound)),
            _ => Err(sqlx::Error::Database(error).into()),
        },
        Err(error) => Err(error.into()),
    }
}
