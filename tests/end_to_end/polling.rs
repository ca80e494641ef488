//! Polling costs little: what has not changed is not sent again, and the answer says when to ask
//! next.

use serde_json::json;
use system_tests::{Goal, Stack};

#[tokio::test]
async fn an_unchanged_status_is_304_until_it_changes() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("見守られる目標");
    stack.fault(&goal, json!({"delayMs": 4_000})).await;
    let id = user.submit(&goal).await;
    user.wait_until(&id, "asking the model", |process| process["progress"] == 50).await;
    let path = format!("/status/{id}");
    let seen = user.get(&path).await;
    let tag = seen.headers["etag"].to_str().unwrap().to_owned();
    let wait: u64 = seen.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=15).contains(&wait) && seen.headers["cache-control"] == "private, no-cache");

    let same = user.send("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!(
        (same.status, same.body.is_null(), &same.headers["etag"]),
        (304, true, &seen.headers["etag"])
    );
    assert!(same.headers.contains_key("retry-after"));
    let english =
        user.send("GET", &path, &[("if-none-match", &tag), ("accept-language", "en")], "").await;
    assert_eq!(english.status, 200, "the words may differ");

    user.wait_for_end(&id).await;
    let ended = user.send("GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!((ended.status, &ended.data()["status"]), (200, &"COMPLETED".into()));
    assert_eq!(ended.data()["result"]["subGoals"].as_array().map(Vec::len), Some(8), "{ended:?}");
    assert!(!ended.headers.contains_key("retry-after") && ended.headers["etag"] != tag.as_str());
    let again = user
        .send("GET", &path, &[("if-none-match", ended.headers["etag"].to_str().unwrap())], "")
        .await;
    assert_eq!(again.status, 304);
}

#[tokio::test]
async fn a_304_tells_nothing_of_another_users_process() {
    let stack = Stack::up().await;
    let (hanako, taro) = (stack.new_user().await, stack.new_user().await);
    let id = hanako.submit(&Goal::new("花子だけの目標")).await;
    hanako.wait_for_end(&id).await;
    let tag =
        hanako.get(&format!("/status/{id}")).await.headers["etag"].to_str().unwrap().to_owned();
    for tag in [tag.as_str(), "*"] {
        assert_eq!(
            taro.send("GET", &format!("/status/{id}"), &[("if-none-match", tag)], "").await.status,
            403
        );
    }
}
