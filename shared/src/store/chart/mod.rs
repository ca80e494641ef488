//! The statements of the Mandala chart: the only ones that name sub-goals, actions and tasks.
//!
//! Another kind of generation with tables of its own has a folder like this one.

mod complete;
mod look_around;
mod submit;
mod targets;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Completion, Connection, FoundTarget, NewRows, Observed, StoredGeneration, Submission};
use crate::{
    chart::{Chart, Params, Target},
    process::{Actor, Failure, ProcessId, UserId, request_batch::Surroundings},
};

impl StoredGeneration for Chart {
    const TABLES: &'static [&'static str] = &["actions", "goals", "sub_goals", "tasks"];

    async fn try_submit(
        connection: &mut Connection,
        submission: &Submission<Self>,
        params: &Value,
    ) -> Result<Observed, sqlx::Error> {
        submit::try_submit(connection, submission, params).await
    }

    async fn look_around(
        connection: &mut Connection,
        user: &UserId,
        requests: &[&Params],
    ) -> Result<Vec<Surroundings>, Failure> {
        look_around::look_around(connection, user, requests).await
    }

    async fn find_targets(
        connection: &mut Connection,
        user: &UserId,
        params: &Params,
        ids: Option<&[Uuid]>,
    ) -> Result<Vec<FoundTarget<Target>>, Failure> {
        match (params.new_goal(), ids) {
            (Some(goal), None) => {
                let occupied = targets::has_sub_goals(connection, goal.goal_id).await?;
                Ok(vec![FoundTarget { target: Target::goal(goal), occupied }])
            }
            (_, None) => targets::find_targets(connection, user, &params.needs()).await,
            (_, Some(ids)) => targets::find_targets(connection, user, &params.needs_of(ids)).await,
        }
    }

    async fn complete(
        connection: &mut Connection,
        id: ProcessId,
        attempt: i32,
        new: &NewRows<'_, Self>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure> {
        complete::complete(connection, id, attempt, new, actor, now).await
    }
}
