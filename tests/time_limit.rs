//! A process that runs out of its time. A file of its own: while it runs the worker has a short
//! time limit, and test files run one after another.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use serde_json::{Value, json};
use system_tests::{Goal, Stack};
use tokio::sync::{Mutex, MutexGuard};

const FUNCTION: &str = "ai-generation-worker";
const ACTIONS_OF_GOAL: &str =
    "SELECT count(*) FROM actions JOIN sub_goals ON sub_goals.id = sub_goal_id WHERE goal_id = $1";

async fn set_variables(stack: &Stack, variables: &Value) {
    let environment = json!({ "Variables": variables }).to_string();
    let args = [
        "lambda",
        "update-function-configuration",
        "--function-name",
        FUNCTION,
        "--environment",
        &environment,
    ];
    stack.aws(&args).await.unwrap();
}

/// The worker's limits are one for the whole stack, so that one test has them at a time.
static LIMITS: Mutex<()> = Mutex::const_new(());

/// A worker with short time limits, until it is put back.
struct Hurried {
    variables: Value,
    _one_at_a_time: MutexGuard<'static, ()>,
}

impl Hurried {
    async fn new(stack: &Stack, limits: &str) -> Self {
        let one_at_a_time = LIMITS.lock().await;
        let configuration = stack
            .aws(&["lambda", "get-function-configuration", "--function-name", FUNCTION])
            .await
            .unwrap();
        let variables = configuration["Environment"]["Variables"].clone();
        let mut hurried = variables.clone();
        hurried["TYPE_TIME_LIMITS"] = json!(limits);
        set_variables(stack, &hurried).await;
        Self { variables, _one_at_a_time: one_at_a_time }
    }

    async fn put_back(self, stack: &Stack) {
        set_variables(stack, &self.variables).await;
    }
}

#[tokio::test]
async fn a_process_that_runs_out_of_its_time_ends_as_timeout_by_the_workers_own_hand() {
    let stack = Stack::up().await;
    let hurried = Hurried::new(&stack, "SUBGOAL_GENERATION=2").await;
    let user = stack.new_user().await;
    let goal = Goal::new("時間切れになる目標");
    stack.fault(&goal, json!({"delayMs": 20_000})).await;
    let process = user.wait_for_end(&user.submit(&goal).await).await;
    hurried.put_back(&stack).await;

    assert_eq!(
        (&process["status"], &process["error"]["code"]),
        (&"TIMEOUT".into(), &"TIMEOUT_ERROR".into()),
        "{process}"
    );
    assert_eq!(
        (&process["attempt"], &process["error"]["retryable"]),
        (&1.into(), &true.into()),
        "trying again in the same process cannot help"
    );
    assert!(stack.sub_goals(&goal).await.is_empty());
}

/// The cause that operators see.
async fn cause(stack: &Stack, id: &str) -> String {
    sqlx::query_scalar("SELECT error ->> 'cause' FROM processing_state WHERE id = $1::uuid")
        .bind(id)
        .fetch_one(&stack.database)
        .await
        .unwrap()
}

#[tokio::test]
async fn endless_throttling_is_waited_out_until_the_time_is_over_and_changes_nothing() {
    let stack = Stack::up().await;
    // Throttled at once and again after 5 s, when less than 10 s are left.
    let hurried = Hurried::new(&stack, "SUBGOAL_GENERATION=14").await;
    let user = stack.new_user().await;
    let goal = Goal::new("宇宙飛行士になる");
    stack.fault(&goal, json!({"throttle": 1_000})).await;
    let id = user.submit(&goal).await;
    let process = user.wait_for_end(&id).await;
    hurried.put_back(&stack).await;

    assert_eq!(
        (&process["status"], &process["error"]["code"], &process["error"]["retryable"]),
        (&"TIMEOUT".into(), &"TIMEOUT_ERROR".into(), &true.into()),
        "{process}"
    );
    assert!(process["attempt"].as_i64() >= Some(2), "it was tried again: {process}");
    assert!(stack.sub_goals(&goal).await.is_empty());
    assert!(process["error"].get("cause").is_none(), "the cause is for operators: {process}");
    let cause = cause(&stack, &id).await;
    assert!(cause.contains("throttled until the process's time was over"), "{cause}");
}

#[tokio::test]
async fn a_batch_that_is_throttled_for_good_leaves_the_rest_standing() {
    let stack = Stack::up().await;
    let hurried = Hurried::new(&stack, "ACTION_GENERATION=25").await;
    let user = stack.new_user().await;
    let goal = Goal::new("蕎麦を打つ");
    let sub_goals = stack.plant(&goal, &user.sub().await, false).await;
    stack.fault_at(&sub_goals[5].1, json!({"throttle": 1_000})).await;
    let id = user.submit_type("ACTION_GENERATION", json!({"goalId": goal.id})).await;
    let process = user.wait_for_end(&id).await;
    hurried.put_back(&stack).await;

    assert_eq!(process["status"], "COMPLETED", "{process}");
    let failed = process["result"]["failedTargets"].as_array().unwrap();
    assert_eq!(
        (failed.len(), &failed[0]["code"], &failed[0]["retryable"]),
        (1, &json!("TIMEOUT_ERROR"), &json!(true)),
        "{process}"
    );
    assert_eq!(stack.count(ACTIONS_OF_GOAL, &goal).await, 56);
    // Seven were asked for once, although their batch was tried again.
    let written = stack.history(&id).await;
    assert_eq!(written.iter().filter(|(kind, _)| kind == "progressed").count(), 7, "{written:?}");
    let claims = written.iter().filter(|(kind, _)| kind == "batch-claimed").count();
    assert!(claims >= 3, "two attempts and the giving up: {written:?}");
}
