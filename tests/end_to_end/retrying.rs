//! A retry is a new process; the old one stays as it ended.

use serde_json::json;
use system_tests::{Goal, Stack};

#[tokio::test]
async fn a_failed_process_is_retried_as_a_new_one_that_completes() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("二度目で成功する目標");
    // Every attempt of the state machine asks each of two models.
    stack.fault(&goal, json!({"error": 8})).await;
    let id = user.submit(&goal).await;
    let failed = user.wait_for_end(&id).await;
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&"FAILED".into(), &"AI_ERROR".into()),
        "{failed}"
    );

    let retried = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(retried.status, 202, "{retried:?}");
    let data = retried.data();
    assert_eq!(
        (&data["retryCount"], &data["originalProcessId"], &data["status"]),
        (&1.into(), &id.as_str().into(), &"PENDING".into())
    );
    let process = user.wait_for_end(data["processId"].as_str().unwrap()).await;
    assert_eq!(
        (&process["status"], &process["retryCount"]),
        (&"COMPLETED".into(), &1.into()),
        "{process}"
    );
    assert_eq!(user.status(&id).await["status"], "FAILED");
    assert_eq!(stack.sub_goals(&goal).await.len(), 8);
}

#[tokio::test]
async fn what_did_not_fail_is_not_retried() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let id = user.submit(&Goal::new("成功した目標")).await;
    user.wait_for_end(&id).await;
    let refused = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(
        (refused.status, refused.code(), &refused.body["error"]["currentStatus"]),
        (400, "RETRY_NOT_ALLOWED", &"COMPLETED".into())
    );
}
