//! Workers that are killed in the middle of their batches. In a binary of its own, because it kills
//! every worker there is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::collections::HashSet;

use serde_json::json;
use system_tests::{Goal, PATIENCE, Stack};

#[tokio::test]
async fn workers_killed_between_two_batches_cost_no_target_and_none_is_written_twice() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goal = Goal::new("倒れても立ち上がる");
    let actions = stack.plant(&goal, &user.sub().await, true).await;
    let before = stack.model_calls().await;
    // Of each eight, four answer at once and four are slow, so that it comes to a stand with
    // nothing but slow ones in flight, wherever its batches are divided: then the worker dies.
    for (_, title) in actions
        .iter()
        .filter(|(_, title)| ["4番", "5番", "6番", "7番"].iter().any(|end| title.ends_with(end)))
    {
        stack.fault_at(title, json!({"delayMs": 6_000})).await;
    }
    let id = user.submit_type("TASK_GENERATION", json!({"goalId": goal.id})).await;
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let (mut written, mut seen) = (0, 0);
    // What answers at once is written in far less than the second and a half that nothing was.
    while seen < 10 {
        assert!(tokio::time::Instant::now() < deadline, "{}", user.status(&id).await);
        tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        let now = staged(&stack, &id).await;
        seen = if now > 0 && now == written { seen + 1 } else { 0 };
        written = now;
    }
    assert!(stack.kill("ai-generation-worker") > 0, "no worker was found");
    assert_eq!(staged(&stack, &id).await, written);
    assert!(written < 64, "they died too late");

    let process = user.wait_for_end(&id).await;
    assert_eq!(
        (&process["status"], &process["result"]["partial"]),
        (&"COMPLETED".into(), &false.into()),
        "{process}"
    );
    let written: Vec<String> = stack
        .history(&id)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "progressed")
        .map(|(_, detail)| detail.unwrap()["targetId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((written.len(), written.iter().collect::<HashSet<_>>().len()), (64, 64));
    let answered = |calls: &serde_json::Value| {
        calls["calls"].as_array().unwrap().iter().filter(|call| call["outcome"] == "ok").count()
    };
    assert_eq!(
        answered(&stack.model_calls().await) - answered(&before),
        64,
        "what was staged was not asked for again"
    );
}

async fn staged(stack: &Stack, id: &str) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM processing_output WHERE process_id = $1::uuid")
        .bind(id)
        .fetch_one(&stack.database)
        .await
        .unwrap()
}
