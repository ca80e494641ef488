//! What is in the goal tables already, as targets with their ancestors.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Store, failure_of};
use crate::{
    failure::Failure,
    generated::Kind,
    params::Needs,
    process::UserId,
    prompt::{GoalText, PartText, Target},
};

/// A target as the goal tables have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundTarget {
    /// With its ancestors.
    pub target: Target,
    /// Whether there is something already where its children would be.
    pub has_children: bool,
}

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
    has_children: bool,
}

impl From<Row> for FoundTarget {
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
                kind: if action.is_some() { Kind::Tasks } else { Kind::Actions },
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
            has_children: row.has_children,
        }
    }
}

impl Store {
    /// The sub-goals and actions that `needs` names, as far as they are there and belong to `user`,
    /// in the order of the chart.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_targets(
        &self,
        user: &UserId,
        needs: &Needs,
    ) -> Result<Vec<FoundTarget>, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query_as!(
            Row,
            r#"
            WITH part AS (
                SELECT part.id, part.id AS sub_goal_id, NULL::text AS title, NULL::text AS description, NULL::text AS background, NULL::smallint AS position,
                       EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id) AS has_children
                FROM sub_goals part WHERE part.id = ANY($2) OR part.goal_id = $3
                UNION ALL
                SELECT part.id, sub_goal_id, title, description, background, position, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
                FROM actions part WHERE part.id = ANY($4)
                UNION ALL
                SELECT part.id, sub_goal_id, part.title, part.description, part.background, part.position, EXISTS (SELECT FROM tasks WHERE action_id = part.id)
                FROM sub_goals JOIN actions part ON part.sub_goal_id = sub_goals.id WHERE sub_goals.goal_id = $5
            )
            SELECT part.id AS "id!", goals.title AS goal_title, goals.description AS goal_description, goals.deadline, goals.background AS goal_background,
                   goals.constraints, sub_goals.title AS sub_goal_title, sub_goals.description AS sub_goal_description,
                   sub_goals.background AS sub_goal_background, part.title AS action_title, part.description AS action_description,
                   part.background AS action_background, part.has_children AS "has_children!"
            FROM part JOIN sub_goals ON sub_goals.id = part.sub_goal_id JOIN goals ON goals.id = sub_goals.goal_id
            WHERE goals.user_id = $1
            ORDER BY sub_goals.position, part.position NULLS FIRST
            "#,
            user.0,
            &needs.sub_goals,
            needs.sub_goals_of,
            &needs.actions,
            needs.actions_of,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(|error| failure_of(&error))?;
        Ok(rows.into_iter().map(FoundTarget::from).collect())
    }
}
