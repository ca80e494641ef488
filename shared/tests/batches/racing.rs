//! Batches that meet each other, or single requests, between the look and the storing: forced by
//! locks. And what dies in between.

use shared::{
    chart::Params,
    process::ErrorCode,
    store::{Submission, Submitted},
};
use sqlx::{
    AssertSqlSafe, PgTransaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Engine, Fixture, goal_numbered, id, submission, user, uuid};

use crate::kit::*;

const GOALS: u128 = 0x6000;

/// A session that has run `sql` and not committed.
async fn hold_by(fixture: &Fixture, sql: &str) -> PgTransaction<'static> {
    let mut holder = fixture.pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *holder).await.unwrap();
    holder
}

fn lock_of_goal(number: u128) -> String {
    format!("SELECT pg_advisory_xact_lock(hashtextextended('{}', 0))", uuid(number))
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_accepted_since_the_look_is_seen_by_the_next_one(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    // The batch has looked, and waits to store its second process; a single request is before it.
    let holder = hold_by(&fixture, &lock_of_goal(GOALS + 1)).await;
    let single = rival(&options);
    let single = tokio::spawn(async move {
        let params = Params::SubGoals(goal_numbered(GOALS + 1));
        single.submit(&Submission { params, ..submission(7, "hanako") }).await.unwrap().0
    });
    fixture.until_waiting(1).await;
    let batch = tokio::spawn(async move {
        sending(1, wanting_all(GOALS..GOALS + 3)).judged_by(&rival(&options)).await
    });
    fixture.until_waiting(2).await;
    holder.commit().await.unwrap();
    assert!(matches!(single.await.unwrap(), Submitted::Accepted { .. }));
    let results = batch.await.unwrap();
    assert_eq!(told(&results), [Ok(id(1_000)), Err(ErrorCode::AlreadyRunning), Ok(id(1_002))]);
    let answer = answer(&sending(1, vec![]), &results);
    assert_eq!(answer["results"][1]["error"]["processId"], serde_json::json!(id(7)));
    let used: i32 = sqlx::query_scalar("SELECT used FROM rate_limit WHERE user_id = 'hanako'")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!((used, fixture.count("processing_state").await), (1, 3));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_batches_for_the_same_at_once_each_request_is_accepted_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let sending = (1..=10).map(|number: u128| {
        let store = rival(&options);
        tokio::spawn(async move {
            let mut requests = wanting_all(GOALS..GOALS + 20);
            // In another order each, and half of them of another user.
            requests.rotate_left(usize::try_from(number).unwrap() * 2);
            if number.is_multiple_of(2) {
                requests.reverse();
            }
            let name = if number.is_multiple_of(3) { "taro" } else { "hanako" };
            let batch = Sending { user: user(name), ..sending(number, requests) };
            told(&batch.judged_by(&store).await)
        })
    });
    let mut accepted = 0;
    for sent in sending.collect::<Vec<_>>() {
        for told in sent.await.unwrap() {
            match told {
                Ok(_) => accepted += 1,
                Err(ErrorCode::AlreadyRunning | ErrorCode::Forbidden) => {}
                Err(code) => panic!("{code}"),
            }
        }
    }
    assert_eq!((accepted, fixture.count("processing_state").await), (20, 20));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn batches_at_once_do_not_go_past_a_limit_together(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    // All of them have looked, and then go at once.
    let gate = hold_by(&fixture, "LOCK TABLE request_batch IN SHARE MODE").await;
    let sending: Vec<_> = (1..=20)
        .map(|number: u128| {
            let store = rival(&options);
            tokio::spawn(async move {
                let goals = GOALS + number * 100;
                let batch = sending(number, wanting_all(goals..goals + 5)).by(waiting(12));
                batch.judged_by(&store).await
            })
        })
        .collect();
    fixture.until_waiting(20).await;
    gate.commit().await.unwrap();
    let mut accepted = 0;
    for sent in sending {
        accepted += told(&sent.await.unwrap()).iter().filter(|told| told.is_ok()).count();
    }
    assert_eq!((accepted, fixture.count("processing_state").await), (12, 12));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_batches_at_once_no_more_get_through_than_the_minute_allows(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let sending = (1..=20).map(|number: u128| {
        let store = rival(&options);
        tokio::spawn(async move {
            let goals = GOALS + number * 100;
            let batch = sending(number, wanting_all(goals..goals + 3));
            let batch = Sending { per_minute: 6, ..batch };
            let (judged, quota) = batch.send_to(&store, &Engine::default()).await.unwrap();
            assert!(quota.unwrap().used <= 6);
            judged.is_ok()
        })
    });
    let mut through = 0;
    for sent in sending.collect::<Vec<_>>() {
        through += usize::from(sent.await.unwrap());
    }
    assert_eq!((through, fixture.count("processing_state").await), (6, 18));
}

/// Whatever fails while it is stored: nothing of it is there, and the key is free.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_is_stored_whole_or_not_at_all(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let batch = sending(1, wanting_all(GOALS..GOALS + 100)).keyed("key");
    for (breaking, mending) in [
        (
            "ALTER TABLE processing_state
             ADD CONSTRAINT broken CHECK (request_index IS DISTINCT FROM 57)",
            "ALTER TABLE processing_state DROP CONSTRAINT broken",
        ),
        (
            "ALTER TABLE processing_event RENAME TO gone",
            "ALTER TABLE gone RENAME TO processing_event",
        ),
        ("ALTER TABLE rate_limit RENAME TO gone", "ALTER TABLE gone RENAME TO rate_limit"),
        (
            "ALTER TABLE processing_queue ADD CONSTRAINT broken CHECK (waiting_low < 99)",
            "ALTER TABLE processing_queue DROP CONSTRAINT broken",
        ),
    ] {
        let before = fixture.everything().await;
        fixture.sql(breaking).await;
        let engine = Engine::default();
        assert!(batch.send_to(&fixture.store, &engine).await.is_err(), "{breaking}");
        fixture.sql(mending).await;
        assert_eq!(fixture.everything().await, before, "{breaking}");
        assert_eq!(engine.started(), [""; 0], "{breaking}");
    }
    assert!(told(&batch.judged_by(&fixture.store).await).iter().all(Result::is_ok));
}

/// The connection dies while the statement waits in its middle.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_whose_connection_dies_has_left_nothing_and_can_be_sent_again(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let before = fixture.everything().await;
    let holder = hold_by(&fixture, &lock_of_goal(GOALS + 50)).await;
    let batch = || sending(1, wanting_all(GOALS..GOALS + 100)).keyed("key");
    let store = rival(&options);
    let sent =
        tokio::spawn(async move { batch().send_to(&store, &Engine::default()).await.is_err() });
    fixture.until_waiting(1).await;
    fixture
        .sql(
            "SELECT pg_terminate_backend(pid)
             FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .await;
    assert!(sent.await.unwrap(), "nobody knows whether it was stored");
    holder.commit().await.unwrap();
    assert_eq!(fixture.everything().await, before);
    assert!(told(&batch().judged_by(&fixture.store).await).iter().all(Result::is_ok));
}
