//! The minute slides, no clock can shut a user out, and cancels are counted apart.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{
    chart::{Chart, Params},
    store::{Counted, Submission, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, goal_numbered, submission, user};

async fn count(fixture: &Fixture, limit: i32, now: DateTime<Utc>) -> Counted {
    fixture.store.count_request(&user("hanako"), limit, now).await.unwrap()
}

async fn count_cancel(fixture: &Fixture, limit: i32, now: DateTime<Utc>) -> Counted {
    fixture.store.count_cancel(&user("hanako"), limit, now).await.unwrap()
}

/// A submission for a goal of its own, of a user who may make `per_minute` of them.
fn counted(number: u128, per_minute: i32, now: DateTime<Utc>) -> Submission<Chart> {
    Submission {
        params: Params::SubGoals(goal_numbered(number)),
        per_minute: Some(per_minute),
        now,
        ..submission(number, "hanako")
    }
}

/// The time by the clock of the database.
async fn database_now(fixture: &Fixture) -> DateTime<Utc> {
    sqlx::query_scalar("SELECT now()").fetch_one(&fixture.pool).await.unwrap()
}

// Protocol A17.
#[sqlx::test(migrations = "../infra/migrations")]
async fn no_more_than_the_limit_fit_into_any_minute(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    // The last second of a minute, and the first of the next.
    for _ in 0..20 {
        assert!(count(&fixture, 20, at(59)).await.allowed);
    }
    for seconds in [59, 60, 61, 118] {
        let refused = count(&fixture, 20, at(seconds)).await;
        assert!(!refused.allowed, "{seconds}");
        assert_eq!((refused.quota.remaining(), refused.quota.reset), (0, at(119)), "{seconds}");
    }
    assert_eq!(fixture.submit(&counted(1, 20, at(118))).await, Submitted::RateLimited);
    assert!(count(&fixture, 20, at(119)).await.allowed);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_used_comes_back_as_it_was_used(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    assert_eq!(count(&fixture, 3, at(0)).await.quota.reset, at(60));
    let (submitted, quota) = fixture.store.submit(&counted(1, 3, at(10))).await.unwrap();
    assert!(matches!(submitted, Submitted::Accepted { .. }));
    assert_eq!((quota.unwrap().used, quota.unwrap().reset), (2, at(60)));
    assert_eq!(count(&fixture, 3, at(20)).await.quota.remaining(), 0);
    assert_eq!(fixture.submit(&counted(2, 3, at(59))).await, Submitted::RateLimited);
    // The first has left, then the second.
    let fourth = count(&fixture, 3, at(60)).await;
    assert_eq!((fourth.allowed, fourth.quota.used, fourth.quota.reset), (true, 3, at(70)));
    assert!(!count(&fixture, 3, at(69)).await.allowed);
    assert!(count(&fixture, 3, at(70)).await.allowed);
    // Long after, nothing is left of it.
    assert_eq!(count(&fixture, 3, at(100_000)).await.quota.used, 1);
}

// Protocol A17.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_clock_that_runs_ahead_shuts_nobody_out(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let now = database_now(&fixture).await;
    let ahead = now + TimeDelta::hours(1);
    for _ in 0..20 {
        count(&fixture, 20, ahead).await;
    }
    let refused = count(&fixture, 20, ahead).await;
    assert!(!refused.allowed && refused.quota.reset <= now + TimeDelta::minutes(2));
    let last: DateTime<Utc> = sqlx::query_scalar("SELECT window_start FROM rate_limit")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert!(last < now + TimeDelta::minutes(1), "{last}");
    // What an earlier version, or the database's own clock before it was set back, has left behind.
    fixture.sql("UPDATE rate_limit SET window_start = now() + interval '1 hour'").await;
    assert!(count(&fixture, 20, now).await.allowed);
    fixture.sql("UPDATE rate_limit SET window_start = now() + interval '1 hour'").await;
    let accepted = fixture.submit(&counted(1, 20, now)).await;
    assert!(matches!(accepted, Submitted::Accepted { .. }), "{accepted:?}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_clock_that_is_behind_counts_into_the_minute_that_there_is(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    assert!(count(&fixture, 2, at(30)).await.allowed);
    assert!(count(&fixture, 2, at(0)).await.allowed);
    let refused = count(&fixture, 2, at(0)).await;
    assert_eq!((refused.allowed, refused.quota.reset), (false, at(90)));
}

// Security S7.
#[sqlx::test(migrations = "../infra/migrations")]
async fn who_has_used_up_the_minute_can_still_cancel(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    assert!(count(&fixture, 1, at(0)).await.allowed);
    assert!(!count(&fixture, 1, at(0)).await.allowed);
    for used in 1..=2 {
        let cancel = count_cancel(&fixture, 2, at(1)).await;
        assert_eq!((cancel.allowed, cancel.quota.limit, cancel.quota.used), (true, 2, used));
    }
    let refused = count_cancel(&fixture, 2, at(60)).await;
    assert_eq!((refused.allowed, refused.quota.reset), (false, at(61)));
    // Cancels take nothing from what may be started, and their minute slides on its own.
    let started = count(&fixture, 2, at(1)).await;
    assert_eq!((started.allowed, started.quota.used), (true, 2));
    assert!(count_cancel(&fixture, 2, at(61)).await.allowed);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_users_own_limit_raises_that_of_cancels_and_never_lowers_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.sql("INSERT INTO rate_limit (user_id, per_minute) VALUES ('hanako', 0)").await;
    assert!(!count(&fixture, 20, at(0)).await.allowed);
    assert_eq!(count_cancel(&fixture, 2, at(0)).await.quota.limit, 2);
    fixture.sql("UPDATE rate_limit SET per_minute = 500").await;
    assert_eq!(count_cancel(&fixture, 2, at(0)).await.quota.limit, 500);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn of_a_hundred_cancels_at_once_no_more_than_the_limit_get_through(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let callers = (0..10).map(|_| {
        let options = options.clone();
        tokio::spawn(async move {
            let fixture = Fixture::new(options).await;
            let mut through = 0;
            for _ in 0..10 {
                through += usize::from(count_cancel(&fixture, 30, at(0)).await.allowed);
            }
            through
        })
    });
    let mut through = 0;
    for caller in callers.collect::<Vec<_>>() {
        through += caller.await.unwrap();
    }
    assert_eq!(through, 30);
}
