//! What is in the goal tables before a run, as an app would have stored it: the goals whose actions
//! or tasks are asked for, and what is to be replaced.

use std::collections::BTreeMap;

use anyhow::Result;
use sqlx::PgPool;
use uuid::Uuid;

use super::client::new_id;
use super::plan::{Act, Draft, JobKind, Plan, What};

/// The goals that are there, by the number of the job that is for them.
#[derive(Debug, Default)]
pub(super) struct Planted {
    /// What every text of this run holds, and nothing else does.
    pub(super) marker: String,
    goals: BTreeMap<u32, Goal>,
}

/// A goal that is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    pub(super) goal: Uuid,
    /// The sub-goal or action that a job of one is for.
    pub(super) target: Option<Uuid>,
}

impl Planted {
    pub(super) fn of(&self, number: u32) -> Option<Goal> {
        self.goals.get(&number).copied()
    }

    /// Stores what the plan needs, for the users whose ids are `subs`.
    pub(super) async fn store(
        plan: &Plan,
        subs: &[String],
        marker: &str,
        database: &PgPool,
    ) -> Result<Self> {
        let mut planted = Self { marker: marker.to_owned(), goals: BTreeMap::new() };
        for Act { user, what, .. } in &plan.acts {
            let What::Job(draft) = what else { continue };
            let levels = draft.kind.planted_levels();
            let replaced = replaced_level(draft);
            if levels == 0 && replaced == 0 {
                continue;
            }
            let Some(sub) = subs.get(*user) else { continue };
            let goal = new_id();
            // Below the first target alone, or below all: what is to be replaced is one level down.
            let levels = levels.max(replaced);
            let target = plant(database, goal, sub, marker, levels, draft.kind).await?;
            planted.goals.insert(draft.number, Goal { goal, target });
        }
        Ok(planted)
    }
}

/// How deep the chart has to be that is replaced; 0: nothing is.
fn replaced_level(draft: &Draft) -> u8 {
    match (draft.replace, draft.kind) {
        (false, _) => 0,
        (true, JobKind::ActionsOfOne | JobKind::ActionsOfAll) => 2,
        (true, JobKind::TasksOfOne | JobKind::TasksOfAll) => 3,
        (true, _) => 1,
    }
}

/// Stores a goal and what lies below it, so many levels; gives the first target of the kind.
async fn plant(
    database: &PgPool,
    goal: Uuid,
    sub: &str,
    marker: &str,
    levels: u8,
    kind: JobKind,
) -> Result<Option<Uuid>> {
    const GOAL: &str = "INSERT INTO goals (id, user_id, title, description, deadline, background)
                        VALUES ($1, $2, $3 || ' 目標', $3 || ' 説明', '2099-12-31', $3 || ' 背景')";
    const SUB_GOALS: &str =
        "INSERT INTO sub_goals (id, goal_id, position, title, description, background)
         SELECT gen_random_uuid(), $1, n, $2 || ' の柱' || n, '説明', '背景'
         FROM generate_series(0, 7) n";
    const ACTIONS: &str =
        "INSERT INTO actions (id, sub_goal_id, position, title, description, background, type)
         SELECT gen_random_uuid(), id, n, $2 || ' の行動' || position || n, '説明', '背景',
                'EXECUTION'
         FROM sub_goals, generate_series(0, 7) n WHERE goal_id = $1";
    const TASKS: &str =
        "INSERT INTO tasks (id, action_id, position, title, description, type, estimated_minutes)
         SELECT gen_random_uuid(), actions.id, 0, $2 || ' の手順', '説明', 'HABIT', 30
         FROM actions JOIN sub_goals ON sub_goals.id = sub_goal_id WHERE goal_id = $1";
    const SUB_GOAL: &str = "SELECT id FROM sub_goals WHERE goal_id = $1 AND position = 3";
    const ACTION: &str = "SELECT actions.id
                          FROM actions JOIN sub_goals ON sub_goals.id = sub_goal_id
                          WHERE goal_id = $1 AND sub_goals.position = 3 AND actions.position = 5";
    let mut transaction = database.begin().await?;
    sqlx::query(GOAL).bind(goal).bind(sub).bind(marker).execute(&mut *transaction).await?;
    for (statement, _) in [SUB_GOALS, ACTIONS, TASKS].into_iter().zip(0..levels) {
        sqlx::query(statement).bind(goal).bind(marker).execute(&mut *transaction).await?;
    }
    let target = match kind {
        JobKind::ActionsOfOne => {
            sqlx::query_scalar(SUB_GOAL).bind(goal).fetch_optional(&mut *transaction).await?
        }
        JobKind::TasksOfOne => {
            sqlx::query_scalar(ACTION).bind(goal).fetch_optional(&mut *transaction).await?
        }
        _ => None,
    };
    transaction.commit().await?;
    Ok(target)
}
