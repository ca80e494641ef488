//! What there is where the requests of a batch want to generate, for all of them at once: see
//! [`crate::process::request_batch`] for how it is judged.

use serde::Serialize;
use sqlx::types::Json;
use uuid::Uuid;

use crate::{
    chart::{ChartType, Needs, Params},
    process::{
        Failure, ProcessId, UserId,
        request_batch::{Scope, Surroundings},
    },
    store::Connection,
};

/// A request, with the names that the statement has for its parts.
#[derive(Serialize)]
struct Asked {
    index: usize,
    #[serde(rename = "type")]
    chart_type: &'static str,
    target_id: Uuid,
    goal: Option<Uuid>,
    sub_goals: Vec<Uuid>,
    sub_goals_of: Option<Uuid>,
    actions: Vec<Uuid>,
    actions_of: Option<Uuid>,
}

impl Asked {
    fn new((index, params): (usize, &&Params)) -> Self {
        let Needs { goal, sub_goals, sub_goals_of, actions, actions_of } = params.needs();
        let chart_type = ChartType::as_str(params.chart_type());
        let target_id = params.target_id();
        Self { index, chart_type, target_id, goal, sub_goals, sub_goals_of, actions, actions_of }
    }
}

pub(super) async fn look_around(
    connection: &mut Connection,
    user: &UserId,
    requests: &[&Params],
) -> Result<Vec<Surroundings>, Failure> {
    let asked: Vec<Asked> = requests.iter().enumerate().map(Asked::new).collect();
    let rows = sqlx::query_file!("src/store/chart/look_around.sql", user.0, Json(asked) as _)
        .fetch_all(connection)
        .await?;
    let surroundings = rows.into_iter().map(|row| Surroundings {
        target_user: row.target_user.map(UserId),
        occupied: row.occupied,
        running: row.running_id.map(ProcessId).zip(row.running_user.map(UserId)),
        scope: Scope { goal_id: row.goal_id, holds: row.holds, lies_within: row.lies_within },
    });
    Ok(surroundings.collect())
}
