//! A pause: nothing is admitted, what was accepted waits, and new requests are taken or not.

use shared::{
    process::WaitingReason,
    store::{SetBy, Submitted},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, at, id, plenty, submission};

use crate::kit::{admit, terms};

fn by_taro(reason: &str) -> SetBy {
    SetBy { at: at(5), by: "taro".into(), reason: Some(reason.into()) }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_accepted_while_paused_waits_and_is_admitted_when_it_is_over(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.store.pause(&by_taro("deployment"), false).await.unwrap();
    let submitted = fixture.submit(&submission(1, "hanako")).await;
    assert!(
        matches!(submitted, Submitted::Accepted { admitted: Some(false), .. }),
        "{submitted:?}"
    );
    assert!(admit(&fixture, &terms(9, 9), 9).await.is_empty());
    let waiting = fixture.store.where_it_waits(id(1), &plenty(), at(6)).await.unwrap().unwrap();
    assert_eq!((waiting.reason, waiting.ahead), (WaitingReason::Paused, 0));
    // Pausing again says anew who and why, and not since when.
    let again = SetBy { at: at(50), ..by_taro("longer") };
    fixture.store.pause(&again, true).await.unwrap();
    let capacity = fixture.store.capacity(&plenty(), at(60)).await.unwrap();
    assert_eq!(capacity.paused, Some(by_taro("longer")));
    assert!(capacity.refuses);
    assert!(fixture.store.resume().await.unwrap());
    assert!(!fixture.store.resume().await.unwrap(), "it is over already");
    assert_eq!(admit(&fixture, &terms(9, 9), 9).await, [id(1)]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn who_refuses_while_paused_takes_nothing_new_and_answers_repeats(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let keyed = |number| shared::store::Submission {
        idempotency_key: Some("key".into()),
        ..submission(number, "hanako")
    };
    fixture.submit(&keyed(1)).await;
    fixture.store.pause(&by_taro("x"), true).await.unwrap();
    let before = fixture.everything().await;
    let repeated = fixture.submit(&keyed(2)).await;
    assert!(matches!(repeated, Submitted::Repeated { .. }), "{repeated:?}");
    let other = shared::store::Submission {
        params: shared::chart::Params::SubGoals(test_kit::goal_numbered(7)),
        ..submission(3, "taro")
    };
    assert_eq!(fixture.submit(&other).await, Submitted::Paused);
    assert_eq!(fixture.everything().await, before);
}
