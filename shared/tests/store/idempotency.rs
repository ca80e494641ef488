//! One idempotency key makes one process, however often and however many at once it is sent.

use shared::{
    chart::{Chart, Params},
    process::Status,
    store::{Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal, goal_numbered, id, submission, user};

const KEY: &str = "key 1";

fn keyed(number: u128, seconds: i64) -> Submission<Chart> {
    Submission {
        idempotency_key: Some(KEY.into()),
        per_minute: Some(20),
        now: at(seconds),
        ..submission(number, "hanako")
    }
}

/// A submission for another goal.
fn other_goal(of: Submission<Chart>) -> Submission<Chart> {
    Submission { params: Params::SubGoals(goal_numbered(0x07e4)), ..of }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_finds_the_first_process_and_its_estimate_and_is_not_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (first, counted) = fixture.store.submit(&keyed(1, 0)).await.unwrap();
    assert_eq!(
        (first, counted.unwrap().used),
        (Submitted::Accepted { recent_seconds: None, admitted: Some(true) }, 1)
    );
    fixture.store.claim(id(1), None, at(1)).await.unwrap();
    fixture.complete(1, 1, &goal()).await;
    // Meanwhile the process has completed, which makes a new recent duration and a target that is
    // not empty.
    let (repeat, standing) = fixture.store.submit(&keyed(2, 30)).await.unwrap();
    assert_eq!(
        repeat,
        Submitted::Repeated {
            process_id: id(1),
            created_at: at(0),
            recent_seconds: None,
            unstarted: false,
        }
    );
    assert_eq!((standing.unwrap().used, standing.unwrap().remaining()), (1, 19));
    assert_eq!(
        (fixture.count("processing_state").await, fixture.process(1).await.summary.status),
        (1, Status::Completed)
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_repeat_is_answered_even_when_the_minute_is_used_up(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let strict = |number| Submission { per_minute: Some(1), ..keyed(number, 0) };
    assert!(matches!(fixture.submit(&strict(1)).await, Submitted::Accepted { .. }));
    assert!(matches!(fixture.submit(&strict(2)).await, Submitted::Repeated { .. }));
    assert_eq!(
        fixture.submit(&other_goal(Submission { idempotency_key: None, ..strict(3) })).await,
        Submitted::RateLimited
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_same_key_with_another_body_is_refused_and_counted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&keyed(1, 0)).await;
    let mut replacing = goal();
    replacing.replace = true;
    for (number, params) in [(2, Params::SubGoals(replacing)), (3, other_goal(keyed(3, 0)).params)]
    {
        let (submitted, standing) =
            fixture.store.submit(&Submission { params, ..keyed(number, 0) }).await.unwrap();
        assert_eq!(
            (submitted, i128::from(standing.unwrap().used)),
            (Submitted::KeyReused, number.cast_signed())
        );
    }
    assert_eq!(fixture.count("processing_state").await, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_key_belongs_to_its_user(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submit(&keyed(1, 0)).await;
    let taros = other_goal(Submission { user_id: user("taro"), ..keyed(2, 0) });
    assert!(matches!(fixture.submit(&taros).await, Submitted::Accepted { .. }));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_key_whose_request_was_refused_is_free(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    assert!(matches!(fixture.submit(&keyed(2, 0)).await, Submitted::AlreadyRunning { .. }));
    assert!(matches!(fixture.submit(&other_goal(keyed(3, 0))).await, Submitted::Accepted { .. }));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_hundred_at_once_with_one_key_make_one_process_and_count_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let callers = (0..10).map(|caller| {
        let options = options.clone();
        tokio::spawn(async move {
            let fixture = Fixture::new(options).await;
            let mut seen = Vec::new();
            for number in 1..=10 {
                // Below 100, so that counting a repeat would refuse some.
                seen.push(
                    match fixture
                        .submit(&Submission {
                            per_minute: Some(5),
                            ..keyed(caller * 10 + number, 0)
                        })
                        .await
                    {
                        Submitted::Accepted { .. } => (true, id(caller * 10 + number)),
                        Submitted::Repeated { process_id, .. } => (false, process_id),
                        other => panic!("{other:?}"),
                    },
                );
            }
            seen
        })
    });
    let mut seen = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        seen.extend(caller.await.unwrap());
    }
    let first = seen[0].1;
    assert!(seen.len() == 100 && seen.iter().all(|(_, id)| *id == first), "{seen:?}");
    assert_eq!(seen.iter().filter(|(accepted, _)| *accepted).count(), 1);
    let used: i32 =
        sqlx::query_scalar("SELECT used FROM rate_limit").fetch_one(&fixture.pool).await.unwrap();
    assert_eq!(
        (used, fixture.count("processing_state").await, fixture.count("processing_event").await),
        (1, 1, 1)
    );
}
