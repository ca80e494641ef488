//! What is wrong with a request is said at the door, by field, and nothing of another user's is
//! told.

use serde_json::json;
use system_tests::{Goal, Stack};

#[tokio::test]
async fn each_wrong_field_is_named() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("検証される目標");
    for (field, value) in [
        ("title", json!("あ".repeat(201))),
        ("deadline", json!("2020-01-01T00:00:00Z")),
        ("colour", json!("red")),
        ("goalId", json!("42")),
        ("background", json!("")),
    ] {
        let answer = user.post("/generate", &goal.request_with(field, value)).await;
        assert_eq!(
            (answer.status, answer.code(), answer.fields()),
            (400, "VALIDATION_ERROR", vec![format!("params.{field}").as_str()])
        );
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_and_an_unknown_type_are_refused() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let broken = user.post_text("/generate", "{\"type\":").await;
    assert_eq!(
        (broken.status, broken.code(), broken.fields()),
        (400, "VALIDATION_ERROR", vec!["body"])
    );
    let unknown = user.post("/generate", &json!({"type": "POEM_GENERATION", "params": {}})).await;
    assert_eq!(
        (unknown.status, unknown.code(), unknown.fields()),
        (400, "INVALID_PROCESS_TYPE", vec!["type"])
    );
}

#[tokio::test]
async fn without_a_good_token_the_gateway_lets_nobody_in() {
    let stack = Stack::up().await;
    let id = uuid::Uuid::nil();
    assert_eq!(stack.get_anonymously(&format!("/status/{id}")).await.status, 401);
    assert_eq!(stack.bearer("not.a.token").get(&format!("/status/{id}")).await.status, 401);
}

#[tokio::test]
async fn another_users_process_and_goal_are_forbidden_and_nothing_about_them_is_told() {
    let stack = Stack::up().await;
    let (hanako, taro) = (stack.new_user().await, stack.new_user().await);
    let goal = Goal::new("花子の秘密の目標");
    let id = hanako.submit(&goal).await;
    hanako.wait_for_end(&id).await;
    let refused = [
        taro.get(&format!("/status/{id}")).await,
        taro.post(&format!("/cancel/{id}"), &json!({})).await,
        taro.post(&format!("/retry/{id}"), &json!({})).await,
        taro.post("/generate", &goal.request_with("replace", true.into())).await,
    ];
    for answer in refused {
        assert_eq!((answer.status, answer.code()), (403, "FORBIDDEN"));
        assert!(
            !answer.body.to_string().contains("COMPLETED")
                && !answer.body.to_string().contains("秘密"),
            "{answer:?}"
        );
    }
    assert_eq!(hanako.status(&id).await["status"], "COMPLETED");
}

#[tokio::test]
async fn ids_that_are_none_or_nobodys_are_told_apart() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let malformed = user.get("/status/42").await;
    assert_eq!((malformed.status, malformed.code()), (400, "INVALID_UUID"));
    let unknown = user.get("/status/00000000-0000-4000-8000-000000000000").await;
    assert_eq!((unknown.status, unknown.code()), (404, "PROCESSING_NOT_FOUND"));
}
