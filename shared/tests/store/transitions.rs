//! Every move from every state: the store allows exactly what `shared::process` says, and a
//! refused move changes nothing.

use shared::{
    process::{Actor, Ending, ErrorCode, ProcessError, Status, Transition},
    store::{Claim, Completion, Ended, Standing},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, id, planned, user, uuid};

/// Whether the attempt may write down what it has planned.
async fn plan(fixture: &Fixture, number: u128, attempt: i32) -> bool {
    let batches = [(uuid(0xba7c), planned(1_000)).into()];
    fixture.store.plan_batches(id(number), attempt, 8, &batches, at(9)).await.unwrap()
}

/// Makes the move; whether the store says that it was made.
async fn make(fixture: &Fixture, number: u128, transition: Transition) -> bool {
    let store = &fixture.store;
    let attempt = fixture.process(number).await.summary.attempt;
    let error = ProcessError::new(ErrorCode::AiError, "test");
    let end = async |ending: Ending| {
        let ended = store.end(id(number), &ending, Actor::Reconciler, at(9)).await.unwrap();
        matches!(ended, Ended::Now(_))
    };
    match transition {
        Transition::Claim => matches!(
            store.claim(id(number), Some("arn"), at(9)).await.unwrap(),
            Claim::Claimed { .. }
        ),
        Transition::Progress => plan(fixture, number, attempt).await,
        Transition::Complete => {
            fixture.complete(number, attempt, &goal()).await == Completion::Completed
        }
        Transition::Fail => end(Ending::Failed(error)).await,
        Transition::TimeOut => end(Ending::TimedOut(error)).await,
        Transition::Cancel => {
            store
                .cancel(id(number), None, None, Actor::Operator, at(9))
                .await
                .unwrap()
                .unwrap()
                .cancelled
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn every_move_from_every_state_ends_as_the_domain_says(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let mut number = 0;
    for status in Status::ALL {
        for transition in Transition::ALL {
            number += 1;
            fixture.sql("DELETE FROM processing_state; DELETE FROM goals").await;
            fixture.in_status(number, *status).await;
            let before = fixture.everything().await;
            let made = make(&fixture, number, *transition).await;
            if let Ok(next) = transition.from(*status) {
                assert!(made, "{transition:?} from {status}");
                let process = fixture.process(number).await.summary;
                assert_eq!(process.status, next, "{transition:?} from {status}");
                assert_eq!(
                    process.completed_at.is_some(),
                    next.is_terminal(),
                    "{transition:?} from {status}"
                );
            } else {
                assert!(!made, "{transition:?} from {status}");
                assert_eq!(
                    fixture.everything().await,
                    before,
                    "{transition:?} from {status} changed something"
                );
            }
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn every_transition_writes_one_event_with_from_and_to(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        fixture.history(1).await,
        [
            ("submitted".to_owned(), None, text("PENDING")),
            ("claimed".to_owned(), text("PENDING"), text("PROCESSING")),
            ("completed".to_owned(), text("PROCESSING"), text("COMPLETED")),
        ]
    );
    fixture.sql("DELETE FROM goals").await;
    fixture.in_status(2, Status::Timeout).await;
    assert_eq!(
        fixture.history(2).await[1],
        ("timed-out".to_owned(), text("PENDING"), text("TIMEOUT"))
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_newer_attempt_fences_off_the_older(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    assert_eq!(fixture.store.standing(id(1), 1.into()).await.unwrap(), Standing::Current);
    assert!(matches!(
        fixture.store.claim(id(1), None, at(5)).await.unwrap(),
        Claim::Claimed { attempt: 2, .. }
    ));
    assert_eq!(fixture.store.standing(id(1), 1.into()).await.unwrap(), Standing::Overtaken);
    assert!(!plan(&fixture, 1, 1).await);
    assert_eq!(fixture.complete(1, 1, &goal()).await, Completion::Fenced);
    assert_eq!((fixture.count("goals").await, fixture.count("sub_goals").await), (0, 0));
    assert_eq!(fixture.complete(1, 2, &goal()).await, Completion::Completed);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn progress_never_falls_and_never_reaches_100_before_the_end(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    for (before, shown) in [(0, 50), (50, 50), (70, 70), (130, 99), (-5, 50)] {
        fixture.sql(&format!("UPDATE processing_state SET progress = {before}")).await;
        fixture.store.claim(id(1), None, at(5)).await.unwrap();
        assert_eq!(fixture.process(1).await.summary.progress, shown);
    }
    // One of several calls is not half done when it begins.
    fixture.sql("UPDATE processing_state SET planned_calls = 2, progress = 0").await;
    fixture.store.claim(id(1), None, at(6)).await.unwrap();
    assert_eq!(fixture.process(1).await.summary.progress, 0);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_users_cancel_does_not_touch_anothers_process(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Processing).await;
    let before = fixture.everything().await;
    let cancelling = fixture
        .store
        .cancel(id(1), Some(&user("taro")), None, Actor::User, at(5))
        .await
        .unwrap()
        .unwrap();
    assert!(!cancelling.cancelled);
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_does_not_exist_is_told_from_what_has_ended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let error = ProcessError::new(ErrorCode::AiError, "test");
    assert_eq!(fixture.store.claim(id(7), None, at(0)).await.unwrap(), Claim::Missing);
    assert_eq!(
        fixture.store.end(id(7), &Ending::Failed(error), Actor::Worker, at(0)).await.unwrap(),
        Ended::Missing
    );
    assert_eq!(fixture.store.cancel(id(7), None, None, Actor::User, at(0)).await.unwrap(), None);
    assert_eq!(fixture.store.standing(id(7), 1.into()).await.unwrap(), Standing::Missing);
    assert_eq!(fixture.store.find(id(7)).await.unwrap(), None);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_statements_that_operators_write_by_hand_work(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, assignment, status) in [
        (
            1,
            r#"status='FAILED',
               error='{"code":"MANUAL_INTERVENTION","message":"stuck"}',
               completed_at=NOW()"#,
            Status::Failed,
        ),
        (
            2,
            r#"status='CANCELLED',
               error='{"code":"MANUAL_INTERVENTION","message":"stuck"}',
               completed_at=NOW()"#,
            Status::Cancelled,
        ),
        (3, "status='COMPLETED', progress=100, completed_at=NOW()", Status::Completed),
        (4, "progress = LEAST(GREATEST(progress,0),100)", Status::Processing),
        (5, "progress = -5", Status::Processing),
        (6, "progress = 130", Status::Processing),
    ] {
        fixture.sql("DELETE FROM processing_state").await;
        fixture.in_status(number, Status::Processing).await;
        fixture
            .sql(&format!("UPDATE processing_state SET {assignment} WHERE id='{}'", id(number)))
            .await;
        let process = fixture.process(number).await.summary;
        assert_eq!(process.status, status);
        assert!((0..=100).contains(&process.shown_progress()));
    }
}
