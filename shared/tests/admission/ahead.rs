//! What a waiting process is told of those before it is true.

use shared::process::{ProcessId, WaitingReason};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at};
use uuid::Uuid;

use crate::kit::{admit, end, name, terms, waits};

/// Admits one by one, each ended one making room for the next, and compares what each was told
/// with the place that it really has.
async fn places(fixture: &Fixture, waiting: &[Uuid], calls: i32) -> Vec<(i32, i32)> {
    let terms = terms(calls, calls);
    let mut told = std::collections::BTreeMap::new();
    for process in waiting {
        let place =
            fixture.store.where_it_waits(ProcessId(*process), &terms, at(1_000)).await.unwrap();
        told.insert(*process, place.unwrap().ahead);
    }
    let mut places = Vec::new();
    let mut running = std::collections::VecDeque::new();
    let first: Vec<Uuid> = sqlx::query_scalar(
        "SELECT id FROM processing_state WHERE admitted_at IS NOT NULL AND status = 'PENDING'
         ORDER BY admitted_at, id",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    running.extend(first);
    for place in 0.. {
        if let Some(ended) = running.pop_front() {
            end(fixture, ended).await;
        }
        let admitted = admit(fixture, &terms, 1).await;
        let Some(process) = admitted.first() else { return places };
        running.push_back(process.0);
        places.push((told[&process.0], place));
    }
    places
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn each_is_told_its_place_within_one(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    // Six in flight of six users, and behind them ten users with three each, in turn.
    for user in 0..6 {
        waits(&fixture, &format!("first-{user}"), "normal", at(user)).await;
    }
    assert_eq!(admit(&fixture, &terms(6, 6), 64).await.len(), 6);
    let mut waiting = Vec::new();
    for n in 0..30_usize {
        let since = at(100 + i64::try_from(n).unwrap());
        waiting.push(waits(&fixture, &name(n % 10), "normal", since).await);
    }
    let places = places(&fixture, &waiting, 6).await;
    assert_eq!(places.len(), 30);
    for (told, place) in places {
        assert!((told - place).abs() <= 1, "told {told}, and it was {place}");
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_lone_user_is_told_that_the_crowd_is_behind(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for n in 0..50 {
        waits(&fixture, "crowd", "normal", at(n)).await;
    }
    admit(&fixture, &terms(4, 4), 64).await;
    let lone = waits(&fixture, "lone", "normal", at(100)).await;
    let terms = terms(4, 4);
    let place = fixture.store.where_it_waits(ProcessId(lone), &terms, at(101)).await.unwrap();
    let place = place.unwrap();
    assert_eq!((place.reason, place.ahead), (WaitingReason::Capacity, 0));
    let last: Uuid = sqlx::query_scalar(
        "SELECT id FROM processing_state WHERE user_id = 'crowd' ORDER BY created_at DESC LIMIT 1",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    let place = fixture.store.where_it_waits(ProcessId(last), &terms, at(101)).await.unwrap();
    assert_eq!(place.unwrap().reason, WaitingReason::UserLimit);
    assert_eq!(place.unwrap().ahead, 46, "its own, and the lone one");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_admitted_is_starting_and_what_runs_waits_for_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let process = ProcessId(waits(&fixture, "hanako", "normal", at(1)).await);
    let terms = terms(4, 4);
    admit(&fixture, &terms, 64).await;
    let place = fixture.store.where_it_waits(process, &terms, at(2)).await.unwrap().unwrap();
    assert_eq!((place.reason, place.ahead), (WaitingReason::Starting, 0));
    fixture.store.claim(process, None, at(3)).await.unwrap();
    assert_eq!(fixture.store.where_it_waits(process, &terms, at(4)).await.unwrap(), None);
}
