//! A goal, and what is generated for it.

use shared::{
    chart::{
        Action, ActionType, Chart, GoalParams, Params, Part, PartParams, Row, Rows, SubGoal, Task,
    },
    process::{Actor, ModelUsage, PlannedTarget, Priority, Terms},
    store::Submission,
};

use super::{at, id, user, uuid};

/// The number of the goal that most tests are about.
pub const GOAL: u128 = 0x600d;

/// The goal that most tests are about.
#[must_use]
pub fn goal() -> GoalParams {
    goal_numbered(GOAL)
}

/// The same goal under another id.
#[must_use]
pub fn goal_numbered(number: u128) -> GoalParams {
    GoalParams {
        goal_id: uuid(number),
        title: "フルマラソンを完走する".into(),
        description: "半年後の大会で完走する".into(),
        deadline: at(1_000_000),
        background: "運動の習慣がない".into(),
        constraints: None,
        replace: false,
    }
}

/// Params for `of`, which must be empty.
#[must_use]
pub const fn part(of: Part) -> PartParams {
    PartParams { of, replace: false, only: None }
}

/// Eight targets with ids from `start` on, from each of which nothing follows.
#[must_use]
pub fn planned(start: u128) -> Vec<PlannedTarget> {
    (start..).take(8).map(|number| PlannedTarget { id: uuid(number), weight: 1 }).collect()
}

/// A user's submission of process `number`: sub-goals for [`goal`], not counted.
#[must_use]
pub fn submission(number: u128, user_name: &str) -> Submission<Chart> {
    Submission {
        id: id(number),
        user_id: user(user_name),
        params: Params::SubGoals(goal()),
        retry: None,
        priority: Priority::Normal,
        terms: plenty(),
        idempotency_key: None,
        per_minute: None,
        late: Vec::new(),
        actor: Actor::User,
        now: at(0),
    }
}

/// Terms by which everything is admitted at once.
#[must_use]
pub fn plenty() -> Terms {
    Terms { calls: 30_000, calls_per_user: 30_000, ..Terms::default() }
}

/// Rows of `items`, with ids from `start` on.
fn rows<T>(start: u128, items: impl IntoIterator<Item = T>) -> Vec<Row<T>> {
    let ids = (start..).map(uuid);
    let rows = ids.zip(0..).zip(items);
    rows.map(|((id, position), item)| Row { id, position, item }).collect()
}

/// Eight sub-goals with ids from `start` on.
#[must_use]
pub fn sub_goals(start: u128) -> Rows {
    let item = |n| SubGoal {
        title: format!("サブ目標{n}"),
        description: "説".repeat(50),
        background: "背景".into(),
    };
    Rows::SubGoals(rows(start, (0..8).map(item)))
}

/// Eight actions with ids from `start` on.
#[must_use]
pub fn actions(start: u128) -> Rows {
    let item = |n| Action {
        title: format!("行動{n}"),
        description: "説".repeat(50),
        background: "背".into(),
        action_type: ActionType::Habit,
    };
    Rows::Actions(rows(start, (0..8).map(item)))
}

/// One task with this id.
#[must_use]
pub fn tasks(number: u128) -> Rows {
    let item = Task {
        title: "作業".into(),
        description: "説明".into(),
        task_type: ActionType::Execution,
        estimated_minutes: 30,
    };
    Rows::Tasks(rows(number, [item]))
}

/// One call of a model.
#[must_use]
pub fn usage() -> [ModelUsage; 1] {
    [ModelUsage {
        model_id: "m".into(),
        input_tokens: 10,
        output_tokens: 20,
        latency_ms: 5,
        ..ModelUsage::default()
    }]
}
