//! A repeat of a request is recognised whatever time has changed since.

use shared::{
    chart::{Chart, Params},
    store::{Retry, Submission, Submitted},
    validation::{Rule, Violation},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, goal_numbered, id, submission};

fn keyed(number: u128, seconds: i64) -> Submission<Chart> {
    Submission {
        idempotency_key: Some("key 1".into()),
        per_minute: Some(20),
        now: at(seconds),
        ..submission(number, "hanako")
    }
}

/// The same after its deadline.
fn late(submission: Submission<Chart>) -> Submission<Chart> {
    Submission { late: vec![Violation::new("params.deadline", Rule::Past)], ..submission }
}

// World 17, protocol A15.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_after_the_deadline_finds_the_process_and_is_not_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&keyed(1, 0)).await;
    let (repeat, quota) = fixture.store.submit(&late(keyed(2, 6))).await.unwrap();
    assert!(
        matches!(repeat, Submitted::Repeated { process_id, .. } if process_id == id(1)),
        "{repeat:?}"
    );
    assert_eq!((quota.unwrap().used, fixture.count("processing_state").await), (1, 1));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_too_late_and_repeats_nothing_is_counted_and_not_stored(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (first, quota) = fixture.store.submit(&late(keyed(1, 0))).await.unwrap();
    assert_eq!((first, quota.unwrap().used), (Submitted::TooLate, 1));
    let without_key = Submission { idempotency_key: None, ..late(keyed(2, 0)) };
    let (second, quota) = fixture.store.submit(&without_key).await.unwrap();
    assert_eq!((second, quota.unwrap().used), (Submitted::TooLate, 2));
    assert_eq!(fixture.count("processing_state").await, 0);
    // It has not taken the key.
    assert!(matches!(fixture.submit(&keyed(3, 0)).await, Submitted::Accepted { .. }));
    let other = Submission { params: Params::SubGoals(goal_numbered(7)), ..late(keyed(4, 0)) };
    assert_eq!(fixture.submit(&other).await, Submitted::KeyReused);
    let strict = Submission { per_minute: Some(3), idempotency_key: None, ..late(keyed(5, 0)) };
    assert_eq!(fixture.submit(&strict).await, Submitted::RateLimited);
}

// Protocol B10.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_tells_whether_a_start_has_been_noted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&keyed(1, 0)).await;
    let unstarted = async || match fixture.submit(&keyed(2, 30)).await {
        Submitted::Repeated { unstarted, .. } => unstarted,
        other => panic!("{other:?}"),
    };
    assert!(unstarted().await);
    let actor = shared::process::Actor::User;
    fixture.store.record_starts(&[(id(1), "arn".into(), at(31))], actor).await.unwrap();
    assert!(!unstarted().await);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_of_what_has_ended_wants_no_start(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&keyed(1, 0)).await;
    fixture.store.claim(id(1), None, at(1)).await.unwrap();
    fixture.complete(1, 1, &goal()).await;
    let repeat = fixture.submit(&keyed(2, 30)).await;
    assert!(matches!(repeat, Submitted::Repeated { unstarted: false, .. }), "{repeat:?}");
}

// Protocol B10, of a retry.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeated_retry_tells_whether_a_start_has_been_noted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, shared::process::Status::Failed).await;
    let retry = |number| Submission {
        retry: Some(Retry { of: id(1), count: 1, note: None }),
        ..submission(number, "hanako")
    };
    assert!(matches!(fixture.submit(&retry(2)).await, Submitted::Accepted { .. }));
    let repeated = fixture.submit(&retry(3)).await;
    assert!(
        matches!(
            repeated,
            Submitted::AlreadyRetried { process_id, unstarted: true, .. } if process_id == id(2)
        ),
        "{repeated:?}"
    );
}
