//! The connection is lost, or not known to be well.

use std::time::Duration;

use serde_json::json;
use shared::{
    chart::{Chart, Params},
    process::{Actor, ErrorCode, Failure, Status},
    store::{Completion, NewRows, Store, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{at, goal, id, sub_goals, submission, user};
use unkind::{Direction, Fault, Forwarder, Moment};

use crate::between::Between;

const SWALLOWED: Fault = Fault::Swallow(Direction::Both);

/// Completes process 1, its first attempt.
pub async fn complete(store: &Store) -> Result<Completion, Failure> {
    let parts = [(goal().goal_id, sub_goals(1_000))];
    let new = NewRows::<Chart> {
        user_id: &user("hanako"),
        params: &Params::SubGoals(goal()),
        parts: &parts,
        result: &json!({"subGoals": []}),
        detail: &json!({}),
    };
    store.complete(id(1), 1, &new, Actor::Worker, at(3)).await
}

// protocol.md A1, world.md 14
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_server_that_vanishes_in_mid_statement_is_told_and_left(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let reached = between.forwarder.at("INSERT INTO sub_goals", Moment::Before, SWALLOWED);
    let failure = complete(&between.store).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("no answer within"), "{failure}");
    reached.await.unwrap();
    assert_eq!(complete(&between.store).await.unwrap(), Completion::Completed);
    assert_eq!(between.forwarder.accepted(), 2);
    assert_eq!(between.fixture.count("sub_goals").await, 8);
}

// protocol.md A1
#[sqlx::test(migrations = "../infra/migrations")]
async fn an_answer_that_is_lost_is_told_and_what_was_committed_stays(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for fault in [SWALLOWED, Fault::Cut, Fault::Close] {
        let between = Between::new(options.clone()).await;
        between.fixture.sql("TRUNCATE goals, processing_state CASCADE").await;
        between.fixture.in_status(1, Status::Processing).await;
        let reached = between.forwarder.at("INSERT INTO sub_goals", Moment::After, fault);
        let failure = complete(&between.store).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::DatabaseConnectionError, "{fault:?}");
        reached.await.unwrap();
        let process = between.store.find(id(1)).await.unwrap().unwrap();
        assert_eq!(process.summary.status, Status::Completed, "{fault:?}");
        assert_eq!(between.forwarder.accepted(), 2, "{fault:?}");
    }
}

/// Has the store's connection die without a word; new ones are well.
async fn dead_connection(options: PgConnectOptions, trusted: Duration) -> (Between, Forwarder) {
    let between = Between::with(options, |database| database.doubt_after(trusted)).await;
    let path = Forwarder::to(between.writer().address).await.unwrap();
    between.forwarder.send_next_to(unkind::Target { address: path.address(), read_only: false });
    between.store.schema_version().await.unwrap();
    path.swallow();
    (between, path)
}

// protocol.md A1 and B2: idle or frozen meanwhile
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_connection_that_died_while_idle_costs_one_reconnect_and_no_failure(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (between, _path) = dead_connection(options, Duration::ZERO).await;
    for _ in 0..3 {
        between.store.schema_version().await.unwrap();
    }
    assert_eq!(between.forwarder.accepted(), 2);
}

// protocol.md A1
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_connection_that_died_just_now_costs_one_failure(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (between, _path) = dead_connection(options, Duration::from_hours(1)).await;
    let failure = between.store.schema_version().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    for _ in 0..3 {
        between.store.schema_version().await.unwrap();
    }
    assert_eq!(between.forwarder.accepted(), 2);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_session_that_the_server_ended_costs_one_reconnect_and_no_failure(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::with(options, |database| database.doubt_after(Duration::ZERO)).await;
    between.store.schema_version().await.unwrap();
    between
        .fixture
        .sql(
            "SELECT pg_terminate_backend(pid)
             FROM pg_stat_activity
             WHERE datname = current_database() AND query LIKE '%_sqlx_migrations WHERE success%'
               AND pid <> pg_backend_pid()",
        )
        .await;
    between.store.schema_version().await.unwrap();
    assert_eq!(between.forwarder.accepted(), 2);
}

// protocol.md A9, world.md 12
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_server_that_was_demoted_costs_one_failure(_: PgPoolOptions, options: PgConnectOptions) {
    let between = Between::new(options).await;
    between.forwarder.send_next_to(between.read_only());
    let failure = between.store.submit(&submission(1, "hanako")).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("25006 (read-only"), "{failure}");
    let (submitted, _) = between.store.submit(&submission(1, "hanako")).await.unwrap();
    assert!(matches!(submitted, Submitted::Accepted { .. }), "{submitted:?}");
    assert_eq!(between.forwarder.accepted(), 2);
}
