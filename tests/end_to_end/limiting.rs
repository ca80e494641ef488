//! The rate limit holds for generate and retry together, cancels have their own, and an operator
//! can change it for one user without a deployment.

use serde_json::json;
use system_tests::{Goal, Stack};
use tokio::task::JoinSet;

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

#[tokio::test]
async fn of_forty_requests_at_once_twenty_get_through() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let user = user.clone();
        calls.spawn(async move { user.post(&format!("/retry/{NOBODYS}"), &json!({})).await });
    }
    let answers = calls.join_all().await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(404), count(429)), (20, 20), "{answers:?}");
    for answer in &answers {
        assert_eq!(answer.headers["x-ratelimit-limit"], "20");
        let left: i32 = answer.headers["x-ratelimit-remaining"].to_str().unwrap().parse().unwrap();
        assert!((0..20).contains(&left) && answer.headers.contains_key("x-ratelimit-reset"));
    }
    // The other route counts into the same minute; cancels do not, and reading is free.
    let refused = user.post("/generate", &Goal::new("多すぎる目標").request()).await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMIT_EXCEEDED"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && refused.body["error"]["retryAfter"] == wait, "{refused:?}");
    assert_eq!(user.post_text("/generate", "{").await.status, 429);
    let cancel = user.post(&format!("/cancel/{NOBODYS}"), &json!({})).await;
    assert_eq!(
        (cancel.status, &cancel.headers["x-ratelimit-limit"]),
        (404, &"120".parse().unwrap())
    );
    assert_eq!(user.get("/history").await.status, 200);
}

#[tokio::test]
async fn an_operator_gives_a_user_a_limit_of_their_own() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    user.limit_to(1).await;
    let first = user.post("/generate", &Goal::new("ひとつだけの目標").request()).await;
    assert_eq!(
        (first.status, &first.headers["x-ratelimit-remaining"]),
        (202, &"0".parse().unwrap()),
        "{first:?}"
    );
    assert_eq!(
        user.post("/generate", &Goal::new("ふたつめの目標").request()).await.code(),
        "RATE_LIMIT_EXCEEDED"
    );
    user.limit_to(500).await;
    let raised = user.post("/generate", &Goal::new("ふたつめの目標").request()).await;
    assert_eq!(
        (raised.status, &raised.headers["x-ratelimit-limit"]),
        (202, &"500".parse().unwrap())
    );
}
