//! Logs name the user and the process, and never say what the user wrote or how they proved who
//! they are.

use std::time::Duration;

use serde_json::{Value, json};
use system_tests::{Goal, Stack};

const FUNCTIONS: [&str; 4] =
    ["async-processing-handler", "ai-generation-worker", "retry-handler", "cancel-handler"];

/// All log lines of the functions that name one of `ids`, and whether any line at all contains one
/// of `secrets`.
async fn logged(stack: &Stack, ids: &[&str], secrets: &[&str]) -> (Vec<String>, Vec<String>) {
    let (mut named, mut leaked) = (Vec::new(), Vec::new());
    for function in FUNCTIONS {
        let group = format!("/aws/lambda/{function}");
        let Ok(found) = stack.aws(&["logs", "filter-log-events", "--log-group-name", &group]).await
        else {
            continue;
        };
        for event in found["events"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let line = event["message"].as_str().unwrap_or_default();
            if ids.iter().any(|id| line.contains(id)) {
                named.push(line.to_owned());
            }
            if secrets.iter().any(|secret| line.contains(secret)) {
                leaked.push(line.to_owned());
            }
        }
    }
    (named, leaked)
}

#[tokio::test]
async fn logs_name_the_user_but_never_their_words_or_their_token() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("記録されてはならない目標");
    stack.fault(&goal, json!({"delayMs": 3_000})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
    let reason = "記録されてはならない理由";
    assert_eq!(user.post(&format!("/cancel/{id}"), &json!({"reason": reason})).await.status, 200);
    assert_eq!(user.post(&format!("/retry/{id}"), &json!({})).await.code(), "RETRY_NOT_ALLOWED");
    assert_eq!(
        user.post(
            "/generate",
            &goal.request_with("title", Value::from(format!("{}\u{7}", goal.title)))
        )
        .await
        .status,
        400
    );

    let (sub, token) = (user.id(), user.token().split('.').nth(2).unwrap().to_owned());
    let mut named = Vec::new();
    for _ in 0..40 {
        let (lines, leaked) = logged(&stack, &[&sub], &[&goal.title, reason, &token]).await;
        assert!(leaked.is_empty(), "{leaked:?}");
        named = lines;
        // The accepting and the cancelling function have both spoken.
        if named.iter().any(|line| line.contains("\"accepted\""))
            && named.iter().any(|line| line.contains("\"cancelled\""))
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the logs do not name the user: {named:?}");
}

#[tokio::test]
async fn what_was_logged_about_a_process_is_told_with_its_invocations_by_one_command() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let id = user.submit(&Goal::new("記録をたどる目標")).await;
    user.wait_until(&id, "ended", |process| process["status"] == "COMPLETED").await;
    let mut data = Value::Null;
    // A line is in the log when its invocation is over, and sometimes a while later.
    for _ in 0..40 {
        let answer = stack.invoke("diagnostics", &json!({"check": "logs", "processId": id})).await;
        assert_eq!(answer["success"], true, "{answer}");
        data = answer["data"].clone();
        let of = |part: &str, function: &str| {
            let parts = data[part].as_array().into_iter().flatten();
            parts.filter(|it| it["function"] == function).count()
        };
        let functions = ["async-processing-handler", "ai-generation-worker"];
        if functions.iter().all(|it| of("lines", it) > 0 && of("invocations", it) > 0) {
            let lines = data["lines"].as_array().unwrap();
            let times: Vec<_> = lines.iter().map(|line| line["at"].as_str().unwrap()).collect();
            assert!(times.is_sorted(), "{times:?}");
            assert_eq!(data["notChecked"], json!([]), "{data}");
            let invocation = &data["invocations"][0];
            let is_told = |name: &str| invocation[name].as_f64().is_some_and(|it| it > 0.0);
            assert!(is_told("duration") && is_told("memorySize"), "{invocation}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("not all functions have spoken: {data}");
}
