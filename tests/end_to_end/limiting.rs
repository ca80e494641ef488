//! The rate limit holds for the three POST routes together, and an operator can change it for one
//! user without a deployment.

use std::time::Duration;

use chrono::{Timelike, Utc};
use serde_json::json;
use system_tests::{Goal, Stack};
use tokio::task::JoinSet;

const NOBODYS: &str = "00000000-0000-4000-8000-000000000000";

/// Waits for the beginning of a minute, if the present one is about to end: the requests of a test
/// must fall into one.
#[expect(clippy::disallowed_methods, reason = "the limit goes by the clock of the machine")]
async fn early_in_a_minute() {
    let second = Utc::now().second();
    if second > 35 {
        tokio::time::sleep(Duration::from_secs((61 - second).into())).await;
    }
}

#[tokio::test]
async fn of_forty_requests_at_once_twenty_get_through() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    early_in_a_minute().await;
    let mut calls = JoinSet::new();
    for number in 0..40 {
        let user = user.clone();
        let route = if number % 2 == 0 { "cancel" } else { "retry" };
        calls.spawn(async move { user.post(&format!("/{route}/{NOBODYS}"), &json!({})).await });
    }
    let answers = calls.join_all().await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(404), count(429)), (20, 20), "{answers:?}");
    for answer in &answers {
        assert_eq!(answer.headers["x-ratelimit-limit"], "20");
        let left: i32 = answer.headers["x-ratelimit-remaining"].to_str().unwrap().parse().unwrap();
        assert!((0..20).contains(&left) && answer.headers.contains_key("x-ratelimit-reset"));
    }
    // The third route counts into the same minute; reading is free.
    let refused = user.post("/generate", &Goal::new("多すぎる目標").request()).await;
    assert_eq!((refused.status, refused.code()), (429, "RATE_LIMIT_EXCEEDED"));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait) && refused.body["error"]["retryAfter"] == wait, "{refused:?}");
    assert_eq!(user.post_text("/generate", "{").await.status, 429);
    assert_eq!(user.get("/history").await.status, 200);
}

#[tokio::test]
async fn an_operator_gives_a_user_a_limit_of_their_own() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    early_in_a_minute().await;
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
