//! Limits that hold whatever comes at once, and however it comes back.

use shared::{
    process::{Actor, Ending, ErrorCode, ProcessError, ProcessId},
    store::{Retry, Submission, Submitted},
};
use sqlx::{
    AssertSqlSafe,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, at, id, uuid};

use crate::kit::{terms, wanting};

/// The calls in flight.
async fn in_use(fixture: &Fixture) -> i64 {
    sqlx::query_scalar("SELECT COALESCE(sum(calls), 0)::bigint FROM capacity_in_use()")
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

/// dbos-inc/dbos-transact-java#305: workflows that had failed by the thousand because a service was
/// down were put back by hand, and resuming went past the queue that was to protect the service.
/// Here a retry is a request like any other: it waits for its share.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_crowd_that_is_retried_at_once_waits_like_any_other(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let failed = Ending::Failed(ProcessError::new(ErrorCode::AiError, "the service was down"));
    for number in 1..=60 {
        fixture.submit(&wanting(number, "hanako", 100)).await;
        fixture.store.end(id(number), &failed, Actor::Worker, at(1)).await.unwrap();
    }
    let mut running: Vec<ProcessId> = Vec::new();
    for number in 1..=60 {
        let retry = Some(Retry { of: id(number), count: 1, note: None });
        let again = Submission { id: id(1_000 + number), retry, ..wanting(number, "hanako", 4) };
        match fixture.submit(&again).await {
            Submitted::Accepted { admitted: Some(true), .. } => running.push(again.id),
            Submitted::Accepted { .. } => {}
            other => panic!("{other:?}"),
        }
        assert!(in_use(&fixture).await <= 4);
    }
    assert_eq!(running.len(), 4);
    // As they end, the others begin, never more than four at once; and each of them does.
    let mut begun = running.len();
    while let Some(process) = running.pop() {
        fixture.store.end(process, &failed, Actor::Worker, at(2)).await.unwrap();
        let next = fixture.store.admit(&terms(4), 16, Actor::Worker, at(2)).await.unwrap();
        begun += next.len();
        running.extend(next);
        assert!(in_use(&fixture).await <= 4);
    }
    assert_eq!(begun, 60);
}

/// hatchet-dev/hatchet#4778: how much was free was told by the first rows in the order of their
/// numbers, not by those that ran; a run whose transaction was committed late stood before them,
/// and three or four ran where two were allowed. Here what is in use is the sum over what runs,
/// looked at under one lock, whatever the order of numbers and commits.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_commit_that_comes_late_with_an_early_number_gets_nobody_past_the_limit(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let insert = |number: u128, user: &str, since: i64| {
        format!(
            "INSERT INTO processing_state (
                 id, user_id, type, target_id, params, created_at, updated_at, admitted_at
             )
             VALUES ('{0}', '{user}', 'SUBGOAL_GENERATION', '{0}', '{{}}', '{1}', '{1}', NULL)",
            uuid(number),
            at(since).to_rfc3339()
        )
    };
    // Numbers 1 to 3 are made first, and nobody sees them; 4 to 6 come later, and are there.
    let mut late = fixture.pool.begin().await.unwrap();
    for number in 1..=3 {
        let early = sqlx::raw_sql(AssertSqlSafe(insert(number, "hanako", 1)));
        early.execute(&mut *late).await.unwrap();
    }
    for number in 4..=6 {
        fixture.sql(&insert(number, "taro", 100)).await;
    }
    let first = fixture.store.admit(&terms(2), 9, Actor::User, at(200)).await.unwrap();
    assert_eq!((&first[..], in_use(&fixture).await), (&[id(4), id(5)][..], 2));
    late.commit().await.unwrap();
    for _ in 0..3 {
        let more = fixture.store.admit(&terms(2), 9, Actor::User, at(201)).await.unwrap();
        assert_eq!((more.len(), in_use(&fixture).await), (0, 2));
    }
    // One goes, one comes: the one that has waited for longest.
    fixture.store.cancel(first[0], None, None, Actor::User, at(202)).await.unwrap();
    let next = fixture.store.admit(&terms(2), 9, Actor::User, at(202)).await.unwrap();
    assert_eq!((next, in_use(&fixture).await), (vec![id(1)], 2));
}
