//! One key makes one batch, however often and however many at once it is sent.

use serde_json::json;
use shared::process::{Actor, ErrorCode};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, user};

use crate::kit::*;

const GOALS: u128 = 0x6000;

fn keyed(number: u128) -> Sending {
    let mut requests = wanting_all(GOALS..GOALS + 3);
    requests.insert(1, invalid());
    // Overlaps the first.
    requests.push(wanting(GOALS));
    sending(number, requests).keyed("key")
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_is_told_the_same_whatever_has_happened_since_and_is_not_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let first = keyed(1);
    let results = first.judged_by(&fixture.store).await;
    let engine = Engine::default();
    // One has been cancelled, one has even been deleted.
    fixture.store.cancel(first.process_id(0), None, None, Actor::User, at(1)).await.unwrap();
    let gone = first.process_id(2);
    fixture.sql(&format!("DELETE FROM processing_state WHERE id = '{gone}'")).await;
    let (judged, quota) = keyed(2).after(30).send_to(&fixture.store, &engine).await.unwrap();
    let judged = judged.unwrap();
    assert_eq!((judged.id, &judged.results, judged.repeated), (first.batch_id(), &results, true));
    assert_eq!((quota.unwrap().used, fixture.count("request_batch").await), (1, 1));
}

// World 17, protocol A15.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_deadline_that_has_passed_since_does_not_matter(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let results = keyed(1).judged_by(&fixture.store).await;
    let repeat = keyed(2).after(2_000_000);
    assert!(repeat.parsed().requests[0].as_ref().unwrap().late.len() == 1);
    let (judged, _) = repeat.send_to(&fixture.store, &Engine::default()).await.unwrap();
    assert_eq!(judged.unwrap().results, results);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_of_which_all_was_refused_is_remembered_too(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let missing = json!({"type": "TASK_GENERATION", "params": {"actionId": test_kit::uuid(7)}});
    let batch = |number| sending(number, vec![missing.clone(), invalid()]).keyed("key");
    let results = batch(1).judged_by(&fixture.store).await;
    let (judged, quota) = batch(2).send_to(&fixture.store, &Engine::default()).await.unwrap();
    let judged = judged.unwrap();
    assert_eq!((judged.id, judged.results), (batch(1).batch_id(), results));
    assert_eq!(quota.unwrap().used, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_is_answered_even_when_the_minute_is_used_up_and_another_batch_is_not(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let strict = |sending: Sending| Sending { per_minute: 1, ..sending };
    let engine = Engine::default();
    strict(keyed(1)).judged_by(&fixture.store).await;
    let (repeat, _) = strict(keyed(2)).send_to(&fixture.store, &engine).await.unwrap();
    assert!(repeat.unwrap().repeated);
    let other = strict(sending(3, wanting_all([7])).keyed("key"));
    let sent = other.send_to(&fixture.store, &engine).await.unwrap();
    assert_eq!(refused(&sent), ErrorCode::RateLimitExceeded);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_same_key_with_another_body_is_refused_and_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    keyed(1).judged_by(&fixture.store).await;
    let mut swapped = keyed(2);
    swapped.requests.swap(0, 2);
    let one_less = Sending { requests: keyed(3).requests[1..].to_vec(), ..keyed(3) };
    for (used, other) in (2..).zip([swapped, one_less]) {
        let sent = other.send_to(&fixture.store, &Engine::default()).await.unwrap();
        assert_eq!(refused(&sent), ErrorCode::IdempotencyKeyReused);
        assert_eq!(sent.1.unwrap().used, used);
    }
    assert_eq!(fixture.count("request_batch").await, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_key_is_one_users_and_a_batchs(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let alone = shared::store::Submission {
        idempotency_key: Some("key".into()),
        ..test_kit::submission(1, "hanako")
    };
    fixture.submit(&alone).await;
    keyed(1).judged_by(&fixture.store).await;
    let other = Sending { user: user("taro"), requests: wanting_all([7]), ..keyed(2) };
    assert!(told(&other.judged_by(&fixture.store).await)[0].is_ok());
    // Without a key nothing is a repeat.
    let unkeyed = |number| Sending { key: None, ..sending(number, vec![invalid()]) };
    unkeyed(3).judged_by(&fixture.store).await;
    unkeyed(4).judged_by(&fixture.store).await;
    assert_eq!(fixture.count("request_batch").await, 4);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn thirty_at_once_make_one_batch_and_are_told_the_same(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let sending = (1..=30).map(|number| {
        let store = rival(&options);
        tokio::spawn(async move {
            let (judged, _) = keyed(number).send_to(&store, &Engine::default()).await.unwrap();
            judged.unwrap()
        })
    });
    let mut answers = Vec::new();
    for sent in sending.collect::<Vec<_>>() {
        answers.push(sent.await.unwrap());
    }
    let (id, results) = (answers[0].id, &answers[0].results);
    assert!(answers.iter().all(|answer| answer.id == id && answer.results == *results));
    assert_eq!(answers.iter().filter(|answer| !answer.repeated).count(), 1);
    assert_eq!(fixture.count("processing_state").await, 3);
    let used: i32 =
        sqlx::query_scalar("SELECT used FROM rate_limit").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!((used, fixture.count("request_batch").await), (1, 1));
}
