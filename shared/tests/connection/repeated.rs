//! A statement that was rolled back whole because somebody was in its way is sent once more.

use shared::{
    process::{Actor, ErrorCode, Status},
    store::{Completion, Pooling},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{at, goal, id};
use unkind::{Direction, Fault};

use crate::{between::Between, lost::complete};

/// Has the first `times` completions fail as Postgres fails them.
async fn refuse(between: &Between, sqlstate: &str, times: u32) {
    // A sequence counts on when its transaction is rolled back.
    let sql = format!(
        "CREATE SEQUENCE tries;
         CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('tries') <= {times} THEN
                 RAISE EXCEPTION USING ERRCODE = '{sqlstate}';
             END IF;
             RETURN NULL;
         END $$;
         CREATE TRIGGER refuse AFTER INSERT ON goals EXECUTE FUNCTION refuse()"
    );
    between.fixture.sql(&sql).await;
}

async fn tries(between: &Between) -> i64 {
    sqlx::query_scalar("SELECT last_value FROM tries")
        .fetch_one(&between.fixture.pool)
        .await
        .unwrap()
}

// protocol.md A18, world.md 24
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_rolled_back_for_another_s_sake_is_sent_once_more(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    for pooling in [Pooling::Session, Pooling::Transaction] {
        for sqlstate in ["40001", "40P01", "55P03"] {
            let between = Between::with(options.clone(), |store| store.behind(pooling)).await;
            let clean = "DROP FUNCTION IF EXISTS refuse CASCADE; DROP SEQUENCE IF EXISTS tries;
                         TRUNCATE goals, processing_state CASCADE";
            between.fixture.sql(clean).await;
            between.fixture.in_status(1, Status::Processing).await;
            refuse(&between, sqlstate, 1).await;
            let completion = complete(&between.store).await;
            assert_eq!(completion, Ok(Completion::Completed), "{pooling:?} {sqlstate}");
            assert_eq!((tries(&between).await, between.fixture.count("sub_goals").await), (2, 8));
            assert_eq!(between.forwarder.accepted(), 1);
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn it_is_sent_twice_at_most_and_for_no_other_reason(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    refuse(&between, "40P01", 2).await;
    let failure = complete(&between.store).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseError);
    assert!(failure.cause.contains("40P01 (deadlock)"), "{failure}");
    assert_eq!(tries(&between).await, 2);
    between.fixture.sql("DROP FUNCTION refuse CASCADE; DROP SEQUENCE tries").await;
    refuse(&between, "P0001", 1).await;
    complete(&between.store).await.unwrap_err();
    assert_eq!(tries(&between).await, 1);
    assert_eq!(complete(&between.store).await, Ok(Completion::Completed));
}

/// Whether a session waits for a lock.
async fn waits(between: &Between) -> bool {
    sqlx::query_scalar(
        "SELECT EXISTS (
             SELECT
             FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'
         )",
    )
    .fetch_one(&between.fixture.pool)
    .await
    .unwrap()
}

// protocol.md A18, world.md 24: 40P01, by two sessions
#[sqlx::test(migrations = "../infra/migrations")]
async fn the_victim_of_a_deadlock_completes_without_another_answer_of_the_model(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let between = Between::new(options).await;
    between.fixture.in_status(1, Status::Processing).await;
    let mut app = between.fixture.pool.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO goals (id, user_id, title, description, deadline, background)
         VALUES ($1, 'hanako', 'a', 'b', now(), 'c')",
    )
    .bind(goal().goal_id)
    .execute(&mut *app)
    .await
    .unwrap();
    // Postgres ends the session that is the first to look for a deadlock: ours.
    sqlx::query("SET LOCAL deadlock_timeout = '1h'").execute(&mut *app).await.unwrap();
    let app_goes_on = async {
        while !waits(&between).await {
            tokio::task::yield_now().await;
        }
        // The other order, the second try before the app has woken up, is a deadlock again.
        between.forwarder.meet(Fault::Swallow(Direction::Requests));
        sqlx::query("UPDATE processing_state SET updated_at = updated_at")
            .execute(&mut *app)
            .await
            .unwrap();
        app.rollback().await.unwrap();
        between.forwarder.flow();
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
