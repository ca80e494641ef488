//! Several calls at once, as in a worker that stores while it watches.

use shared::{
    process::{Actor, ErrorCode, Status},
    store::Standing,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{at, id};
use unkind::{Direction, Fault, Moment};

use crate::{between::Between, lost::complete};

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_call_that_is_given_up_in_mid_statement_leaves_no_connection_behind(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let mut hand = between.fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM processing_state FOR UPDATE").execute(&mut *hand).await.unwrap();
    tokio::select! {
        done = between.store.cancel(id(1), None, None, Actor::User, at(2)) => {
            panic!("it did not wait for the lock: {done:?}")
        }
        () = between.fixture.until_waiting(1) => {}
    }
    hand.rollback().await.unwrap();
    let process = between.store.find(id(1)).await.unwrap().unwrap();
    assert_eq!(process.summary.id, id(1));
    assert_eq!(between.forwarder.accepted(), 2);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn calls_take_turns_on_one_connection(_: PgPoolOptions, options: PgConnectOptions) {
    let between = Between::new(options).await;
    let calls = (0..20).map(|_| between.store.schema_version());
    for version in futures_util::future::join_all(calls).await {
        assert!(version.unwrap() > 0);
    }
    assert_eq!(between.forwarder.accepted(), 1);
}

// protocol.md A1: the watcher behind a statement that hangs
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_cancel_is_seen_while_a_statement_hangs(_: PgPoolOptions, options: PgConnectOptions) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let fault = Fault::Swallow(Direction::Both);
    let reached = between.forwarder.at("INSERT INTO sub_goals", Moment::Before, fault);
    let completing = complete(&between.store);
    let watching = async {
        reached.await.unwrap();
        let seen = between.store.standing(id(1), 1.into()).await.unwrap();
        assert_eq!(seen, Standing::Current);
        let ours = between.fixture.store.cancel(id(1), None, None, Actor::User, at(2)).await;
        assert!(ours.unwrap().unwrap().cancelled);
        between.store.standing(id(1), 1.into()).await.unwrap()
    };
    let mut completing = std::pin::pin!(completing);
    tokio::select! {
        done = &mut completing => panic!("the statement did not hang: {done:?}"),
        seen = watching => assert_eq!(seen, Standing::Ended(Status::Cancelled)),
    }
    assert_eq!(completing.await.unwrap_err().code, ErrorCode::DatabaseConnectionError);
    assert_eq!(between.forwarder.accepted(), 2);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn who_gets_no_turn_in_time_is_told_so(_: PgPoolOptions, options: PgConnectOptions) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    between.forwarder.swallow();
    let (first, second) = tokio::join!(between.store.find(id(1)), between.store.find(id(1)));
    for outcome in [first, second] {
        assert_eq!(outcome.unwrap_err().code, ErrorCode::DatabaseConnectionError);
    }
    between.forwarder.flow();
    assert!(between.store.find(id(1)).await.unwrap().is_some());
}
