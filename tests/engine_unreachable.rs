//! Step Functions out of reach. A file of its own: while it runs the deployed function is wired to
//! nowhere, and test files run one after another.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use serde_json::{Value, json};
use system_tests::{Goal, Stack};

const FUNCTION: &str = "async-processing-handler";

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
async fn a_goal_submitted_while_step_functions_is_unreachable_is_accepted_and_waits_as_pending() {
    let stack = Stack::up().await;
    let configuration = stack
        .aws(&["lambda", "get-function-configuration", "--function-name", FUNCTION])
        .await
        .unwrap();
    let variables = configuration["Environment"]["Variables"].clone();
    let mut nowhere = variables.clone();
    // Nothing listens on the discard port.
    nowhere["AWS_ENDPOINT_URL_SFN"] = json!("http://127.0.0.1:9");
    set_variables(&stack, &nowhere).await;

    let user = stack.new_user().await;
    let goal = Goal::new("エンジンが止まっていても受け付ける");
    let answer = user.post("/generate", &goal.request()).await;
    set_variables(&stack, &variables).await;

    assert_eq!(answer.status, 202, "{answer:?}");
    let id = answer.data()["processId"].as_str().unwrap();
    let process = user.status(id).await;
    assert_eq!((&process["status"], &process["progress"]), (&"PENDING".into(), &0.into()));
    let arn: Option<String> =
        sqlx::query_scalar("SELECT execution_arn FROM processing_state WHERE id = $1::uuid")
            .bind(id.parse::<uuid::Uuid>().unwrap())
            .fetch_one(&stack.database)
            .await
            .unwrap();
    assert_eq!(arn, None);
}
