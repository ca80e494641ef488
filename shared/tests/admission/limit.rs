//! The limit in force is the same in the database and in the pure function.

use shared::{
    process::admission::{Lowered, Refused, in_force, lowered},
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
    let refuse = async |now: i64, refused: Refused| {
        fixture.store.note_throttled(&["m".into()], refused, &terms, at(now)).await.unwrap();
    };
    let mut expected = None;
    for (now, refused) in [
        (1_000, Refused::ByAll),
        (1_001, Refused::ByAll),
        (1_002, Refused::ByAll),
        (1_003, Refused::ByAll),
        (1_010, Refused::BySome),
        (1_062, Refused::BySome),
        (1_063, Refused::BySome),
        (1_064, Refused::ByAll),
        (1_066, Refused::ByAll),
        (1_070, Refused::ByAll),
    ] {
        refuse(now, refused).await;
        expected = lowered(16, expected, 16, refused, at(now)).or(expected);
        assert_eq!(limit(now).await, in_force(16, expected, at(now)), "{now} {refused:?}");
    }
    assert_eq!(limit(1_130).await, 16);
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
