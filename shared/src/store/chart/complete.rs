//! Completing a process of a chart: what it generated appears in the goal tables in the statement
//! that makes it COMPLETED, or not at all.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{
    chart::{Action, Chart, Row, Rows, SubGoal, Task},
    process::{Actor, Failure, ProcessId},
    store::{Completion, NewRows},
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

pub(super) async fn complete(
    connection: &mut PgConnection,
    id: ProcessId,
    attempt: i32,
    new: &NewRows<'_, Chart>,
    actor: Actor,
    now: DateTime<Utc>,
) -> Result<Completion, Failure> {
    let rows = Sorted::of(new.parts);
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
        Ok(row) if row.done => Ok(Completion::Completed),
        Ok(row) if !row.current => Ok(Completion::Fenced),
        Ok(row) if !row.goal => Ok(Completion::Forbidden),
        Ok(_) => Ok(Completion::TargetNotFound),
        Err(sqlx::Error::Database(error)) => match error.constraint() {
            Some(
                "sub_goals_one_per_position"
                | "actions_one_per_position"
                | "tasks_one_per_position",
            ) => Ok(Completion::TargetNotEmpty),
            // It went between the statement's look and the check of the foreign key.
            _ if error.is_foreign_key_violation() => Ok(Completion::TargetNotFound),
            _ => Err(sqlx::Error::Database(error).into()),
        },
        Err(error) => Err(error.into()),
    }
}
