//! A model that misbehaves: what passes by waiting is waited out in the state machine, and what
//! does not ends with its name.

use serde_json::json;
use system_tests::{Goal, Stack, User};

#[tokio::test]
async fn three_throttles_are_waited_out_and_the_process_completes() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("家を建てる");
    // Every model of the list is throttled three times over.
    for model in models(&stack).await {
        stack.fault(&goal, json!({"throttle": 3, "onlyModel": model})).await;
    }
    let id = user.submit(&goal).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(
        (&process["status"], &process["attempt"]),
        (&"COMPLETED".into(), &4.into()),
        "{process}"
    );
    assert_eq!(stack.sub_goals(&goal).await.len(), 8);
}

#[tokio::test]
async fn a_nonsense_answer_is_repaired_in_the_same_attempt() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    for fault in ["garbage", "truncated"] {
        let goal = Goal::new("写真展を開く");
        stack.fault(&goal, json!({fault: 1})).await;
        let process = user.wait_for_end(&user.submit(&goal).await).await;
        assert_eq!(
            (&process["status"], &process["attempt"]),
            (&"COMPLETED".into(), &1.into()),
            "{fault}: {process}"
        );
        assert_eq!(
            process["result"]["usage"].as_array().unwrap().len(),
            2,
            "{fault}: both calls are accounted for"
        );
    }
}

#[tokio::test]
async fn endless_nonsense_is_never_stored() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("小説を書き上げる");
    stack.fault(&goal, json!({"garbage": 1_000})).await;
    let process = user.wait_for_end(&user.submit(&goal).await).await;
    assert_eq!(
        (&process["status"], &process["error"]["code"]),
        (&"FAILED".into(), &"AI_RESPONSE_INVALID".into()),
        "{process}"
    );
    assert!(stack.sub_goals(&goal).await.is_empty());
}

/// Submits the goal, and expects it to be completed by this model, without another attempt.
async fn assert_first_attempt_is_answered_by(model: &str, user: &User, goal: &Goal) {
    let process = user.wait_for_end(&user.submit(goal).await).await;
    assert_eq!(
        (&process["status"], &process["attempt"]),
        (&"COMPLETED".into(), &1.into()),
        "{process}"
    );
    assert_eq!(process["result"]["usage"][0]["modelId"], model);
}

#[tokio::test]
async fn a_model_that_fails_gives_way_to_the_next_in_the_same_attempt() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let models = models(&stack).await;
    assert!(models.len() > 1, "{models:?}");
    let goal = Goal::new("茶道の免状を取る");
    stack.fault(&goal, json!({"unavailable": 1, "onlyModel": models[0]})).await;
    assert_first_attempt_is_answered_by(&models[1], &user, &goal).await;
}

#[tokio::test]
async fn a_model_that_always_throttles_gives_way_to_one_that_answers() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let models = models(&stack).await;
    let goal = Goal::new("相撲を観る");
    stack.fault(&goal, json!({"throttle": 1_000, "onlyModel": models[0]})).await;
    assert_first_attempt_is_answered_by(&models[1], &user, &goal).await;
}

#[tokio::test]
async fn a_model_that_we_may_not_use_gives_way_to_the_next() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let models = models(&stack).await;
    let goal = Goal::new("能を舞う");
    stack
        .fault(
            &goal,
            json!({"error": 1_000, "errorType": "AccessDeniedException", "onlyModel": models[0]}),
        )
        .await;
    assert_first_attempt_is_answered_by(&models[1], &user, &goal).await;
}

#[tokio::test]
async fn models_that_we_may_not_use_at_all_are_named_with_what_to_do() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let models = models(&stack).await;
    let goal = Goal::new("狂言を舞う");
    stack.fault(&goal, json!({"error": 1_000, "errorType": "AccessDeniedException"})).await;
    let id = user.submit(&goal).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(
        (&process["status"], &process["error"]["code"], &process["attempt"]),
        (&"FAILED".into(), &"INTERNAL_ERROR".into(), &1.into()),
        "{process}"
    );
    let cause: String =
        sqlx::query_scalar("SELECT error ->> 'cause' FROM processing_state WHERE id = $1::uuid")
            .bind(&id)
            .fetch_one(&stack.database)
            .await
            .unwrap();
    for model in &models {
        assert!(cause.contains(model), "{cause}");
    }
    assert!(cause.contains("bedrock:InvokeModel"), "{cause}");
}

/// The models that the worker is deployed with, in order.
async fn models(stack: &Stack) -> Vec<String> {
    let configuration = stack
        .aws(&["lambda", "get-function-configuration", "--function-name", "ai-generation-worker"])
        .await
        .unwrap();
    configuration["Environment"]["Variables"]["MODEL_IDS"]
        .as_str()
        .unwrap()
        .split(',')
        .map(str::to_owned)
        .collect()
}
