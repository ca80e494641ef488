//! However many admit, accept and end at once, no more calls are in flight than the limit.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use shared::{
    chart::Params,
    process::{Actor, Terms},
    store::{Credentials, Database, Store, Submission, Submitted},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, at, goal_numbered, id, submission};

use crate::kit::{admit, end, in_use, name, queue, terms, waits};

fn rival(options: &PgConnectOptions) -> Store {
    Store::new(Database::new(Credentials::Given(Box::new(options.clone()))))
}

/// The sum of the shares, over and over, until `over`. The highest of all and of one user.
async fn watch(pool: PgPool, over: Arc<AtomicBool>) -> (i64, i64) {
    let mut highest = (0, 0);
    while !over.load(Ordering::Relaxed) {
        let (all, one): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT sum(calls), max(calls)::bigint FROM capacity_in_use()")
                .fetch_one(&pool)
                .await
                .unwrap();
        highest = (highest.0.max(all.unwrap_or(0)), highest.1.max(one.unwrap_or(0)));
    }
    highest
}

const LIMITS: Terms = terms(7, 3);

/// Half of the connections accept and admit, the others end what is admitted.
#[sqlx::test(migrations = "../infra/migrations")]
async fn fifty_connections_never_admit_more_than_the_limit(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    let over = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn(watch(fixture.pool.clone(), Arc::clone(&over)));
    let rivals = (0..50_u128).map(|rival_number| {
        let store = rival(&options);
        tokio::spawn(async move {
            let mut admitted = 0;
            for n in 0..4 {
                let number = 1 + rival_number * 10 + n;
                let user = name(usize::try_from(rival_number % 9).unwrap());
                let submission = Submission {
                    params: Params::SubGoals(goal_numbered(number)),
                    terms: LIMITS,
                    ..submission(number, &user)
                };
                let (submitted, _) = store.submit(&submission).await.unwrap();
                let Submitted::Accepted { admitted: at_once, .. } = submitted else {
                    panic!("{submitted:?}");
                };
                let mut mine = Vec::new();
                if at_once == Some(true) {
                    mine.push(id(number));
                } else if at_once.is_none() {
                    mine = store.admit(&LIMITS, 2, Actor::User, at(1)).await.unwrap();
                }
                admitted += mine.len();
                for process in mine {
                    let cancelled = store.cancel(process, None, None, Actor::User, at(2)).await;
                    assert!(cancelled.unwrap().unwrap().cancelled);
                    let next = store.admit(&LIMITS, 2, Actor::User, at(2)).await.unwrap();
                    admitted += next.len();
                    for process in next {
                        store.cancel(process, None, None, Actor::User, at(3)).await.unwrap();
                    }
                }
            }
            admitted
        })
    });
    let mut admitted = 0;
    for rival in rivals.collect::<Vec<_>>() {
        admitted += rival.await.unwrap();
    }
    // Whoever still waits, waits for no capacity any more.
    loop {
        let next = admit(&fixture, &LIMITS, 16).await;
        admitted += next.len();
        if next.is_empty() {
            break;
        }
        for process in next {
            end(&fixture, process.0).await;
        }
    }
    over.store(true, Ordering::Relaxed);
    let (highest, of_one_user) = watching.await.unwrap();
    assert!(highest <= 7 && of_one_user <= 3, "{highest}, {of_one_user}");
    assert_eq!(admitted, 200, "each is admitted once, and none is lost");
    let twice: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM (
             SELECT FROM processing_event WHERE kind = 'admitted'
             GROUP BY process_id HAVING count(*) > 1
         ) twice",
    )
    .fetch_one(&fixture.pool)
    .await
    .unwrap();
    assert_eq!(twice, 0);
    assert!(in_use(&fixture).await.is_empty(), "no share is leaked");
    let (counted, real) = queue(&fixture).await;
    assert_eq!((counted, real), (vec![], vec![]));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_ends_by_any_hand_gives_its_share_back(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for ending in [
        "UPDATE processing_state SET status = 'FAILED', completed_at = now(), \
         error = '{\"code\":\"MANUAL_INTERVENTION\",\"message\":\"x\"}' WHERE id = $",
        "UPDATE processing_state SET status = 'COMPLETED', progress = 100 WHERE id = $",
        "UPDATE processing_state SET status = 'CANCELLED' WHERE id = $",
        "DELETE FROM processing_state WHERE id = $",
    ] {
        let process = waits(&fixture, "hanako", "normal", at(1)).await;
        assert_eq!(admit(&fixture, &terms(1, 1), 9).await.len(), 1);
        waits(&fixture, "taro", "normal", at(2)).await;
        assert!(admit(&fixture, &terms(1, 1), 9).await.is_empty(), "{ending}");
        fixture.sql(&ending.replace('$', &format!("'{process}'"))).await;
        let next = admit(&fixture, &terms(1, 1), 9).await;
        assert_eq!(next.len(), 1, "{ending}");
        end(&fixture, next[0].0).await;
    }
}

/// Whoever was started without being admitted is counted from its claim on: nothing else would know
/// of it.
#[sqlx::test(migrations = "../infra/migrations")]
async fn what_a_hand_has_started_counts_once_it_works(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let process = waits(&fixture, "hanako", "normal", at(1)).await;
    fixture.store.claim(shared::process::ProcessId(process), None, at(2)).await.unwrap();
    assert_eq!(in_use(&fixture).await.values().sum::<i32>(), 1);
    waits(&fixture, "taro", "normal", at(2)).await;
    assert!(admit(&fixture, &terms(1, 1), 9).await.is_empty());
}

/// A row that somebody holds by hand stops nobody else.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_waiting_process_that_is_locked_by_hand_is_passed_over(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let held = waits(&fixture, "hanako", "normal", at(1)).await;
    let next = waits(&fixture, "hanako", "normal", at(2)).await;
    let mut hand = fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM processing_state WHERE id = $1 FOR UPDATE")
        .bind(held)
        .execute(&mut *hand)
        .await
        .unwrap();
    let admitted = admit(&fixture, &terms(9, 9), 9).await;
    assert_eq!(admitted.iter().map(|process| process.0).collect::<Vec<_>>(), [next]);
    hand.rollback().await.unwrap();
    assert_eq!(admit(&fixture, &terms(9, 9), 9).await.len(), 1);
}

/// Accepting does not wait for whoever is admitting.
#[sqlx::test(migrations = "../infra/migrations")]
async fn who_accepts_while_another_admits_asks_again_afterwards(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let mut other = fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT capacity_lock()").execute(&mut *other).await.unwrap();
    let submitted = fixture.submit(&submission(1, "hanako")).await;
    assert!(matches!(submitted, Submitted::Accepted { admitted: None, .. }), "{submitted:?}");
    other.rollback().await.unwrap();
    assert_eq!(admit(&fixture, &terms(1, 1), 9).await, [id(1)]);
}
