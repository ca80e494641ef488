//! What is generated appears with COMPLETED, all of it at once, or not at all.

use shared::{
    process::Status,
    store::{Actor, Claim, Completion, Submission},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::fixture::{Fixture, GOAL, at, goal, id, submission, user};

#[sqlx::test(migrations = "../infra/migrations")]
async fn completing_stores_the_goal_and_eight_sub_goals_in_order(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let process = fixture.process(1).await;
    assert_eq!((process.progress, process.result.is_some(), process.completed_at), (100, true, Some(at(3))));
    let rows: Vec<(i16, String)> =
        sqlx::query_as("SELECT position, title FROM sub_goals ORDER BY position").fetch_all(&fixture.pool).await.unwrap();
    assert_eq!(rows, (0..8).map(|n| (n, format!("サブ目標{n}"))).collect::<Vec<_>>());
    let owner: (String, uuid::Uuid) = sqlx::query_as("SELECT user_id, process_id FROM goals").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(owner, ("hanako".to_owned(), id(1).0));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn completing_twice_changes_nothing_the_second_time(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let before = fixture.everything().await;
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::Fenced);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_cancelled_process_stores_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    fixture.store.cancel(id(1), Some(&user("hanako")), None, Actor::User, at(2)).await.unwrap();
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::Fenced);
    assert_eq!((fixture.count("goals").await, fixture.count("sub_goals").await), (0, 0));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_goal_that_another_user_has_stored_meanwhile_is_left_alone(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    sqlx::query("INSERT INTO goals (id, user_id, title, description, deadline, background) VALUES ($1, 'taro', 't', 'd', now(), 'b')")
        .bind(uuid::Uuid::from_u128(GOAL))
        .execute(&fixture.pool)
        .await
        .unwrap();
    let before = fixture.everything().await;
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::Forbidden);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn sub_goals_that_came_meanwhile_are_not_doubled_and_not_lost(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!(
        "INSERT INTO goals (id, user_id, title, description, deadline, background) VALUES ('{0}', 'hanako', 't', 'd', now(), 'b');
         INSERT INTO sub_goals (id, goal_id, position, title, description, background) VALUES (gen_random_uuid(), '{0}', 3, 'mine', 'd', 'b')",
        uuid::Uuid::from_u128(GOAL)
    )))
    .execute(&fixture.pool)
    .await
    .unwrap();
    let before = fixture.everything().await;
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::TargetNotEmpty);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn replacing_swaps_the_old_sub_goals_for_the_new_in_one_step(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let mut replacing = goal();
    replacing.replace = true;
    let again = Submission { params: shared::params::Params::SubGoals(replacing.clone()), ..submission(2, "hanako") };
    fixture.store.submit(&again).await.unwrap();
    assert_eq!(fixture.count("sub_goals").await, 8);
    assert!(matches!(fixture.store.claim(id(2), None, at(4)).await.unwrap(), Claim::Claimed { .. }));
    assert_eq!(fixture.complete(2, 1, &replacing).await, Completion::Completed);
    let by: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT DISTINCT process_id FROM sub_goals").fetch_all(&fixture.pool).await.unwrap();
    assert_eq!((by, fixture.count("sub_goals").await), (vec![id(2).0], 8));
}

/// Cancel and completion race for the row's lock: whoever comes first decides, and sub-goals exist only with COMPLETED.
#[sqlx::test(migrations = "../infra/migrations")]
async fn cancel_and_completion_racing_end_in_one_status_with_rows_only_when_completed(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options.clone()).await;
    for number in 1..=50 {
        sqlx::raw_sql("DELETE FROM processing_state; DELETE FROM goals").execute(&fixture.pool).await.unwrap();
        fixture.in_status(number, Status::Processing).await;
        let rival = Fixture { store: Fixture::new(options.clone()).await.store, pool: fixture.pool.clone() };
        let goal = goal();
        let (completion, cancelling) =
            tokio::join!(fixture.complete(number, 1, &goal), rival.store.cancel(id(number), None, None, Actor::User, at(3)));
        let cancelled = cancelling.unwrap().unwrap().cancelled;
        assert_ne!(completion == Completion::Completed, cancelled);
        let expected = if cancelled { (Status::Cancelled, 0) } else { (Status::Completed, 8) };
        assert_eq!((fixture.process(number).await.status, fixture.count("sub_goals").await), expected);
    }
}
