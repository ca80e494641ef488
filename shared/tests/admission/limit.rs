//! The limit in force is the same in the database and in the pure function.

use shared::{
    process::admission::{Lowered, in_force, lowered},
    store::{NewLimits, SetBy},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at};

use crate::kit::{admit, terms, waits};

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_database_raises_the_limit_as_the_pure_function_does(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for calls in [1, 2, 16, 37, 400] {
        for to in [1.0_f32, 1.5, 4.0, 9.25] {
            for second in -2..62 {
                let found: i32 = sqlx::query_scalar("SELECT capacity_in_force($1, $2, $3, $4)")
                    .bind(calls)
                    .bind(to)
                    .bind(at(0))
                    .bind(at(second))
                    .fetch_one(&fixture.pool)
                    .await
                    .unwrap();
                let expected = in_force(calls, Some(Lowered { to, at: at(0) }), at(second));
                assert_eq!(found, expected, "{calls} lowered to {to}, after {second} s");
            }
        }
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn refusals_lower_the_limit_once_in_three_seconds(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = terms(16, 16);
    for n in 0..20 {
        waits(&fixture, "hanako", "normal", at(n)).await;
    }
    assert_eq!(admit(&fixture, &terms, 64).await.len(), 16);
    let limit = async |now: i64| fixture.store.capacity(&terms, at(now)).await.unwrap().in_force;
    let refuse = async |now: i64, all: bool| {
        fixture.store.note_throttled(&["m".into()], all, &terms, at(now)).await.unwrap();
    };
    refuse(1_000, false).await;
    assert_eq!(limit(1_000).await, 16, "another model has answered");
    for now in [1_000, 1_001, 1_002] {
        refuse(now, true).await;
    }
    let first = lowered(16, None, 16, at(1_000));
    assert_eq!(limit(1_002).await, in_force(16, first, at(1_002)));
    refuse(1_003, true).await;
    assert_eq!(limit(1_003).await, in_force(16, lowered(16, first, 16, at(1_003)), at(1_003)));
    assert_eq!(limit(1_063).await, 16);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn an_operators_limits_hold_until_they_are_taken_back(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let terms = terms(16, 8);
    let set = SetBy { at: at(5), by: "taro".into(), reason: Some("a small quota".into()) };
    let new = NewLimits { calls: Some(3), ..NewLimits::default() };
    fixture.store.set_limits(new, &set).await.unwrap();
    let capacity = fixture.store.capacity(&terms, at(6)).await.unwrap();
    assert_eq!((capacity.calls, capacity.calls_per_user, capacity.in_force), (3, 8, 3));
    assert_eq!(capacity.set, Some(set.clone()));
    for n in 0..20 {
        waits(&fixture, "hanako", "normal", at(n)).await;
    }
    assert_eq!(admit(&fixture, &terms, 64).await.len(), 3);
    let one = NewLimits { calls_per_user: Some(2), ..NewLimits::default() };
    fixture.store.set_limits(one, &set).await.unwrap();
    let capacity = fixture.store.capacity(&terms, at(6)).await.unwrap();
    assert_eq!((capacity.calls, capacity.calls_per_user), (3, 2));
    let reset = NewLimits { reset: true, ..NewLimits::default() };
    fixture.store.set_limits(reset, &set).await.unwrap();
    let capacity = fixture.store.capacity(&terms, at(6)).await.unwrap();
    assert_eq!((capacity.calls, capacity.calls_per_user, capacity.set), (16, 8, None));
}
