//! What is in the goal tables already, as targets with their ancestors.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    chart::{GoalText, Level, Needs, PartText, Target},
    process::{Failure, UserId},
    store::{Connection, FoundTarget},
};

struct Row {
    id: Uuid,
    goal_title: String,
    goal_description: String,
    deadline: DateTime<Utc>,
    goal_background: String,
    constraints: Option<String>,
    sub_goal_title: String,
    sub_goal_description: String,
    sub_goal_background: String,
    action_title: Option<String>,
    action_description: Option<String>,
    action_background: Option<String>,
    occupied: bool,
}

impl From<Row> for FoundTarget<Target> {
    fn from(row: Row) -> Self {
        let action = match (row.action_title, row.action_description, row.action_background) {
            (Some(title), Some(description), Some(background)) => {
                Some(PartText { title, description, background })
            }
            _ => None,
        };
        Self {
            target: Target {
                id: row.id,
                level: if action.is_some() { Level::Tasks } else { Level::Actions },
                goal: GoalText {
                    title: row.goal_title,
                    description: row.goal_description,
                    deadline: row.deadline,
                    background: row.goal_background,
                    constraints: row.constraints,
                },
                sub_goal: Some(PartText {
                    title: row.sub_goal_title,
                    description: row.sub_goal_description,
                    background: row.sub_goal_background,
                }),
                action,
            },
            occupied: row.occupied,
        }
    }
}

/// The sub-goals and actions that `needs` names, as far as they are there and belong to `user`, in
/// the order of the chart.
pub(super) async fn find_targets(
    connection: &mut Connection,
    user: &UserId,
    needs: &Needs,
) -> Result<Vec<FoundTarget<Target>>, Failure> {
    let rows = sqlx::query_file_as!(
        Row,
        "src/store/chart/targets.sql",
        user.0,
        &needs.sub_goals,
        needs.sub_goals_of,
        &needs.actions,
        needs.actions_of,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(FoundTarget::from).collect())
}

/// Whether the goal is there and has sub-goals.
pub(super) async fn has_sub_goals(
    connection: &mut Connection,
    goal: Uuid,
) -> Result<bool, Failure> {
    let has_sub_goals = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM sub_goals WHERE goal_id = $1) AS "exists!""#,
        goal
    )
    .fetch_one(connection)
    .await?;
    Ok(has_sub_goals)
}
