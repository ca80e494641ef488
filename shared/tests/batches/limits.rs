//! The limits of a user inside a batch: how many may wait, what the budgets leave, a pause, the
//! minute.

use chrono::TimeDelta;
use shared::{
    process::{ErrorCode, Terms},
    store::SetBy,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Engine, Fixture, at, user};

use crate::kit::*;

const GOALS: u128 = 0x6000;

/// How many of a batch's requests were accepted, and with which code the others were refused.
async fn outcome(fixture: &Fixture, sending: &Sending) -> (usize, Vec<ErrorCode>) {
    let told = told(&sending.judged_by(&fixture.store).await);
    let mut refused: Vec<_> = told.iter().filter_map(|told| told.err()).collect();
    refused.dedup();
    (told.iter().filter(|told| told.is_ok()).count(), refused)
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn only_as_many_are_accepted_as_may_wait(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let batch = |number: u128, count| {
        let goals = GOALS + number * 100;
        sending(number, wanting_all(goals..goals + count)).by(waiting(10))
    };
    let too_many = vec![ErrorCode::TooManyWaiting];
    assert_eq!(outcome(&fixture, &batch(1, 4)).await, (4, vec![]));
    assert_eq!(outcome(&fixture, &batch(2, 50)).await, (6, too_many.clone()));
    assert_eq!(outcome(&fixture, &batch(3, 1)).await, (0, too_many));
    let other = Sending { user: user("taro"), ..batch(4, 20) };
    assert_eq!(outcome(&fixture, &other).await.0, 10, "each user has their own");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn those_that_can_start_at_once_do_not_count_as_waiting(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = Terms { calls: 16, calls_per_user: 8, most_waiting: 5, ..Terms::default() };
    let first = sending(1, wanting_all(GOALS..GOALS + 100)).by(terms);
    assert_eq!(outcome(&fixture, &first).await, (13, vec![ErrorCode::TooManyWaiting]));
    let waiting: i64 = sqlx::query_scalar("SELECT sum(waiting_low) FROM processing_queue")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(waiting, 5);
    // Of another user everything waits behind: it is not known who comes first.
    let second = sending(2, wanting_all(GOALS + 200..GOALS + 300)).by(terms);
    let second = Sending { user: user("taro"), ..second };
    assert_eq!(outcome(&fixture, &second).await.0, 5);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_budget_is_taken_from_request_by_request(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    // Each takes 2,000 tokens.
    let terms = Terms { tokens_per_user: 9_000, ..Terms::default() };
    let sending = sending(1, wanting_all(GOALS..GOALS + 6)).by(terms).after(-60);
    let results = sending.judged_by(&fixture.store).await;
    assert_eq!(told(&results).iter().filter(|told| told.is_ok()).count(), 4);
    let error = &answer(&sending, &results)["results"][5]["error"];
    assert_eq!((&error["code"], &error["retryAfter"]), (&"BUDGET_EXCEEDED".into(), &60.into()));
    assert_eq!(error["details"][0]["field"], "budget");
    let used: i64 = sqlx::query_scalar("SELECT tokens FROM token_use WHERE user_id = 'hanako'")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(used, 8_000);
    // The budget of all users is another.
    let all = Terms { tokens: 11_000, ..Terms::default() };
    let other = Sending { user: user("taro"), number: 2, ..sending.clone() };
    let other = Sending { requests: wanting_all(0x7000..0x7006), ..other }.by(all);
    assert_eq!(outcome(&fixture, &other).await, (1, vec![ErrorCode::BudgetExceeded]));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_pause_that_refuses_refuses_each_and_one_that_does_not_lets_them_wait(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let set = SetBy { at: at(0), by: "operator".into(), reason: None };
    fixture.store.pause(&set, true).await.unwrap();
    let first = sending(1, wanting_all(GOALS..GOALS + 3));
    assert_eq!(outcome(&fixture, &first).await, (0, vec![ErrorCode::ServicePaused]));
    fixture.store.resume().await.unwrap();
    fixture.store.pause(&set, false).await.unwrap();
    let engine = Engine::default();
    let second = sending(2, wanting_all(GOALS..GOALS + 3));
    let (judged, _) = second.send_to(&fixture.store, &engine).await.unwrap();
    assert!(told(&judged.unwrap().results).iter().all(Result::is_ok));
    assert_eq!(engine.started(), [""; 0]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_counts_as_one_request_whatever_is_in_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let strict = |number: u128| Sending {
        per_minute: 2,
        ..sending(number, wanting_all(number * 100..number * 100 + 50))
    };
    for used in [1, 2] {
        let sent = strict(used).send_to(&fixture.store, &Engine::default()).await.unwrap();
        assert_eq!(i128::from(sent.1.unwrap().used), i128::try_from(used).unwrap());
    }
    let before = fixture.everything().await;
    let sent = strict(3).send_to(&fixture.store, &Engine::default()).await.unwrap();
    assert_eq!((refused(&sent), sent.1.unwrap().remaining()), (ErrorCode::RateLimitExceeded, 0));
    assert_eq!(fixture.everything().await, before);
    let later = strict(3).after(61).send_to(&fixture.store, &Engine::default()).await.unwrap();
    assert!(later.0.is_ok());
    // It is one minute for all that may start something.
    let counted = fixture.store.count_request(&user("hanako"), 2, at(61)).await.unwrap();
    assert!(counted.allowed && counted.quota.remaining() == 0);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_operators_limit_of_none_shuts_batches_out_too(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.sql("INSERT INTO rate_limit (user_id, per_minute) VALUES ('hanako', 0)").await;
    let sent = sending(1, wanting_all([GOALS]));
    let sent = sent.send_to(&fixture.store, &Engine::default()).await.unwrap();
    assert_eq!(refused(&sent), ErrorCode::RateLimitExceeded);
    assert_eq!(sent.1.unwrap().reset - at(0), TimeDelta::minutes(1));
}
