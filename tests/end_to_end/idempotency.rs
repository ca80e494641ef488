//! The same key and body make one process, however often and at once they are sent.

use serde_json::Value;
use system_tests::{Answer, Goal, Stack, User, fresh_id};
use tokio::task::JoinSet;

async fn generate(user: &User, goal: &Value, key: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    user.send("POST", "/generate", &headers, &goal.to_string()).await
}

#[tokio::test]
async fn a_hundred_at_once_make_one_process_and_get_equal_answers() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let (goal, key) = (Goal::new("百回送られる目標"), fresh_id().to_string());
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let (user, request, key) = (user.clone(), goal.request(), key.clone());
        calls.spawn(async move { generate(&user, &request, &key).await });
    }
    let answers = calls.join_all().await;
    assert!(
        answers.iter().all(|answer| answer.status == 202 && answer.body == answers[0].body),
        "{answers:?}"
    );
    let made: i64 =
        sqlx::query_scalar("SELECT count(*) FROM processing_state WHERE target_id = $1")
            .bind(goal.id)
            .fetch_one(&stack.database)
            .await
            .unwrap();
    let counted: i32 = sqlx::query_scalar("SELECT used FROM rate_limit WHERE user_id = $1")
        .bind(user.id())
        .fetch_one(&stack.database)
        .await
        .unwrap();
    assert_eq!((made, counted), (1, 1));
    let id = answers[0].data()["processId"].as_str().unwrap().to_owned();
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
    assert_eq!(generate(&user, &goal.request(), &key).await.body, answers[0].body);
}

#[tokio::test]
async fn another_body_under_the_key_is_refused_and_a_bad_key_named() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let (goal, key) = (Goal::new("鍵のある目標"), fresh_id().to_string());
    assert_eq!(generate(&user, &goal.request(), &key).await.status, 202);
    let other = generate(&user, &goal.request_with("title", "別の目標".into()), &key).await;
    assert_eq!((other.status, other.code()), (409, "IDEMPOTENCY_KEY_REUSED"));
    let long = generate(&user, &goal.request_with("title", "".into()), &"k".repeat(256)).await;
    assert_eq!(
        (long.status, long.code(), long.fields()),
        (400, "VALIDATION_ERROR", vec!["params.title", "Idempotency-Key"])
    );
}
