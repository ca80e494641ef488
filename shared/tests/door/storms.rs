//! No more requests than the limit get through, however many come at once, and an operator can
//! change it for one user.

use shared::{
    chart::{Chart, Params},
    store::{Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal_numbered, submission, user};

/// A submission for a goal of its own.
fn counted(number: u128, per_minute: i32) -> Submission<Chart> {
    Submission {
        params: Params::SubGoals(goal_numbered(number)),
        per_minute: Some(per_minute),
        ..submission(number, "hanako")
    }
}

/// Ten callers at once make ten requests each; how many got through.
async fn storm(
    options: &PgConnectOptions,
    request: fn(u128) -> Option<Submission<Chart>>,
) -> usize {
    let callers = (0..10).map(|caller| {
        let options = options.clone();
        tokio::spawn(async move {
            let fixture = Fixture::new(options).await;
            let mut through = 0;
            for number in 1..=10 {
                through += usize::from(match request(caller * 10 + number) {
                    None => {
                        fixture
                            .store
                            .count_request(&user("hanako"), 20, at(0))
                            .await
                            .unwrap()
                            .allowed
                    }
                    Some(submission) => match fixture.submit(&submission).await {
                        Submitted::Accepted { .. } => true,
                        Submitted::RateLimited => false,
                        other => panic!("{other:?}"),
                    },
                });
            }
            through
        })
    });
    let mut through = 0;
    for caller in callers.collect::<Vec<_>>() {
        through += caller.await.unwrap();
    }
    through
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_a_hundred_submissions_at_once_twenty_are_accepted(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    assert_eq!(storm(&options, |number| Some(counted(number, 20))).await, 20);
    assert_eq!(
        (fixture.count("processing_state").await, fixture.count("processing_event").await),
        (20, 20)
    );
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_a_hundred_requests_at_once_twenty_get_through(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    assert_eq!(storm(&options, |_| None).await, 20);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn both_ways_of_counting_count_into_one_minute(_: PgPoolOptions, options: PgConnectOptions) {
    let even = |number: u128| number.is_multiple_of(2).then(|| counted(number, 20));
    assert_eq!(storm(&options, even).await, 20);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn another_users_minute_is_another(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    assert!(fixture.store.count_request(&user("hanako"), 1, at(0)).await.unwrap().allowed);
    assert!(fixture.store.count_request(&user("taro"), 1, at(0)).await.unwrap().allowed);
    assert!(!fixture.store.count_request(&user("hanako"), 1, at(0)).await.unwrap().allowed);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_operators_limit_for_one_user_holds_at_once(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let set = async |limit: Option<i32>| {
        sqlx::query(
            "INSERT INTO rate_limit (user_id, per_minute) VALUES ('hanako', $1)
             ON CONFLICT (user_id) DO UPDATE SET per_minute = excluded.per_minute",
        )
        .bind(limit)
        .execute(&fixture.pool)
        .await
        .unwrap();
    };
    let count = async || fixture.store.count_request(&user("hanako"), 1, at(0)).await.unwrap();
    set(Some(3)).await;
    for used in 1..=3 {
        let counted = count().await;
        assert_eq!((counted.allowed, counted.quota.limit, counted.quota.used), (true, 3, used));
    }
    assert!(!count().await.allowed);
    set(Some(4)).await;
    let (submitted, quota) = fixture.store.submit(&counted(1, 1)).await.unwrap();
    assert!(matches!(submitted, Submitted::Accepted { .. }));
    assert_eq!((quota.unwrap().limit, quota.unwrap().remaining()), (4, 0));
    // Lowered below what has been used, shut out, and given back to the environment's limit.
    for limit in [Some(2), Some(0), None] {
        set(limit).await;
        assert!(!count().await.allowed, "{limit:?}");
        assert_eq!(fixture.submit(&counted(2, 1)).await, Submitted::RateLimited, "{limit:?}");
    }
    assert!(fixture.store.count_request(&user("hanako"), 1, at(60)).await.unwrap().allowed);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_refused_for_other_reasons_is_counted_too(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.submitted(1).await;
    let (submitted, quota) = fixture
        .store
        .submit(&Submission { per_minute: Some(20), ..submission(2, "hanako") })
        .await
        .unwrap();
    assert!(matches!(submitted, Submitted::AlreadyRunning { .. }));
    assert_eq!(quota.unwrap().used, 1);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_operator_is_not_counted(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let (_, quota) =
        fixture.store.submit(&Submission { per_minute: None, ..counted(1, 1) }).await.unwrap();
    assert_eq!((quota, fixture.count("rate_limit").await), (None, 0));
}
