//! A statement that was rolled back whole because somebody was in its way is sent once more.

use shared::{
    process::{Actor, ErrorCode, Status},
    store::Completion,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{at, goal, id};

use crate::{between::Between, lost::complete};

// protocol.md A18, world.md 24: 40P01
#[sqlx::test(migrations = "../infra/migrations")]
async fn the_victim_of_a_deadlock_completes_without_another_answer_of_the_model(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let mut app = between.fixture.pool.begin().await.unwrap();
    // Postgres ends the session that has waited for a second first, which is ours.
    sqlx::query(
        "INSERT INTO goals (id, user_id, title, description, deadline, background)
         VALUES ($1, 'hanako', 'a', 'b', now(), 'c')",
    )
    .bind(goal().goal_id)
    .execute(&mut *app)
    .await
    .unwrap();
    let app_goes_on = async {
        between.fixture.until_waiting(1).await;
        sqlx::query("UPDATE processing_state SET updated_at = updated_at")
            .execute(&mut *app)
            .await
            .unwrap();
        app.rollback().await.unwrap();
    };
    let (completion, ()) = tokio::join!(complete(&between.store), app_goes_on);
    assert_eq!(completion.unwrap(), Completion::Completed);
    assert_eq!(between.forwarder.accepted(), 1);
}

/// When the statement that waits for a lock was sent.
async fn waiting_since(between: &Between) -> Option<String> {
    sqlx::query_scalar(
        "SELECT query_start::text
         FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_optional(&between.fixture.pool)
    .await
    .unwrap()
}

// protocol.md A18, world.md 24: 55P03
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_lock_that_is_let_go_a_little_late_costs_no_failure(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let mut hand = between.fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM processing_state FOR UPDATE").execute(&mut *hand).await.unwrap();
    let hand_lets_go = async {
        between.fixture.until_waiting(1).await;
        let first = waiting_since(&between).await;
        while [None, first.clone()].contains(&waiting_since(&between).await) {
            tokio::task::yield_now().await;
        }
        hand.rollback().await.unwrap();
    };
    let (completion, ()) = tokio::join!(complete(&between.store), hand_lets_go);
    assert_eq!(completion.unwrap(), Completion::Completed);
    assert_eq!(between.forwarder.accepted(), 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_lock_that_is_not_let_go_is_named_and_the_connection_kept(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let mut hand = between.fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM processing_state FOR UPDATE").execute(&mut *hand).await.unwrap();
    let failure = between.store.cancel(id(1), None, None, Actor::User, at(2)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseError);
    assert!(failure.cause.contains("55P03 (lock not available in time)"), "{failure}");
    assert!(between.store.find(id(1)).await.unwrap().is_some());
    assert_eq!(between.forwarder.accepted(), 1);
}
