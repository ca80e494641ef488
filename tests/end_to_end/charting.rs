//! A whole chart in one process.

use serde_json::json;
use system_tests::{Goal, Stack};

const ACTIONS: &str =
    "SELECT count(*) FROM actions JOIN sub_goals ON sub_goals.id = sub_goal_id WHERE goal_id = $1";
const ACTIONS_WITH_TASKS: &str = "SELECT count(DISTINCT action_id) FROM tasks
    JOIN actions ON actions.id = action_id
    JOIN sub_goals ON sub_goals.id = sub_goal_id
    WHERE goal_id = $1";

fn chart(goal: &Goal, depth: &str) -> serde_json::Value {
    let mut params = goal.request()["params"].clone();
    params["depth"] = json!(depth);
    params
}

#[tokio::test]
async fn a_goal_becomes_its_81_cells_in_two_invocations() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("チェロを弾く");
    let id = user.submit_type("CHART_GENERATION", chart(&goal, "actions")).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(
        (&process["status"], &process["result"]["partial"]),
        (&"COMPLETED".into(), &false.into()),
        "{process}"
    );
    let sub_goals = process["result"]["subGoals"].as_array().unwrap();
    assert_eq!(sub_goals.len(), 8);
    assert!(sub_goals.iter().all(|sub_goal| sub_goal["actions"].as_array().unwrap().len() == 8));
    assert_eq!((stack.sub_goals(&goal).await.len(), stack.count(ACTIONS, &goal).await), (8, 64));
    let calls: i64 = process["result"]["usage"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| model["calls"].as_i64().unwrap())
        .sum();
    assert_eq!(calls, 9);
    let events = stack.execution_events(&id).await;
    assert_eq!(events.iter().filter(|event| *event == "TaskScheduled").count(), 2, "{events:?}");
}

#[tokio::test]
async fn a_chart_of_sub_goals_alone_and_one_with_tasks_are_whole_too() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let (flat, deep) = (Goal::new("絵を描く"), Goal::new("星を観る"));
    let flat_id = user.submit_type("CHART_GENERATION", chart(&flat, "subGoals")).await;
    let deep_id = user.submit_type("CHART_GENERATION", chart(&deep, "tasks")).await;
    assert_eq!(user.wait_for_end(&flat_id).await["status"], "COMPLETED");
    assert_eq!((stack.sub_goals(&flat).await.len(), stack.count(ACTIONS, &flat).await), (8, 0));
    let process = user.wait_for_end(&deep_id).await;
    assert_eq!(
        (&process["status"], &process["result"]["partial"]),
        (&"COMPLETED".into(), &false.into()),
        "{process}"
    );
    assert_eq!(
        (stack.count(ACTIONS, &deep).await, stack.count(ACTIONS_WITH_TASKS, &deep).await),
        (64, 64)
    );
    let events = stack.execution_events(&deep_id).await;
    assert!(events.iter().filter(|event| *event == "TaskScheduled").count() <= 10, "{events:?}");
}

#[tokio::test]
async fn a_chart_with_a_hole_is_completed_by_its_retry() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("庭を造る");
    let first = user.submit_type("CHART_GENERATION", chart(&goal, "subGoals")).await;
    user.wait_for_end(&first).await;
    // The double answers the same question alike, so that the same titles come again. This one is
    // about no other test's goal.
    let (_, unlucky) =
        stack.sub_goals(&goal).await.into_iter().find(|(_, title)| title.contains('庭')).unwrap();
    stack.fault_at(&unlucky, json!({"garbage": 8})).await;
    let mut params = chart(&goal, "actions");
    params["replace"] = json!(true);
    let id = user.submit_type("CHART_GENERATION", params).await;
    let process = user.wait_for_end(&id).await;
    let failed = process["result"]["failedTargets"].as_array().unwrap();
    assert_eq!(
        (failed.len(), &failed[0]["title"], stack.count(ACTIONS, &goal).await),
        (1, &json!(unlucky), 56),
        "{process}"
    );
    let retried = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(retried.status, 202, "{retried:?}");
    let again = user.wait_for_end(retried.data()["processId"].as_str().unwrap()).await;
    assert_eq!(
        (&again["status"], &again["result"]["partial"]),
        (&"COMPLETED".into(), &false.into()),
        "{again}"
    );
    assert_eq!((stack.sub_goals(&goal).await.len(), stack.count(ACTIONS, &goal).await), (8, 64));
}
