//! A poll sees every change, also one made by hand, and reads the result only when the client does
//! not have it.

use shared::process::Status;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, plenty};

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_known_version_comes_without_the_result(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let first = fixture.store.poll(id(1), &[], &plenty(), at(0)).await.unwrap().unwrap();
    assert!(!first.known && first.result.is_some());
    let again = fixture
        .store
        .poll(id(1), &["1.2".into(), first.version.clone()], &plenty(), at(0))
        .await
        .unwrap()
        .unwrap();
    assert!(again.known && again.result.is_none());
    assert_eq!(again.version, first.version);
    assert_eq!(fixture.store.poll(id(2), &[], &plenty(), at(0)).await.unwrap(), None);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn every_change_makes_a_new_version(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let version =
        async || fixture.store.poll(id(1), &[], &plenty(), at(0)).await.unwrap().unwrap().version;
    let mut versions = vec![version().await];
    fixture.store.claim(id(1), None, at(1)).await.unwrap();
    versions.push(version().await);
    // The time that is noted does not move: the version does all the same.
    fixture.store.claim(id(1), None, at(1)).await.unwrap();
    versions.push(version().await);
    fixture.sql("UPDATE processing_state SET status = 'FAILED', completed_at = now()").await;
    versions.push(version().await);
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), 4);
}
