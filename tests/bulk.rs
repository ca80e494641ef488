//! `aigen cancel --all` and `aigen retry --failed` on the local stack: what the filter names, and
//! nothing else, with who and why in each history. And `aigen load`, which makes many of them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use system_tests::{Goal, Stack, User, aigen};
use tokio::{process::Command, sync::Mutex};

/// The model double forgets its faults for all at once.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

async fn run(words: &[&str]) -> Output {
    let mut command = Command::new(aigen());
    command.args(words).stdin(Stdio::null());
    command.output().await.unwrap()
}

/// What it says to a machine, and its exit code.
async fn said(words: &[&str]) -> (Value, i32) {
    let output = run(&[words, &["--json"]].concat()).await;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{words:?}: {text}{errors}"));
    (value, output.status.code().unwrap())
}

/// The history of a process.
async fn history(stack: &Stack, id: &str) -> Vec<Value> {
    let ask = json!({"check": "process", "processId": id});
    let answer = stack.invoke("diagnostics", &ask).await;
    answer["data"]["timeline"].as_array().unwrap().clone()
}

async fn status(user: &User, id: &str) -> Value {
    user.wait_until(id, "seen", |_| true).await["status"].clone()
}

#[tokio::test]
async fn what_a_filter_names_is_cancelled_with_who_and_why_and_nothing_else() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stack = Stack::up().await;
    stack.model_reset().await;
    let (many, other) = (stack.new_user().await, stack.new_user().await);
    many.limit_to(1_000).await;
    // Some run, the others wait: one user has eight calls.
    let mut ids = Vec::new();
    for number in 0..12 {
        let goal = Goal::new(&format!("まとめて中止する目標{number}"));
        stack.fault(&goal, json!({"delayMs": 60_000})).await;
        ids.push(many.submit(&goal).await);
    }
    let left = Goal::new("残しておく目標");
    stack.fault(&left, json!({"delayMs": 2_000})).await;
    let left = other.submit(&left).await;
    let user = many.id();
    let filter = ["cancel", "--all", "--user", &user];

    // It is only shown; and without a reason, or somebody to ask, nothing is done.
    let (preview, code) = said(&[&filter[..], &["--dry-run"]].concat()).await;
    assert_eq!((&preview["previewed"], code), (&json!(12), 0), "{preview}");
    for incomplete in [&["--yes"][..], &["--reason", "x"]] {
        let output = run(&[&filter[..], incomplete].concat()).await;
        assert_eq!(output.status.code(), Some(2), "{incomplete:?}: {output:?}");
    }
    let other_type = ["--type", "TASK_GENERATION", "--reason", "x", "--yes"];
    let (none, code) = said(&[&filter[..], &other_type].concat()).await;
    assert_eq!((&none["previewed"], code), (&json!(0), 0), "{none}");
    for id in &ids {
        assert_ne!(status(&many, id).await, "CANCELLED");
    }

    let do_it = ["--reason", "incident 7", "--yes", "--per-second", "50"];
    let (done, code) = said(&[&filter[..], &do_it].concat()).await;
    assert_eq!((&done["done"], &done["previewed"], code), (&json!(12), &json!(12), 0), "{done}");
    for id in &ids {
        assert_eq!(status(&many, id).await, "CANCELLED");
        let history = history(&stack, id).await;
        // A start that was under way, or the sweep that stops the execution, may be noted later.
        let end = history.iter().find(|it| it["kind"] == "cancelled").unwrap();
        assert_eq!((&end["actor"], &end["status"]), (&json!("operator"), &json!("CANCELLED")));
        assert_eq!(end["detail"]["reason"], "incident 7");
        assert!(end["detail"]["by"].is_string(), "{end}");
    }
    assert_eq!(other.wait_for_end(&left).await["status"], "COMPLETED");
    // A second time there is nothing left to do.
    let (again, code) = said(&[&filter[..], &do_it].concat()).await;
    assert_eq!((&again["previewed"], code), (&json!(0), 0), "{again}");
}

#[tokio::test]
async fn what_failed_is_retried_once_and_what_would_fail_again_is_left_out() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let stack = Stack::up().await;
    stack.model_reset().await;
    let user = stack.new_user().await;
    let mut failed = Vec::new();
    for number in 0..3 {
        let goal = Goal::new(&format!("まとめて再試行する目標{number}"));
        stack.fault(&goal, json!({"error": 1_000})).await;
        failed.push(user.submit(&goal).await);
    }
    for id in &failed {
        assert_eq!(user.wait_for_end(id).await["status"], "FAILED");
    }
    stack.model_reset().await;
    // The third is one that would fail again.
    let lasting = format!(
        "UPDATE processing_state
         SET error = jsonb_set(error, '{{code}}', '\"DATABASE_CONSTRAINT_VIOLATION\"')
         WHERE id = '{}'",
        failed[2]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(lasting)).execute(&stack.database).await.unwrap();

    let id = user.id();
    let retry = ["retry", "--failed", "--user", &id, "--since", "1h", "--reason", "after it"];
    let (done, code) = said(&[&retry[..], &["--yes"]].concat()).await;
    assert_eq!((&done["done"], &done["previewed"], code), (&json!(2), &json!(2), 0), "{done}");
    for outcome in done["outcomes"].as_array().unwrap() {
        let retry = outcome["retryProcessId"].as_str().unwrap();
        assert_eq!(user.wait_for_end(retry).await["status"], "COMPLETED", "{outcome}");
        let detail = history(&stack, retry).await[0]["detail"].clone();
        assert_eq!((&detail["reason"], detail["by"].is_string()), (&json!("after it"), true));
        assert_eq!(detail["originalProcessId"], outcome["processId"]);
    }
    // Retried once: a second time they are left out, and so is the one that would fail again.
    let (again, _) = said(&[&retry[..], &["--dry-run"]].concat()).await;
    assert_eq!(again["previewed"], 0, "{again}");
    assert_eq!(again["leftOut"], json!({"NOT_RETRYABLE": 1, "RETRIED": 2}));
}

#[tokio::test]
async fn a_load_test_ends_with_its_jobs_and_says_how_fast_each_route_answered() {
    let _alone = ONE_AT_A_TIME.lock().await;
    Stack::up().await.model_reset().await;
    let (told, code) = said(&["load", "--users", "5", "--every", "1", "--jobs", "10"]).await;
    assert_eq!((code, &told["verdict"]), (0, &json!("well")), "{told}");
    let jobs = &told["jobs"];
    // Each fifth is cancelled, unless it has ended before.
    let ended = ["COMPLETED", "CANCELLED"].map(|it| jobs["ended"][it].as_u64().unwrap_or(0));
    assert_eq!((ended[0] + ended[1], &jobs["accepted"]), (10, &json!(10)), "{told}");
    for requests in told["requests"].as_array().unwrap() {
        assert!(requests["p50Ms"].as_f64().unwrap() > 0.0, "{told}");
    }
}
