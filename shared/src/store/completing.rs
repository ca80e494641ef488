//! Completing a process: what it generated appears in the goal tables in the statement that makes
//! it COMPLETED, or not at all.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Actor, Store, failure_of};
use crate::{
    failure::Failure,
    generated::{Action, Row, Rows, SubGoal, Task},
    params::GoalParams,
    process::{ProcessId, UserId},
};

/// What became of a wish to complete a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Everything is stored and the process is COMPLETED.
    Completed,
    /// The process has ended otherwise, or a newer attempt is the current one: nothing was stored.
    Fenced,
    /// The goal has come to belong to another user: nothing was stored.
    Forbidden,
    /// A target has gone, or belongs to another user: nothing was stored.
    TargetNotFound,
    /// A target has come to have children that must not go: nothing was stored.
    TargetNotEmpty,
}

/// Rows that are ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRows<'a> {
    /// Whose.
    pub user_id: &'a UserId,
    /// The goal, which is stored too if the app has not done so.
    pub goal: Option<&'a GoalParams>,
    /// Whether the children that the targets have already give way.
    pub replace: bool,
    /// The targets with what was written for them; a target may be a row of another's.
    pub parts: &'a [(Uuid, Rows)],
    /// For the status answer.
    pub result: &'a Value,
    /// For the history: which model answered, its tokens.
    pub detail: &'a Value,
}

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
                    sorted.sub_goals.extend(rows.iter().map(|row| (*parent, row)))
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

impl Store {
    /// Stores everything and completes the process, all in one statement. Repeating it after a lost
    /// answer finds the process completed, and is fenced.
    ///
    /// # Errors
    /// When the database fails.
    #[expect(clippy::too_many_lines, reason = "one statement, and its values one by one")]
    pub async fn complete(
        &self,
        id: ProcessId,
        attempt: i32,
        new: &NewRows<'_>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure> {
        let rows = Sorted::of(new.parts);
        let goal = new.goal;
        let minutes: Vec<i16> = column(&rows.tasks, |row| {
            i16::try_from(row.item.estimated_minutes).unwrap_or(i16::MAX)
        });
        let mut connection = self.database.connection().await?;
        let outcome = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status FROM processing_state WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING' FOR UPDATE
            ), goal AS (
                INSERT INTO goals (id, user_id, title, description, deadline, background, constraints, process_id, created_at, updated_at)
                SELECT $4, $5, $6, $7, $8, $9, $10, $1, $3, $3 FROM before WHERE $4::uuid IS NOT NULL
                ON CONFLICT (id) DO UPDATE SET updated_at = goals.updated_at WHERE goals.user_id = excluded.user_id
                RETURNING id
            ), target AS (
                SELECT part.id FROM sub_goals part JOIN goals ON goals.id = part.goal_id WHERE part.id = ANY($12) AND goals.user_id = $5
                UNION ALL
                SELECT part.id FROM actions part JOIN sub_goals ON sub_goals.id = part.sub_goal_id JOIN goals ON goals.id = sub_goals.goal_id
                WHERE part.id = ANY($13) AND goals.user_id = $5
            ), ready AS (
                SELECT (SELECT count(*) FROM target) = cardinality($12::uuid[]) + cardinality($13::uuid[]) AS targets,
                       $4::uuid IS NULL OR EXISTS (SELECT FROM goal) AS goal
            ), done AS (
                UPDATE processing_state process SET status = 'COMPLETED', progress = 100, result = $14, error = NULL, updated_at = $3, completed_at = $3
                FROM before, ready WHERE process.id = before.id AND process.attempt = $2 AND ready.targets AND ready.goal
                RETURNING process.id
            ), removed_sub_goals AS (
                DELETE FROM sub_goals WHERE $11 AND goal_id = $4 AND EXISTS (SELECT FROM done)
            ), removed_actions AS (
                DELETE FROM actions WHERE $11 AND sub_goal_id = ANY($12) AND EXISTS (SELECT FROM done)
            ), removed_tasks AS (
                DELETE FROM tasks WHERE $11 AND action_id = ANY($13) AND EXISTS (SELECT FROM done)
            ), added_sub_goals AS (
                INSERT INTO sub_goals (id, goal_id, position, title, description, background, process_id, created_at, updated_at)
                SELECT new.*, $1, $3, $3
                FROM done, UNNEST($17::uuid[], $18::uuid[], $19::smallint[], $20::text[], $21::text[], $22::text[]) AS new
            ), added_actions AS (
                INSERT INTO actions (id, sub_goal_id, position, title, description, background, type, process_id, created_at, updated_at)
                SELECT new.*, $1, $3, $3
                FROM done, UNNEST($23::uuid[], $24::uuid[], $25::smallint[], $26::text[], $27::text[], $28::text[], $29::text[]) AS new
            ), added_tasks AS (
                INSERT INTO tasks (id, action_id, position, title, description, type, estimated_minutes, process_id, created_at, updated_at)
                SELECT new.*, $1, $3, $3
                FROM done, UNNEST($30::uuid[], $31::uuid[], $32::smallint[], $33::text[], $34::text[], $35::text[], $36::smallint[]) AS new
            ), dropped_outputs AS (
                DELETE FROM processing_output WHERE process_id IN (SELECT id FROM done)
            ), dropped_batches AS (
                DELETE FROM processing_batch WHERE process_id IN (SELECT id FROM done)
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor, detail)
                SELECT $3, done.id, $2, 'completed', before.status, 'COMPLETED', $16, $15 FROM done JOIN before USING (id)
            )
            SELECT EXISTS (SELECT FROM before) AS "current!", EXISTS (SELECT FROM done) AS "done!", (SELECT goal FROM ready) AS "goal!"
            "#,
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
            new.replace,
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
        .fetch_one(&mut *connection)
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
                _ => Err(failure_of(&sqlx::Error::Database(error))),
            },
            Err(error) => Err(failure_of(&error)),
        }
    }
}
