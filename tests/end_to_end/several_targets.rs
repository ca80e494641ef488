//! Actions and tasks: for one target, and for all of a goal at once.

use serde_json::{Value, json};
use system_tests::{Goal, Stack};

const ACTIONS_OF_GOAL: &str =
    "SELECT count(*) FROM actions JOIN sub_goals ON sub_goals.id = sub_goal_id WHERE goal_id = $1";
const ACTIONS_WITH_TASKS: &str = "SELECT count(DISTINCT action_id) FROM tasks
    JOIN actions ON actions.id = action_id
    JOIN sub_goals ON sub_goals.id = sub_goal_id
    WHERE goal_id = $1";

fn entered(events: &[String]) -> usize {
    events.iter().filter(|event| event.ends_with("StateEntered")).count()
}

fn invocations(events: &[String]) -> usize {
    events.iter().filter(|event| *event == "TaskScheduled").count()
}

#[tokio::test]
async fn a_sub_goal_becomes_eight_actions_and_an_action_its_tasks_in_one_invocation_each() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("盆栽を育てる");
    let sub_goals = stack.plant(&goal, &user.sub().await, false).await;
    let id = user.submit_type("ACTION_GENERATION", json!({"subGoalId": sub_goals[3].0})).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(
        (&process["status"], &process["attempt"]),
        (&"COMPLETED".into(), &1.into()),
        "{process}"
    );
    let actions = process["result"]["actions"].as_array().unwrap();
    assert_eq!((actions.len(), stack.count(ACTIONS_OF_GOAL, &goal).await), (8, 8));
    assert!(matches!(actions[0]["type"].as_str(), Some("EXECUTION" | "HABIT")));

    let id = user.submit_type("TASK_GENERATION", json!({"actionId": actions[7]["id"]})).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(process["status"], "COMPLETED", "{process}");
    let tasks = process["result"]["tasks"].as_array().unwrap();
    assert!(
        (1..=8).contains(&tasks.len())
            && tasks
                .iter()
                .all(|task| (15..=120).contains(&task["estimatedMinutes"].as_i64().unwrap()))
    );
    let events = stack.execution_events(&id).await;
    assert_eq!((invocations(&events), entered(&events)), (1, 2), "{events:?}");
}

#[tokio::test]
async fn targets_that_are_missing_foreign_or_full_are_refused_at_the_door() {
    let stack = Stack::up().await;
    let (hanako, taro) = (stack.new_user().await, stack.new_user().await);
    let goal = Goal::new("俳句を詠む");
    let actions = stack.plant(&goal, &hanako.sub().await, true).await;
    let refused = |answer: system_tests::Answer| (answer.status, answer.code().to_owned());
    let ask = |process_type: &str, params: Value| json!({"type": process_type, "params": params});
    let missing = ask("TASK_GENERATION", json!({"actionId": goal.id}));
    assert_eq!(refused(hanako.post("/generate", &missing).await), (404, "TARGET_NOT_FOUND".into()));
    let foreign = ask("TASK_GENERATION", json!({"actionId": actions[0].0}));
    assert_eq!(refused(taro.post("/generate", &foreign).await), (403, "FORBIDDEN".into()));
    let full = ask("ACTION_GENERATION", json!({"goalId": goal.id}));
    assert_eq!(refused(hanako.post("/generate", &full).await), (409, "TARGET_NOT_EMPTY".into()));
    assert_eq!(stack.count(ACTIONS_OF_GOAL, &goal).await, 64);
}

#[tokio::test]
async fn sixty_four_actions_take_ten_invocations_at_most_and_one_that_fails_is_retried_alone() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("世界一周をする");
    let actions = stack.plant(&goal, &user.sub().await, true).await;
    let (unlucky, title) = &actions[42];
    stack.fault(&goal, json!({"delayMs": 300})).await;
    // Two attempts, each with one question and three repairs.
    stack.fault_at(title, json!({"garbage": 8})).await;
    let id = user.submit_type("TASK_GENERATION", json!({"goalId": goal.id})).await;

    let mut seen = Vec::new();
    let process = user
        .wait_until(&id, "terminal", |process| {
            assert!(process["status"] != "PROCESSING" || stack_is_clean(process), "{process}");
            !matches!(process["status"].as_str(), Some("PENDING" | "PROCESSING"))
        })
        .await;
    seen.push(process["progress"].as_i64().unwrap());
    assert_eq!(
        (&process["status"], &process["result"]["partial"]),
        (&"COMPLETED".into(), &true.into()),
        "{process}"
    );
    let failed = process["result"]["failedTargets"].as_array().unwrap();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((&failed[0]["targetId"], &failed[0]["title"]), (&json!(unlucky), &json!(title)));
    assert_eq!(stack.count(ACTIONS_WITH_TASKS, &goal).await, 63);
    assert!(stack.model_calls().await["maxInFlight"].as_u64().unwrap() >= 8);

    let events = stack.execution_events(&id).await;
    // One more of each than without the failing target, whose batch is tried a second time.
    assert!(invocations(&events) <= 10, "{events:?}");
    assert!(entered(&events) <= 14, "{events:?}");

    let retried = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(retried.status, 202, "{retried:?}");
    let again = user.wait_for_end(retried.data()["processId"].as_str().unwrap()).await;
    assert_eq!(
        (&again["status"], &again["result"]["partial"]),
        (&"COMPLETED".into(), &false.into()),
        "{again}"
    );
    assert_eq!(again["result"]["actions"].as_array().unwrap().len(), 1);
    assert_eq!(again["result"]["actions"][0]["id"], json!(unlucky));
    assert_eq!(stack.count(ACTIONS_WITH_TASKS, &goal).await, 64);
    let written = stack.history(again["processId"].as_str().unwrap()).await;
    assert_eq!(written.iter().filter(|(kind, _)| kind == "progressed").count(), 1, "{written:?}");
}

/// While it is processing, a process shows no result.
fn stack_is_clean(process: &Value) -> bool {
    process.get("result").is_none() && process["progress"].as_i64().unwrap() < 100
}

#[tokio::test]
async fn progress_rises_by_target_and_never_falls() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("城を巡る");
    let sub_goals = stack.plant(&goal, &user.sub().await, false).await;
    for (n, (_, title)) in sub_goals.iter().enumerate() {
        stack.fault_at(title, json!({"delayMs": 500 + 400 * n})).await;
    }
    let id = user.submit_type("ACTION_GENERATION", json!({"goalId": goal.id})).await;
    let seen = std::sync::Mutex::new(Vec::new());
    let process = user
        .wait_until(&id, "terminal", |process| {
            seen.lock().unwrap().push(process["progress"].as_i64().unwrap());
            process["status"] == "COMPLETED"
        })
        .await;
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted(), "{seen:?}");
    let mut steps = seen.clone();
    steps.dedup();
    assert!(steps.len() >= 5, "{seen:?}");
    assert_eq!(
        (&process["progress"], stack.count(ACTIONS_OF_GOAL, &goal).await),
        (&100.into(), 64)
    );
}

#[tokio::test]
async fn a_failing_model_costs_nothing_that_was_to_be_replaced() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("書道を極める");
    user.wait_for_end(&user.submit(&goal).await).await;
    let before = stack.sub_goals(&goal).await;
    stack.fault(&goal, json!({"unavailable": 1_000})).await;
    let replacing = user.post("/generate", &goal.request_with("replace", true.into())).await;
    let process = user.wait_for_end(replacing.data()["processId"].as_str().unwrap()).await;
    assert_eq!(
        (&process["status"], &process["error"]["code"]),
        (&"FAILED".into(), &"AI_ERROR".into()),
        "{process}"
    );
    assert_eq!((before.len(), stack.sub_goals(&goal).await), (8, before));
}

#[tokio::test]
async fn a_cancelled_goal_wide_process_drops_its_calls_within_two_seconds_and_leaves_no_row() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("海を泳いで渡る");
    stack.plant(&goal, &user.sub().await, false).await;
    stack.fault(&goal, json!({"delayMs": 30_000})).await;
    let id = user.submit_type("ACTION_GENERATION", json!({"goalId": goal.id})).await;
    user.wait_until(&id, "planned", |process| process["progress"].as_i64() > Some(0)).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let before = stack.model_calls().await["dropped"].as_u64().unwrap();
    assert_eq!(user.post(&format!("/cancel/{id}"), &json!({})).await.status, 200);
    let deadline = tokio::time::Instant::now() + system_tests::PATIENCE;
    // Other tests may cancel at the same time, so at least these eight.
    while stack.model_calls().await["dropped"].as_u64().unwrap() < before + 8 {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the calls were never dropped: {}",
            stack.model_calls().await
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(user.status(&id).await["status"], "CANCELLED");
    assert_eq!(stack.count(ACTIONS_OF_GOAL, &goal).await, 0);
    let staged: i64 =
        sqlx::query_scalar("SELECT count(*) FROM processing_output WHERE process_id = $1::uuid")
            .bind(&id)
            .fetch_one(&stack.database)
            .await
            .unwrap();
    assert_eq!(staged, 0);
}
