//! What a worker writes. Each write but the first names the attempt, so that a worker that was overtaken by a newer attempt, or
//! whose process has ended, changes nothing.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, failure_of, processes::known};
use crate::{
    failure::Failure,
    generated::SubGoal,
    params::GoalParams,
    process::{ProcessId, ProcessType, Status, UserId},
};

/// What a worker learns when it begins.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// The process is PROCESSING, and this attempt is the current one.
    Claimed {
        /// The number of this attempt, from 1.
        attempt: i32,
        /// Whose process it is.
        user_id: UserId,
        /// What to generate.
        process_type: ProcessType,
        /// As the row keeps them.
        params: Value,
        /// When it was accepted.
        created_at: DateTime<Utc>,
    },
    /// It has ended before: there is nothing to do.
    Ended(Status),
    /// There is no such process.
    Missing,
}

/// What became of a worker's wish to complete its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completion {
    /// Everything is stored and the process is COMPLETED.
    Completed,
    /// The process has ended otherwise, or a newer attempt is the current one: nothing was stored.
    Fenced,
    /// The goal has come to belong to another user: nothing was stored.
    Forbidden,
    /// The goal has come to have sub-goals that must not go: nothing was stored.
    TargetNotEmpty,
}

/// Eight sub-goals that are ready to be stored.
#[derive(Debug, Clone, PartialEq)]
pub struct NewSubGoals<'a> {
    /// Whose.
    pub user_id: &'a UserId,
    /// The goal, which is stored too if the app has not done so.
    pub goal: &'a GoalParams,
    /// With their new ids, in the order of their positions.
    pub sub_goals: &'a [(Uuid, SubGoal)],
    /// For the status answer.
    pub result: &'a Value,
    /// For the history: which model answered, its tokens.
    pub detail: &'a Value,
}

impl Store {
    /// Begins an attempt on the process: it is PROCESSING from now on, and older attempts are fenced off.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn claim(&self, id: ProcessId, execution_arn: Option<&str>, now: DateTime<Utc>) -> Result<Claim, Failure> {
        let mut connection = self.database.connection().await?;
        let row = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status, attempt, user_id, type, params, created_at FROM processing_state WHERE id = $1 FOR UPDATE
            ), claimed AS (
                UPDATE processing_state process
                SET status = 'PROCESSING', attempt = before.attempt + 1, started_at = COALESCE(process.started_at, $3), updated_at = $3,
                    execution_arn = COALESCE(process.execution_arn, $2)
                FROM before WHERE process.id = before.id AND before.status IN ('PENDING', 'PROCESSING')
                RETURNING process.id, process.attempt
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor)
                SELECT $3, claimed.id, claimed.attempt, 'claimed', before.status, 'PROCESSING', 'worker' FROM claimed JOIN before USING (id)
            )
            SELECT status AS "status!", (SELECT attempt FROM claimed) AS claimed_attempt, user_id AS "user_id!", type AS "process_type!",
                   params AS "params!", created_at AS "created_at!"
            FROM before
            "#,
            id.0,
            execution_arn,
            now,
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        let Some(row) = row else { return Ok(Claim::Missing) };
        let Some(attempt) = row.claimed_attempt else { return Ok(Claim::Ended(known(&row.status)?)) };
        Ok(Claim::Claimed {
            attempt,
            user_id: UserId(row.user_id),
            process_type: known(&row.process_type)?,
            params: row.params,
            created_at: row.created_at,
        })
    }

    /// Raises the progress to `percent`; it never falls, and never reaches 100 before the process completes. `false`: fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn raise_progress(&self, id: ProcessId, attempt: i32, percent: i16, now: DateTime<Utc>) -> Result<bool, Failure> {
        let mut connection = self.database.connection().await?;
        let done = sqlx::query!(
            "UPDATE processing_state SET progress = LEAST(GREATEST(progress, $3), 99), updated_at = $4 WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'",
            id.0,
            attempt,
            percent,
            now,
        )
        .execute(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(done.rows_affected() == 1)
    }

    /// Stores eight sub-goals and completes the process, all in one statement: what it generated appears with COMPLETED or not
    /// at all. Repeating it after a lost answer finds the process completed, and is fenced.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn complete_with_sub_goals(
        &self,
        id: ProcessId,
        attempt: i32,
        new: &NewSubGoals<'_>,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure> {
        let ids: Vec<Uuid> = new.sub_goals.iter().map(|(id, _)| *id).collect();
        let texts =
            |field: fn(&SubGoal) -> &str| new.sub_goals.iter().map(|(_, sub_goal)| field(sub_goal).to_owned()).collect::<Vec<String>>();
        let goal = new.goal;
        let mut connection = self.database.connection().await?;
        let outcome = sqlx::query!(
            r#"
            WITH before AS (
                SELECT id, status FROM processing_state WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING' FOR UPDATE
            ), goal AS (
                INSERT INTO goals (id, user_id, title, description, deadline, background, constraints, process_id, created_at, updated_at)
                SELECT $4, $5, $6, $7, $8, $9, $10, $1, $3, $3 FROM before
                ON CONFLICT (id) DO UPDATE SET updated_at = goals.updated_at WHERE goals.user_id = excluded.user_id
                RETURNING id
            ), done AS (
                UPDATE processing_state process SET status = 'COMPLETED', progress = 100, result = $16, error = NULL, updated_at = $3, completed_at = $3
                FROM before, goal WHERE process.id = before.id AND process.attempt = $2
                RETURNING process.id
            ), removed AS (
                DELETE FROM sub_goals WHERE $11 AND goal_id = $4 AND EXISTS (SELECT FROM done)
            ), added AS (
                INSERT INTO sub_goals (id, goal_id, position, title, description, background, process_id, created_at, updated_at)
                SELECT new.id, $4, new.position - 1, new.title, new.description, new.background, $1, $3, $3
                FROM done, UNNEST($12::uuid[], $13::text[], $14::text[], $15::text[]) WITH ORDINALITY AS new (id, title, description, background, position)
            ), event AS (
                INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, actor, detail)
                SELECT $3, done.id, $2, 'completed', before.status, 'COMPLETED', 'worker', $17 FROM done JOIN before USING (id)
            )
            SELECT EXISTS (SELECT FROM before) AS "current!", EXISTS (SELECT FROM done) AS "done!"
            "#,
            id.0,
            attempt,
            now,
            goal.goal_id,
            new.user_id.0,
            goal.title,
            goal.description,
            goal.deadline,
            goal.background,
            goal.constraints,
            goal.replace,
            &ids,
            &texts(|sub_goal| &sub_goal.title),
            &texts(|sub_goal| &sub_goal.description),
            &texts(|sub_goal| &sub_goal.background),
            new.result,
            new.detail,
        )
        .fetch_one(&mut *connection)
        .await;
        match outcome {
            Ok(row) if row.done => Ok(Completion::Completed),
            Ok(row) if row.current => Ok(Completion::Forbidden),
            Ok(_) => Ok(Completion::Fenced),
            Err(sqlx::Error::Database(error)) if error.constraint() == Some("sub_goals_one_per_position") => Ok(Completion::TargetNotEmpty),
            Err(error) => Err(failure_of(&error)),
        }
    }
}
