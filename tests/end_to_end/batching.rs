//! Batches of requests: each is judged by itself, all are polled and cancelled together.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use system_tests::{Answer, Goal, PATIENCE, Stack, User, fresh_id};

fn batch(goals: &[Goal]) -> Value {
    json!({"requests": goals.iter().map(Goal::request).collect::<Vec<_>>()})
}

fn goals(title: &str, count: usize) -> Vec<Goal> {
    (0..count).map(|number| Goal::new(&format!("{title}{number}"))).collect()
}

/// Sends a batch and gives its id.
async fn send(user: &User, body: &Value) -> String {
    let answer = user.post("/batch", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.data()["batchId"].as_str().unwrap().to_owned()
}

async fn stand(user: &User, id: &str) -> Answer {
    let answer = user.get(&format!("/batch/{id}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// Polls until `reached`.
async fn wait_until(user: &User, id: &str, what: &str, reached: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let mut before = 0;
    loop {
        let batch = stand(user, id).await.data().clone();
        let progress = batch["progress"].as_u64().unwrap();
        assert!(progress >= before, "progress fell from {before}: {batch}");
        before = progress;
        if reached(&batch) {
            return batch;
        }
        assert!(Instant::now() < deadline, "never came to be {what}: {batch}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn processes_of(stack: &Stack, goal: &Goal) -> i64 {
    stack.count("SELECT count(*) FROM processing_state WHERE target_id = $1", goal).await
}

#[tokio::test]
async fn what_is_accepted_of_a_batch_is_generated_and_what_is_not_is_named() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("まとめて送る目標", 3);
    let mut body = batch(&goals);
    let requests = body["requests"].as_array_mut().unwrap();
    requests.insert(1, goals[0].request_with("title", "".into()));
    requests.push(goals[0].request());
    let answer = user.post("/batch", &body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.headers["x-ratelimit-remaining"], "19");
    let data = answer.data();
    assert_eq!((&data["accepted"], &data["refused"]), (&json!(3), &json!(2)));
    let results = data["results"].as_array().unwrap();
    let indexes: Vec<_> = results.iter().map(|result| result["index"].as_u64().unwrap()).collect();
    assert_eq!(indexes, [0, 1, 2, 3, 4]);
    assert_eq!(results[1]["error"]["details"][0]["field"], "params.title");
    assert_eq!(results[4]["error"]["code"], "ALREADY_RUNNING");
    assert_eq!(results[4]["error"]["processId"], results[0]["processId"]);

    let id = data["batchId"].as_str().unwrap();
    let whole = |batch: &Value| batch["completedAt"].is_string();
    let batch = wait_until(&user, id, "whole", whole).await;
    assert_eq!((&batch["total"], &batch["progress"]), (&json!(3), &json!(100)));
    assert_eq!(batch["counts"]["COMPLETED"], 3, "{batch}");
    let processes = batch["processes"].as_array().unwrap();
    for (process, accepted) in processes.iter().zip([0, 2, 3]) {
        assert_eq!(process["processId"], results[accepted]["processId"]);
        assert_eq!(process["result"], Value::Null);
    }
    for goal in &goals {
        assert_eq!(stack.sub_goals(goal).await.len(), 8);
    }
    assert!(!stand(&user, id).await.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn a_repeat_under_the_key_is_told_the_same() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("鍵のあるバッチ", 2);
    let (mut body, key) = (batch(&goals), fresh_id().to_string());
    body["requests"][1]["params"]["deadline"] = json!("2000-01-01T00:00:00Z");
    let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
    let send = async |body: &Value| user.send("POST", "/batch", &headers, &body.to_string()).await;
    let first = send(&body).await;
    assert_eq!((first.status, &first.data()["refused"]), (202, &json!(1)));
    let again = send(&body).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    assert_eq!(again.headers["x-ratelimit-remaining"], "19", "it is not counted");
    body["requests"].as_array_mut().unwrap().pop();
    let other = send(&body).await;
    assert_eq!((other.status, other.code()), (409, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(processes_of(&stack, &goals[0]).await, 1);
}

#[tokio::test]
async fn trying_a_batch_starts_nothing() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("試すだけの目標", 2);
    let mut body = batch(&goals);
    body["requests"].as_array_mut().unwrap().push(json!(7));
    body["dryRun"] = true.into();
    let tried = user.post("/batch", &body).await;
    assert_eq!((tried.status, &tried.data()["accepted"]), (200, &json!(2)), "{tried:?}");
    assert_eq!(tried.data()["batchId"], Value::Null);
    assert_eq!(tried.data()["results"][0], json!({"index": 0}));
    for goal in &goals {
        assert_eq!(processes_of(&stack, goal).await, 0);
    }
}

#[tokio::test]
async fn a_batch_is_cancelled_as_a_whole() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("まとめてやめる目標", 12);
    for goal in &goals {
        stack.fault(goal, json!({"delayMs": 60_000})).await;
    }
    let id = send(&user, &batch(&goals)).await;
    // Some run, some wait.
    wait_until(&user, &id, "running", |batch| batch["counts"]["PROCESSING"] != 0).await;
    let path = format!("/batch/{id}/cancel");
    let cancelled = user.post(&path, &json!({"reason": "やり直したい"})).await;
    assert_eq!(cancelled.status, 200, "{cancelled:?}");
    assert_eq!(cancelled.headers["x-ratelimit-limit"], "120", "it is counted as a cancel");
    let batch = cancelled.data();
    assert_eq!((&batch["progress"], &batch["counts"]["PENDING"]), (&json!(100), &json!(0)));
    assert!(batch["completedAt"].is_string());
    let mut begun = 0;
    for process in batch["processes"].as_array().unwrap() {
        assert_eq!(process["status"], "CANCELLED", "{process}");
        assert_eq!(process["cancelReason"], "やり直したい");
        if process["attempt"] != 0 {
            let execution = stack.execution(process["processId"].as_str().unwrap()).await;
            assert_eq!(execution["status"], "ABORTED");
            begun += 1;
        }
    }
    assert!(begun > 0, "{batch}");
    let again = user.post(&path, &json!({"reason": "もう一度"})).await;
    assert_eq!((again.status, again.data()), (200, batch));
    for goal in &goals {
        assert!(stack.sub_goals(goal).await.is_empty());
    }
}

#[tokio::test]
async fn an_operator_cancels_a_batch_by_invoke() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("運用担当者が止めるバッチ", 2);
    for goal in &goals {
        stack.fault(goal, json!({"delayMs": 5_000})).await;
    }
    let id = send(&user, &batch(&goals)).await;
    let payload = json!({"batchId": id, "reason": "maintenance"});
    let answer = stack.invoke("cancel-handler", &payload).await;
    assert_eq!(answer["success"], true, "{answer}");
    let batch = stand(&user, &id).await.data().clone();
    assert_eq!(batch["counts"]["CANCELLED"], 2);
    assert_eq!(batch["processes"][0]["cancelReason"], "maintenance");
}

#[tokio::test]
async fn a_batch_is_its_users_only() {
    let stack = Stack::up().await;
    let (user, other) = (stack.new_user().await, stack.new_user().await);
    // Of which everything is refused, it is a batch all the same.
    let id = send(&user, &json!({"requests": [{}]})).await;
    assert_eq!(stand(&user, &id).await.data()["total"], 0);
    let refused = |answer: Answer| (answer.status, answer.code().to_owned());
    let (forbidden, missing) =
        ((403, "FORBIDDEN".to_owned()), (404, "PROCESSING_NOT_FOUND".to_owned()));
    let unknown = fresh_id();
    assert_eq!(refused(other.get(&format!("/batch/{id}")).await), forbidden);
    assert_eq!(refused(other.post(&format!("/batch/{id}/cancel"), &json!({})).await), forbidden);
    assert_eq!(refused(user.get(&format!("/batch/{unknown}")).await), missing);
    let cancel = user.post(&format!("/batch/{unknown}/cancel"), &json!({})).await;
    assert_eq!(refused(cancel), missing);
    let malformed = user.get("/batch/7").await;
    assert_eq!((malformed.status, malformed.fields()), (400, vec!["batchId"]));
}

/// How long it takes is printed, not judged: `cargo aigen test -- -p system-tests batching
/// --nocapture`.
#[tokio::test]
async fn a_hundred_requests_are_one_call() {
    let stack = Stack::up().await;
    let user = stack.new_user().await;
    let goals = goals("百件のうちの目標", 100);
    let began = Instant::now();
    let answer = user.post("/batch", &batch(&goals)).await;
    println!("a batch of 100 requests: {:?} through HTTP", began.elapsed());
    assert_eq!((answer.status, &answer.data()["accepted"]), (202, &json!(100)), "{answer:?}");
    let id = answer.data()["batchId"].as_str().unwrap();
    let batch = stand(&user, id).await;
    assert!(batch.headers.contains_key("retry-after"));
    let waiting = &batch.data()["counts"]["PENDING"];
    assert!(waiting.as_u64().unwrap() > 0, "{:?}", batch.data()["counts"]);
    let cancelled = user.post(&format!("/batch/{id}/cancel"), &json!({})).await;
    assert_eq!(cancelled.data()["counts"]["PENDING"], 0, "{cancelled:?}");
}
