//! What is written for: a goal, a sub-goal or an action, with its ancestors.

use chrono::{DateTime, Utc};
use serde::Serialize;
use uuid::Uuid;

use super::{GoalParams, Level, Rows};

/// A goal in the words of its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GoalText {
    /// What to reach.
    pub title: String,
    /// What it means.
    pub description: String,
    /// By when.
    pub deadline: DateTime<Utc>,
    /// Where the user stands.
    pub background: String,
    /// What limits them.
    pub constraints: Option<String>,
}

impl From<&GoalParams> for GoalText {
    fn from(goal: &GoalParams) -> Self {
        Self {
            title: goal.title.clone(),
            description: goal.description.clone(),
            deadline: goal.deadline,
            background: goal.background.clone(),
            constraints: goal.constraints.clone(),
        }
    }
}

/// A sub-goal or action, whoever wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartText {
    /// What to reach or do.
    pub title: String,
    /// What it means.
    pub description: String,
    /// Why it matters.
    pub background: String,
}

/// A target with its ancestors: all that a model is told of a chart. The rest of the chart stays
/// out, so that a question about one of 64 actions is as short as about the only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The goal, sub-goal or action that is written for.
    pub id: Uuid,
    /// What is written for it.
    pub level: Level,
    /// The goal in the middle.
    pub goal: GoalText,
    /// From the sub-goals on.
    pub sub_goal: Option<PartText>,
    /// From the actions on.
    pub action: Option<PartText>,
}

impl Target {
    /// The goal itself.
    #[must_use]
    pub fn goal(goal: &GoalParams) -> Self {
        Self {
            id: goal.goal_id,
            level: Level::SubGoals,
            goal: goal.into(),
            sub_goal: None,
            action: None,
        }
    }

    /// The target's own title.
    #[must_use]
    pub fn title(&self) -> &str {
        self.action.as_ref().or(self.sub_goal.as_ref()).map_or(&self.goal.title, |part| &part.title)
    }

    /// What was written for this target, as targets of the next level.
    #[must_use]
    pub fn children(&self, rows: &Rows) -> Vec<Self> {
        let part = |title: &str, description: &str, background: &str| {
            Some(PartText {
                title: title.to_owned(),
                description: description.to_owned(),
                background: background.to_owned(),
            })
        };
        match rows {
            Rows::SubGoals(rows) => rows
                .iter()
                .map(|row| Self {
                    id: row.id,
                    level: Level::Actions,
                    sub_goal: part(&row.item.title, &row.item.description, &row.item.background),
                    ..self.clone()
                })
                .collect(),
            Rows::Actions(rows) => rows
                .iter()
                .map(|row| Self {
                    id: row.id,
                    level: Level::Tasks,
                    action: part(&row.item.title, &row.item.description, &row.item.background),
                    ..self.clone()
                })
                .collect(),
            Rows::Tasks(_) => Vec::new(),
        }
    }
}
