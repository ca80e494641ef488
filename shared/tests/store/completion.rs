//! What is generated appears with COMPLETED, all of it at once, or not at all.

use std::sync::Arc;

use shared::{
    chart::Params,
    process::{Actor, Status},
    store::{Claim, Completion, Submission},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, GOAL, at, goal, id, submission, user, uuid};
use uuid::Uuid;

#[sqlx::test(migrations = "../infra/migrations")]
async fn completing_stores_the_goal_and_eight_sub_goals_in_order(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let process = fixture.process(1).await;
    assert_eq!(
        (process.summary.progress, process.result.is_some(), process.summary.completed_at),
        (100, true, Some(at(3)))
    );
    let rows: Vec<(i16, String)> =
        sqlx::query_as("SELECT position, title FROM sub_goals ORDER BY position")
            .fetch_all(&fixture.pool)
            .await
            .unwrap();
    assert_eq!(rows, (0..8).map(|n| (n, format!("サブ目標{n}"))).collect::<Vec<_>>());
    let owner: (String, Uuid) = sqlx::query_as("SELECT user_id, process_id FROM goals")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(owner, ("hanako".to_owned(), id(1).0));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn completing_twice_changes_nothing_the_second_time(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
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
async fn a_goal_that_another_user_has_stored_meanwhile_is_left_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    store_goal(&fixture, "taro").await;
    let before = fixture.everything().await;
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::Forbidden);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn sub_goals_that_came_meanwhile_are_not_doubled_and_not_lost(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    store_goal(&fixture, "hanako").await;
    fixture
        .sql(&format!(
            "INSERT INTO sub_goals (id, goal_id, position, title, description, background)
             VALUES (gen_random_uuid(), '{}', 3, 'mine', 'd', 'b')",
            uuid(GOAL)
        ))
        .await;
    let before = fixture.everything().await;
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::TargetNotEmpty);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn replacing_swaps_the_old_sub_goals_for_the_new_in_one_step(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let mut replacing = goal();
    replacing.replace = true;
    let again =
        Submission { params: Params::SubGoals(replacing.clone()), ..submission(2, "hanako") };
    fixture.store.submit(&again).await.unwrap();
    assert_eq!(fixture.count("sub_goals").await, 8);
    assert!(matches!(
        fixture.store.claim(id(2), None, at(4)).await.unwrap(),
        Claim::Claimed { .. }
    ));
    assert_eq!(fixture.complete(2, 1, &replacing).await, Completion::Completed);
    let by: Vec<Uuid> = sqlx::query_scalar("SELECT DISTINCT process_id FROM sub_goals")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    assert_eq!((by, fixture.count("sub_goals").await), (vec![id(2).0], 8));
}

/// The app stores the goal for this user.
async fn store_goal(fixture: &Fixture, user_name: &str) {
    sqlx::query(
        "INSERT INTO goals (id, user_id, title, description, deadline, background)
         VALUES ($1, $2, 't', 'd', now(), 'b')",
    )
    .bind(uuid(GOAL))
    .bind(user_name)
    .execute(&fixture.pool)
    .await
    .unwrap();
}

/// Cancel and completion wait for the row's lock at the same time, in both orders: whoever is first
/// decides, and sub-goals exist only with COMPLETED.
#[sqlx::test(migrations = "../infra/migrations")]
async fn cancel_and_completion_racing_end_in_one_status_with_rows_only_when_completed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Arc::new(Fixture::new(options.clone()).await);
    let rival = Arc::new(Fixture::new(options).await);
    for (number, cancel_first) in [(1, true), (2, false), (3, true), (4, false)] {
        fixture.sql("DELETE FROM processing_state; DELETE FROM goals").await;
        fixture.in_status(number, Status::Processing).await;
        let mut holder = fixture.pool.begin().await.unwrap();
        sqlx::query("SELECT FROM processing_state WHERE id = $1 FOR UPDATE")
            .bind(id(number).0)
            .execute(&mut *holder)
            .await
            .unwrap();

        let completing = {
            let fixture = Arc::clone(&fixture);
            async move { fixture.complete(number, 1, &goal()).await == Completion::Completed }
        };
        let cancelling = {
            let rival = Arc::clone(&rival);
            async move {
                rival
                    .store
                    .cancel(id(number), None, None, Actor::User, at(3))
                    .await
                    .unwrap()
                    .unwrap()
                    .cancelled
            }
        };
        let (completed, cancelled) = if cancel_first {
            let cancelled = tokio::spawn(cancelling);
            fixture.until_waiting(1).await;
            let completed = tokio::spawn(completing);
            fixture.until_waiting(2).await;
            (completed, cancelled)
        } else {
            let completed = tokio::spawn(completing);
            fixture.until_waiting(1).await;
            let cancelled = tokio::spawn(cancelling);
            fixture.until_waiting(2).await;
            (completed, cancelled)
        };
        holder.commit().await.unwrap();

        assert_eq!(
            (completed.await.unwrap(), cancelled.await.unwrap()),
            (!cancel_first, cancel_first)
        );
        let expected = if cancel_first { (Status::Cancelled, 0) } else { (Status::Completed, 8) };
        assert_eq!(
            (fixture.process(number).await.summary.status, fixture.count("sub_goals").await),
            expected
        );
    }
}
