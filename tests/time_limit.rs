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

const FUNCTION: &str = "ai-generation-worker";

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

#[tokio::test]
async fn a_process_that_runs_out_of_its_time_ends_as_timeout_by_the_workers_own_hand() {
    let stack = Stack::up().await;
    let configuration = stack
        .aws(&["lambda", "get-function-configuration", "--function-name", FUNCTION])
        .await
        .unwrap();
    let variables = configuration["Environment"]["Variables"].clone();
    let mut hurried = variables.clone();
    hurried["TYPE_TIME_LIMITS"] = json!("SUBGOAL_GENERATION=2");
    set_variables(&stack, &hurried).await;

    let user = stack.new_user().await;
    let goal = Goal::new("時間切れになる目標");
    stack.fault(&goal, json!({"delayMs": 20_000})).await;
    let process = user.wait_for_end(&user.submit(&goal).await).await;
    set_variables(&stack, &variables).await;

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
