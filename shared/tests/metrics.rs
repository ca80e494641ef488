//! What is emitted of processes over a run of mixed endings, on a real database: each fact once, by
//! whoever commits it (aws.md 11).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::{
    chart::{Chart, Params},
    lambda::{Metric, Metrics},
    process::{Actor, Ending, ErrorCode, EventKind, ProcessError, ProcessId},
    reconcile::Rule,
    store::{
        Completion, Credentials, Database, EndingNote, NewRows, Repaired, Store, Submission,
        Submitted,
    },
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, goal, id, sub_goals, submission, user, uuid};
use uuid::Uuid;

/// A store whose facts are kept as lines of metrics.
struct Observed {
    store: Store,
    lines: Arc<Mutex<Vec<Value>>>,
    /// To look behind it.
    fixture: Fixture,
}

fn began() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

fn after(seconds: i64) -> DateTime<Utc> {
    began() + TimeDelta::seconds(seconds)
}

/// The id that a process gets which is asked for at `began()`.
fn process(number: u8) -> ProcessId {
    let millis = began().timestamp_millis().unsigned_abs();
    ProcessId(uuid::Builder::from_unix_timestamp_millis(millis, &[number; 10]).into_uuid())
}

impl Observed {
    async fn new(options: PgConnectOptions) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let metrics = Metrics::new("staging-", move |line| {
            sink.lock().unwrap().push(serde_json::from_str(line).unwrap());
        });
        let database = Database::new(Credentials::Given(Box::new(options.clone())));
        let store = Store::new(database).observed_by(move |fact| metrics.committed(fact));
        Self { store, lines, fixture: Fixture::new(options).await }
    }

    /// How often `metric` was emitted, and the sum of its values.
    fn emitted(&self, metric: Metric) -> (usize, f64) {
        let lines = self.lines.lock().unwrap();
        let values = lines.iter().filter_map(|line| line.get(metric.as_str())?.as_f64());
        values.fold((0, 0.0), |(count, sum), value| (count + 1, sum + value))
    }

    fn submission(number: u8) -> Submission<Chart> {
        let mut submission = submission(u128::from(number), "hanako");
        submission.id = process(number);
        submission.now = began();
        submission.idempotency_key = Some(format!("key-{number}"));
        // A goal of its own, as one goal has one active process.
        let mut goal = goal();
        goal.goal_id = uuid(u128::from(number) * 100);
        submission.params = Params::SubGoals(goal);
        submission
    }

    /// Process `number`, accepted, and if `claimed` at work.
    async fn begun(&self, number: u8, claimed: bool) {
        let (submitted, _) = self.store.submit(&Self::submission(number)).await.unwrap();
        assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
        if claimed {
            self.store.claim(process(number), None, after(1)).await.unwrap();
        }
    }

    async fn complete(&self, number: u8, attempt: i32) -> Completion {
        let Params::SubGoals(goal) = Self::submission(number).params else { unreachable!() };
        let parts = [(goal.goal_id, sub_goals(u128::from(number) * 1_000))];
        let new = NewRows::<Chart> {
            user_id: &user("hanako"),
            params: &Params::SubGoals(goal),
            parts: &parts,
            result: &json!({"subGoals": []}),
            detail: &json!({}),
        };
        let (id, now) = (process(number), after(2));
        self.store.complete(id, attempt, &new, Actor::Worker, now).await.unwrap()
    }

    /// The reconciler's ending of process `number`, as it sees it now.
    async fn repair(&self, number: u8, ending: &Ending) -> Repaired {
        let note = EndingNote { rule: Rule::R5, kind: EventKind::Repaired, execution: "FAILED" };
        let row = self.store.rows_of(&[process(number)]).await.unwrap().remove(0);
        let repaired = self.store.end_seen(&row, ending, note, after(4)).await.unwrap();
        // From what was seen before, it does nothing more.
        assert_eq!(
            self.store.end_seen(&row, ending, note, after(4)).await.unwrap(),
            Repaired::Moved
        );
        repaired
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn over_a_run_of_mixed_endings_each_fact_is_emitted_exactly_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let run = Observed::new(options).await;
    let (store, error) = (&run.store, ProcessError::new(ErrorCode::AiError, "test"));
    let (failed, timed_out) = (Ending::Failed(error.clone()), Ending::TimedOut(error));

    // One is completed: fenced first, then for good, then repeated.
    run.begun(1, true).await;
    assert_eq!(run.complete(1, 7).await, Completion::Fenced);
    assert_eq!(run.complete(1, 1).await, Completion::Completed);
    assert_eq!(run.complete(1, 1).await, Completion::Fenced);
    // One fails, one times out, each told twice; neither ends another way after.
    for (number, ending) in [(2, &failed), (3, &timed_out)] {
        run.begun(number, true).await;
        for _ in 0..2 {
            store.end(process(number), ending, Actor::Worker, after(3)).await.unwrap();
        }
        assert_eq!(run.complete(number, 1).await, Completion::Fenced);
        assert_eq!(run.repair(number, &failed).await, Repaired::Moved);
    }
    // One is cancelled, twice; another user cannot.
    run.begun(4, false).await;
    let stranger = user("taro");
    for owner in [Some(&stranger), None, None] {
        store.cancel(process(4), owner, None, Actor::User, after(3)).await.unwrap();
    }
    // The reconciler ends four, each its way.
    for (number, ending) in [(5, &failed), (6, &timed_out), (7, &Ending::Cancelled)] {
        run.begun(number, true).await;
        assert_eq!(run.repair(number, ending).await, Repaired::Done);
    }
    run.begun(8, true).await;
    run.fixture
        .sql(&format!("UPDATE processing_state SET result = '{{}}' WHERE id = '{}'", process(8)))
        .await;
    let row = store.rows_of(&[process(8)]).await.unwrap().remove(0);
    for repaired in [Repaired::Done, Repaired::Moved] {
        assert_eq!(store.complete_from_stored(&row, after(5)).await.unwrap(), repaired);
    }
    // What is asked again, or refused, is no other start; what is not there has no end.
    let (again, _) = store.submit(&Observed::submission(8)).await.unwrap();
    assert!(matches!(again, Submitted::Repeated { .. }), "{again:?}");
    run.begun(9, true).await;
    let mut other = Observed::submission(9);
    (other.id, other.idempotency_key) = (process(10), None);
    let (refused, _) = store.submit(&other).await.unwrap();
    assert!(matches!(refused, Submitted::AlreadyRunning { .. }), "{refused:?}");
    store.end(id(99), &failed, Actor::Worker, after(3)).await.unwrap();

    for (metric, count) in [
        (Metric::Started, 9),
        (Metric::Completed, 2),
        (Metric::Failed, 2),
        (Metric::Timeout, 2),
        (Metric::Cancelled, 2),
    ] {
        let (lines, sum) = run.emitted(metric);
        assert_eq!((lines, sum), (count, f64::from(u32::try_from(count).unwrap())), "{metric:?}");
    }
    assert_eq!(run.emitted(Metric::WaitingTime), (9, 0.0));
    assert_eq!(run.emitted(Metric::ProcessingDuration), (2, 2_000.0 + 5_000.0));
    let lines = run.lines.lock().unwrap().clone();
    assert!(lines.iter().all(|line| line["Stack"] == "staging-"));
    assert_eq!(lines.len(), 26, "nothing else");
    let events: Vec<(String, i64)> = sqlx::query_as(
        "SELECT to_status, count(*) FROM processing_event
         WHERE to_status <> 'PROCESSING' GROUP BY 1 ORDER BY 1",
    )
    .fetch_all(&run.fixture.pool)
    .await
    .unwrap();
    let events: Vec<_> = events.iter().map(|(status, count)| (status.as_str(), *count)).collect();
    assert_eq!(
        events,
        [("CANCELLED", 2), ("COMPLETED", 2), ("FAILED", 2), ("PENDING", 9), ("TIMEOUT", 2)],
        "the history says the same"
    );
}

/// Twenty Lambda environments race for one ending.
#[sqlx::test(migrations = "../infra/migrations")]
async fn of_many_that_end_a_process_at_once_one_emits(_: PgPoolOptions, options: PgConnectOptions) {
    let run = Observed::new(options.clone()).await;
    run.begun(1, true).await;
    let ends = (0..20).map(|number| {
        let (lines, options) = (Arc::clone(&run.lines), options.clone());
        tokio::spawn(async move {
            let metrics = Metrics::new("", move |line| {
                lines.lock().unwrap().push(serde_json::from_str(line).unwrap());
            });
            let store = Store::new(Database::new(Credentials::Given(Box::new(options))))
                .observed_by(move |fact| metrics.committed(fact));
            let error = ProcessError::new(ErrorCode::AiError, "test");
            if number % 2 == 0 {
                store.cancel(process(1), None, None, Actor::User, after(3)).await.unwrap();
            } else {
                let ending = Ending::Failed(error);
                store.end(process(1), &ending, Actor::Worker, after(3)).await.unwrap();
            }
        })
    });
    for end in ends.collect::<Vec<_>>() {
        end.await.unwrap();
    }
    let ended = run.emitted(Metric::Cancelled).0 + run.emitted(Metric::Failed).0;
    assert_eq!(ended, 1);
}

#[test]
fn an_id_tells_when_its_process_was_asked_for() {
    assert_eq!(process(1).made_at(), Some(began()));
    assert_eq!(ProcessId(Uuid::from_u128(1)).made_at(), None);
}
