//! Retrying: one process makes one retry, what would fail again is refused, and an operator can
//! force it.

use serde_json::json;
use system_tests::{Goal, Stack, User};
use tokio::task::JoinSet;

/// A process that an operator has ended with `code` by hand.
async fn ended_with(stack: &Stack, user: &User, goal: &Goal, code: &str) -> String {
    stack.fault(goal, json!({"delayMs": 2_000})).await;
    let id = user.submit(goal).await;
    let update = "UPDATE processing_state
                  SET status='FAILED',
                      error=jsonb_build_object('code', $2::text, 'message', 'by hand'),
                      completed_at=NOW()
                  WHERE id=$1::uuid";
    sqlx::query(update)
        .bind(id.parse::<uuid::Uuid>().unwrap())
        .bind(code)
        .execute(&stack.database)
        .await
        .unwrap();
    id
}

#[tokio::test]
async fn ten_retries_at_once_make_one_process_and_get_equal_answers() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("何度も再試行される目標");
    let id = ended_with(&stack, &user, &goal, "MANUAL_INTERVENTION").await;
    let mut calls = JoinSet::new();
    for _ in 0..10 {
        let (user, id) = (user.clone(), id.clone());
        calls.spawn(async move { user.post(&format!("/retry/{id}"), &json!({})).await });
    }
    let answers = calls.join_all().await;
    let retry = answers[0].data()["processId"].clone();
    assert!(
        answers.iter().all(|answer| answer.status == 202 && answer.data()["processId"] == retry),
        "{answers:?}"
    );
    let retried = user.wait_for_end(retry.as_str().unwrap()).await;
    assert_eq!(
        (&retried["status"], &retried["originalProcessId"]),
        (&"COMPLETED".into(), &id.as_str().into())
    );
    let later = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(
        (&later.data()["processId"], &later.data()["status"]),
        (&retry, &"COMPLETED".into())
    );
}

#[tokio::test]
async fn what_would_fail_again_is_refused_with_the_reason_unless_an_operator_forces_it() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("直らない目標");
    let id = ended_with(&stack, &user, &goal, "LAMBDA_ERROR").await;
    let refused = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(
        (refused.status, refused.code(), refused.fields()),
        (400, "RETRY_NOT_ALLOWED", vec!["error.code"])
    );
    assert!(
        refused.body["error"]["details"][0]["message"].as_str().unwrap().contains("LAMBDA_ERROR")
    );
    assert_eq!(
        user.post(&format!("/retry/{id}"), &json!({"force": true})).await.fields(),
        ["force"]
    );

    let unforced = stack.invoke("retry-handler", &json!({"processId": id})).await;
    assert_eq!(
        (&unforced["success"], &unforced["error"]["code"]),
        (&false.into(), &"RETRY_NOT_ALLOWED".into())
    );
    let forced = stack.invoke("retry-handler", &json!({"processId": id, "force": true})).await;
    assert_eq!(forced["success"], true, "{forced}");
    let retried = user.wait_for_end(forced["data"]["processId"].as_str().unwrap()).await;
    assert_eq!((&retried["status"], &retried["retryCount"]), (&"COMPLETED".into(), &1.into()));
}

#[tokio::test]
async fn a_chain_ends_after_three_retries() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("三度まで再試行される目標");
    let mut id = ended_with(&stack, &user, &goal, "MANUAL_INTERVENTION").await;
    for count in 1..=3 {
        stack.fault(&goal, json!({"delayMs": 2_000})).await;
        let retried = user.post(&format!("/retry/{id}"), &json!({})).await;
        assert_eq!(retried.data()["retryCount"], count, "{retried:?}");
        id = retried.data()["processId"].as_str().unwrap().to_owned();
        let update = r#"UPDATE processing_state
                        SET status='FAILED',
                            error='{"code":"MANUAL_INTERVENTION","message":"by hand"}',
                            completed_at=NOW()
                        WHERE id=$1::uuid"#;
        sqlx::query(update)
            .bind(id.parse::<uuid::Uuid>().unwrap())
            .execute(&stack.database)
            .await
            .unwrap();
    }
    let refused = user.post(&format!("/retry/{id}"), &json!({})).await;
    assert_eq!(
        (refused.status, refused.code(), &refused.body["error"]["retryCount"]),
        (400, "MAX_RETRY_EXCEEDED", &3.into())
    );
}
