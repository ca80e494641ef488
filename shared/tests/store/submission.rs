//! What may stand in the way of a submission, and that many at once make one.

use shared::{
    chart::Params,
    process::{Actor, Status},
    store::{Retry, Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, id, submission};

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_accepted_process_is_a_pending_row_with_its_params(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    assert_eq!(
        fixture.submit(&submission(1, "hanako")).await,
        Submitted::Accepted { recent_seconds: None, admitted: Some(true) }
    );
    let process = fixture.process(1).await;
    let summary = &process.summary;
    assert_eq!(
        (summary.status, summary.progress, summary.attempt, summary.retry_count),
        (Status::Pending, 0, 0, 0)
    );
    assert_eq!(process.params["title"], goal().title);
    assert_eq!((summary.created_at, &process.execution_arn), (at(0), &None));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_second_process_for_the_target_is_pointed_to_the_first(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    assert_eq!(
        fixture.submit(&submission(2, "hanako")).await,
        Submitted::AlreadyRunning { process_id: id(1) }
    );
    assert_eq!(fixture.submit(&submission(3, "taro")).await, Submitted::Forbidden);
    assert_eq!(fixture.count("processing_state").await, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn twenty_at_once_for_one_target_make_one_process(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let attempts = (1..=20).map(|number| {
        let options = options.clone();
        tokio::spawn(async move {
            Fixture::new(options).await.submit(&submission(number, "hanako")).await
        })
    });
    let mut accepted = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        match attempt.await.unwrap() {
            Submitted::Accepted { .. } => accepted += 1,
            Submitted::AlreadyRunning { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        (
            accepted,
            fixture.count("processing_state").await,
            fixture.count("processing_event").await
        ),
        (1, 1, 1)
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_goal_with_sub_goals_is_refused_unless_they_may_go(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    assert_eq!(fixture.submit(&submission(2, "hanako")).await, Submitted::TargetNotEmpty);
    assert_eq!(fixture.submit(&submission(3, "taro")).await, Submitted::Forbidden);
    let mut replacing = goal();
    replacing.replace = true;
    let replacing =
        Submission { params: Params::SubGoals(replacing), now: at(10), ..submission(4, "hanako") };
    let submitted = fixture.submit(&replacing).await;
    assert!(
        matches!(submitted, Submitted::Accepted { recent_seconds: Some(s), .. } if s > 0.0),
        "{submitted:?}"
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_process_is_retried_once_until_that_retry_is_cancelled(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Failed).await;
    let retry = |number| Submission {
        retry: Some(Retry { of: id(1), count: 1, note: None }),
        ..submission(number, "hanako")
    };
    assert!(matches!(fixture.submit(&retry(2)).await, Submitted::Accepted { .. }));
    assert_eq!(
        fixture.submit(&retry(3)).await,
        Submitted::AlreadyRetried {
            process_id: id(2),
            status: Status::Pending,
            created_at: at(0),
            recent_seconds: None,
            unstarted: true,
        }
    );
    let process = fixture.process(2).await.summary;
    assert_eq!((process.retry_count, process.original_process_id), (1, Some(id(1))));
    fixture.store.cancel(id(2), None, None, Actor::User, at(5)).await.unwrap();
    assert!(matches!(fixture.submit(&retry(4)).await, Submitted::Accepted { .. }));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn noting_the_start_twice_notes_it_once(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    for _ in 0..2 {
        fixture.store.record_starts(&[(id(1), "arn:1".into(), at(1))], Actor::User).await.unwrap();
    }
    assert_eq!(fixture.process(1).await.execution_arn.as_deref(), Some("arn:1"));
    assert_eq!(fixture.history(1).await.iter().filter(|(kind, ..)| kind == "started").count(), 1);
}
