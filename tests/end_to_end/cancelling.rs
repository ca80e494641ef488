//! Cancel really cancels: it is seen at once, wins over everything later, and stops the work.

use serde_json::json;
use system_tests::{Goal, Stack};

#[tokio::test]
async fn a_running_process_is_cancelled_at_once_and_stays_so() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("キャンセルされる目標");
    stack.fault(&goal, json!({"delayMs": 5_000})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;

    let cancelled = user.post(&format!("/cancel/{id}"), &json!({"reason": "やり直したい"})).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(
        (&cancelled.data()["status"], &cancelled.data()["cancelReason"]),
        (&"CANCELLED".into(), &"やり直したい".into())
    );
    assert_eq!(user.status(&id).await["status"], "CANCELLED");

    let repeated = user.post(&format!("/cancel/{id}"), &json!({"reason": "もう一度"})).await;
    assert_eq!((repeated.status, &repeated.data()["cancelReason"]), (200, &"やり直したい".into()));
    assert_eq!(stack.execution(&id).await["status"], "ABORTED");
    assert_eq!(user.status(&id).await["status"], "CANCELLED");
    assert!(stack.sub_goals(&goal).await.is_empty());
}

#[tokio::test]
async fn an_operator_cancels_by_invoke() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("運用担当者が止める目標");
    stack.fault(&goal, json!({"delayMs": 5_000})).await;
    let id = user.submit(&goal).await;
    let answer =
        stack.invoke("cancel-handler", &json!({"processId": id, "reason": "maintenance"})).await;
    assert_eq!(
        (&answer["success"], &answer["data"]["status"]),
        (&true.into(), &"CANCELLED".into()),
        "{answer}"
    );
    assert_eq!(user.status(&id).await["cancelReason"], "maintenance");
}

#[tokio::test]
async fn what_has_ended_cannot_be_cancelled() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let id = user.submit(&Goal::new("もう終わった目標")).await;
    user.wait_for_end(&id).await;
    let refused = user.post(&format!("/cancel/{id}"), &json!({})).await;
    assert_eq!((refused.status, refused.code()), (400, "CANCEL_NOT_ALLOWED"));
    assert_eq!(refused.body["error"]["currentStatus"], "COMPLETED");
    assert_eq!(user.status(&id).await["status"], "COMPLETED");
}

#[tokio::test]
async fn a_reason_that_is_too_long_cancels_nothing() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let id = user.submit(&Goal::new("理由が長すぎる目標")).await;
    let refused = user.post(&format!("/cancel/{id}"), &json!({"reason": "あ".repeat(501)})).await;
    assert_eq!(
        (refused.status, refused.code(), refused.fields()),
        (400, "VALIDATION_ERROR", vec!["reason"])
    );
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
}
