//! More than there is capacity for: a quota far below the demand, one user beside a crowd, a pause,
//! and functions that die at any moment of it. A binary of its own, because each of these is felt
//! by every process there is.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use system_tests::{Answer, Goal, PATIENCE, Stack, User};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

/// One test at a time: capacity and model are everybody's.
static ALONE: Mutex<()> = Mutex::const_new(());

struct Crowd {
    stack: Stack,
    /// The processes of this test.
    ids: Vec<String>,
}

impl Crowd {
    async fn before(world: Value) -> Self {
        let stack = Stack::up().await;
        stack.model_world(world).await;
        sqlx::query("DELETE FROM processing_model").execute(&stack.database).await.unwrap();
        Self { stack, ids: Vec::new() }
    }

    /// Submits `count` processes of `user`, each for a goal of its own, at once.
    async fn submit(&mut self, user: &User, count: usize) {
        user.limit_to(10_000).await;
        let submit = |n| async move { user.submit(&Goal::new(&format!("人ごみの目標{n}"))).await };
        self.ids.extend(futures_util::future::join_all((0..count).map(submit)).await);
    }

    async fn count(&self, condition: &str) -> i64 {
        let ids = self.ids.join("','");
        let query =
            format!("SELECT count(*) FROM processing_state WHERE id IN ('{ids}') AND {condition}");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&self.stack.database).await.unwrap()
    }

    async fn number(&self, query: &str) -> i64 {
        let query = AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_one(&self.stack.database).await.unwrap()
    }

    /// Waits until all have ended; meanwhile `between` happens again and again.
    async fn until_all_have_ended(&self, between: impl AsyncFn()) {
        let deadline = Instant::now() + 2 * PATIENCE;
        while self.count("status IN ('PENDING', 'PROCESSING')").await > 0 {
            assert!(Instant::now() < deadline, "{} have not ended", self.unfinished().await);
            between().await;
            sleep(Duration::from_millis(300)).await;
        }
    }

    async fn unfinished(&self) -> i64 {
        self.count("status IN ('PENDING', 'PROCESSING')").await
    }

    /// What holds of admission, whatever has happened, once all have ended.
    async fn assert_invariants(&self) {
        let ids = self.ids.join("','");
        let twice = format!(
            "SELECT count(*) FROM (
                 SELECT FROM processing_event
                 WHERE process_id IN ('{ids}') AND kind = 'admitted'
                 GROUP BY process_id HAVING count(*) > 1
             ) twice"
        );
        assert_eq!(self.number(&twice).await, 0, "none is admitted twice");
        let used = "SELECT COALESCE(sum(calls), 0)::bigint FROM capacity_in_use()";
        assert_eq!(self.number(used).await, 0, "no share is leaked");
        let waiting = "SELECT count(*) FROM processing_queue
                       WHERE waiting_normal <> 0 OR waiting_low <> 0";
        assert_eq!(self.number(waiting).await, 0, "nobody is said to wait");
        for id in &self.ids {
            let execution = self.stack.execution(id).await;
            assert_ne!(execution["status"], "RUNNING", "{execution}");
        }
    }

    async fn over(self) {
        self.stack.model_reset().await;
    }
}

#[tokio::test]
async fn a_crowd_before_a_small_quota_completes_whole() {
    let _alone = ALONE.lock().await;
    let world = json!({"requestsPerMinute": 120, "burst": 4, "delayMs": 500});
    let mut crowd = Crowd::before(world).await;
    for _ in 0..8 {
        let user = crowd.stack.new_user().await;
        crowd.submit(&user, 4).await;
    }
    crowd.until_all_have_ended(async || {}).await;
    assert_eq!(crowd.count("status = 'COMPLETED'").await, 32);
    let calls = crowd.stack.model_calls().await;
    assert!(calls["maxInFlight"].as_u64().unwrap() <= 16, "{}", calls["maxInFlight"]);
    crowd.assert_invariants().await;
    crowd.over().await;
}

#[tokio::test]
async fn a_lone_user_is_admitted_before_the_rest_of_a_crowd() {
    let _alone = ALONE.lock().await;
    let mut crowd = Crowd::before(json!({"delayMs": 800})).await;
    let (many, lone) = (crowd.stack.new_user().await, crowd.stack.new_user().await);
    crowd.submit(&many, 60).await;
    let waiting = crowd.ids.last().unwrap().clone();
    let by_user_limit = |process: &Value| {
        process["waiting"]["reason"] == "USER_LIMIT"
            && process["waiting"]["ahead"].as_u64().is_some_and(|ahead| ahead > 20)
    };
    many.wait_until(&waiting, "waiting for its own user", by_user_limit).await;
    let before = crowd.count("admitted_at IS NOT NULL").await;
    let id = lone.submit(&Goal::new("ひとりの目標")).await;
    assert_eq!(lone.wait_for_end(&id).await["status"], "COMPLETED");
    // What of the crowd was admitted by the time the lone one was.
    let admitted = crowd
        .count(&format!(
            "admitted_at < (SELECT admitted_at FROM processing_state WHERE id = '{id}')"
        ))
        .await;
    assert!(admitted <= before + 8, "{before} before it was submitted, {admitted} before it");
    crowd.until_all_have_ended(async || {}).await;
    assert_eq!(crowd.count("status = 'COMPLETED'").await, 60);
    crowd.ids.push(id);
    crowd.assert_invariants().await;
    crowd.over().await;
}

#[tokio::test]
async fn singles_do_not_wait_for_the_calls_of_whole_charts() {
    let _alone = ALONE.lock().await;
    let mut crowd = Crowd::before(json!({"delayMs": 700})).await;
    let mut charts = Vec::new();
    for _ in 0..2 {
        let user = crowd.stack.new_user().await;
        let mut params = Goal::new("大きな図").request()["params"].clone();
        params["depth"] = json!("tasks");
        charts.push((user.submit_type("CHART_GENERATION", params).await, user));
    }
    for (id, user) in &charts {
        user.wait_until(id, "writing tasks", |process| process["progress"].as_u64() > Some(20))
            .await;
    }
    let single = crowd.stack.new_user().await;
    crowd.submit(&single, 12).await;
    crowd.until_all_have_ended(async || {}).await;
    for (id, user) in &charts {
        let status = user.status(id).await["status"].clone();
        assert_eq!(status, "PROCESSING", "the singles were not behind its 73 calls");
    }
    for (id, user) in charts {
        assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
        crowd.ids.push(id);
    }
    let calls = crowd.stack.model_calls().await;
    assert!(calls["maxInFlight"].as_u64().unwrap() <= 16, "{}", calls["maxInFlight"]);
    crowd.assert_invariants().await;
    crowd.over().await;
}

/// The functions that admit die again and again, at whatever moment of it, and workers with them.
#[tokio::test]
async fn functions_that_die_while_they_admit_lose_nothing_and_admit_nothing_twice() {
    let _alone = ALONE.lock().await;
    let mut crowd = Crowd::before(json!({"delayMs": 300})).await;
    let deaths = async |stack: &Stack| {
        for round in 0..12 {
            stack.kill("async-processing-handler");
            sleep(Duration::from_millis(130)).await;
            stack.kill("reconciler");
            sleep(Duration::from_millis(170)).await;
            if round == 5 {
                stack.kill("ai-generation-worker");
            }
        }
    };
    let (stack, user) = (crowd.stack.clone(), crowd.stack.new_user().await);
    user.limit_to(10_000).await;
    // A 202 may not arrive although its process was accepted: what counts is what is stored.
    let submitting = async {
        for n in 0..60 {
            let goal = Goal::new(&format!("倒れる間の目標{n}"));
            let _: Answer = user.post("/generate", &goal.request()).await;
        }
    };
    tokio::join!(submitting, deaths(&stack));
    crowd.ids = sqlx::query_scalar("SELECT id::text FROM processing_state WHERE user_id = $1")
        .bind(user.id())
        .fetch_all(&stack.database)
        .await
        .unwrap();
    assert!(crowd.ids.len() >= 20, "{}", crowd.ids.len());
    crowd
        .until_all_have_ended(async || {
            stack.invoke("reconciler", &json!({})).await;
        })
        .await;
    let lost = crowd.count("status NOT IN ('COMPLETED')").await;
    assert_eq!(lost, 0, "each is completed");
    crowd.assert_invariants().await;
    crowd.over().await;
}

#[tokio::test]
async fn a_pause_holds_what_is_accepted_and_an_operator_lets_it_go() {
    let _alone = ALONE.lock().await;
    let mut crowd = Crowd::before(json!({"delayMs": 1})).await;
    let user = crowd.stack.new_user().await;
    let operate = async |payload: Value| {
        let answer = crowd.stack.invoke("reconciler", &payload).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    };
    operate(json!({"action": "pause", "by": "test", "reason": "a test"})).await;
    let id = user.submit(&Goal::new("待つ目標")).await;
    let told = user.status(&id).await;
    assert_eq!(told["waiting"], json!({"reason": "PAUSED", "ahead": 0}), "{told}");
    let shown = operate(json!({"action": "pause", "by": "test", "refuse": true})).await;
    assert_eq!((&shown["waiting"]["total"], &shown["running"]), (&json!(1), &json!(0)));
    let refused = user.post("/generate", &Goal::new("断られる目標").request()).await;
    assert_eq!((refused.status, refused.code()), (503, "SERVICE_PAUSED"), "{refused:?}");
    assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
    let health = crowd.stack.invoke("diagnostics", &json!({"check": "health"})).await;
    assert_eq!(health["data"]["capacity"]["paused"]["by"], "test", "{health}");
    operate(json!({"action": "resume", "by": "test"})).await;
    assert_eq!(user.wait_for_end(&id).await["status"], "COMPLETED");
    crowd.ids.push(id);
    crowd.assert_invariants().await;
    crowd.over().await;
}
