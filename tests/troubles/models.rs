//! Models that fail, and how long they may take.

use serde_json::json;
use system_tests::{Goal, User};

use crate::night::{API, Night};

async fn models(night: &Night) -> Vec<String> {
    let variables = night.variables("ai-generation-worker").await;
    variables["MODEL_IDS"].as_str().unwrap().split(',').map(str::to_owned).collect()
}

async fn completes(user: &User, goal: &Goal) -> serde_json::Value {
    let process = user.wait_for_end(&user.submit(goal).await).await;
    assert_eq!(process["status"], "COMPLETED", "{process}");
    process
}

/// **H, N** What a model throttles is waited for and completes; what it fails for good ends with
/// the code, and `aigen errors` names the model's own words.
#[tokio::test]
async fn t06_an_error_of_the_model_is_waited_out_or_named() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let throttled = Goal::new("待てば叶う目標");
    for model in models(&night).await {
        night.stack.fault(&throttled, json!({"throttle": 1, "onlyModel": model})).await;
    }
    completes(&user, &throttled).await;

    let refused = Goal::new("断られる目標");
    night
        .stack
        .fault(&refused, json!({"error": 1_000, "errorType": "AccessDeniedException"}))
        .await;
    let id = user.submit(&refused).await;
    let process = user.wait_for_end(&id).await;
    assert_eq!(process["status"], "FAILED", "{process}");
    let errors = night.ask("diagnostics", json!({"check": "errors", "hours": 1})).await;
    let groups = errors["errors"].as_array().unwrap();
    let cause = |group: &&serde_json::Value| {
        group["cause"].as_str().is_some_and(|cause| cause.contains("AccessDenied"))
    };
    assert!(groups.iter().any(|group| cause(&group)), "{errors}");
}

/// **H, P** A model that says when to come again is asked again no sooner, and a client of ours
/// that is told so has room when it comes.
#[tokio::test]
async fn t18_a_429_tells_when_to_come_again_and_is_kept_to() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    user.limit_to(1).await;
    let first = user.post("/generate", &Goal::new("一つ目の目標").request()).await;
    assert_eq!(first.status, 202, "{first:?}");
    let refused = user.post("/generate", &Goal::new("二つ目の目標").request()).await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMIT_EXCEEDED"));
    let again: i64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&again), "{again}");
    // As if so long had passed.
    night
        .sql(&format!(
            "UPDATE rate_limit SET window_start = window_start - interval '{again} seconds'
             WHERE user_id = '{}'",
            user.id()
        ))
        .await;
    let then = user.post("/generate", &Goal::new("二つ目の目標").request()).await;
    assert_eq!(then.status, 202, "{then:?}");
}

/// **P** A request is answered 202 at once, however long its model takes: here longer than the 30 s
/// that the gateway waits for any answer.
#[tokio::test]
async fn t19_a_long_request_never_becomes_a_504() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("とても長い目標");
    night.stack.fault(&goal, json!({"delayMs": 31_000})).await;
    let process = completes(&user, &goal).await;
    let usage = &process["result"]["usage"][0];
    assert!(usage["latencyMs"].as_i64().is_none_or(|took| took >= 31_000), "{process}");
}

/// **H** A model that is out of service gives way to the next of the list, within the same attempt.
#[tokio::test]
async fn t23_a_model_that_fails_gives_way_to_the_next() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let models = models(&night).await;
    let goal = Goal::new("次の人が引き継ぐ目標");
    night.stack.fault(&goal, json!({"unavailable": 1_000, "onlyModel": models[0]})).await;
    let process = completes(&user, &goal).await;
    assert_eq!(
        (&process["result"]["usage"][0]["modelId"], &process["attempt"]),
        (&json!(models[1]), &json!(1)),
        "{process}"
    );
}

/// **H, N** An answer that is cut off at the limit of tokens is never stored: it is asked for
/// again. A budget that is used up refuses with its own code, before anything is spent.
#[tokio::test]
async fn t24_a_limit_of_tokens_neither_cuts_a_result_nor_is_passed() {
    let night = Night::begins().await;
    let user = night.stack.new_user().await;
    let goal = Goal::new("途中で切れる目標");
    night.stack.fault(&goal, json!({"truncated": 1})).await;
    completes(&user, &goal).await;
    assert_eq!(night.stack.sub_goals(&goal).await.len(), 8);

    let tight = [("TOKENS_PER_USER_AND_DAY", Some("1000"))];
    let refused = night
        .with_variables(API, &tight, async {
            user.post("/generate", &Goal::new("予算を超える目標").request()).await
        })
        .await;
    assert_eq!((refused.status, refused.code()), (429, "BUDGET_EXCEEDED"));
}
