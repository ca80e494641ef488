//! A transaction that somebody has left open by hand stops nobody but those whose rows it holds.

use shared::store::Submission;
use sqlx::{
    AssertSqlSafe, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, at, submission};

use crate::{
    kit::{admit, terms, waits},
    sharing::{at_work, shares, stage},
};

/// Runs `sql` in a transaction, and leaves it open.
async fn open(fixture: &Fixture, sql: &str) -> Transaction<'static, Postgres> {
    let mut hand = fixture.pool.begin().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut *hand).await.unwrap();
    hand
}

const FAILED: &str = r#"UPDATE processing_state SET status = 'FAILED', completed_at = now(),
    error = '{"code":"MANUAL_INTERVENTION","message":"x"}' WHERE id = "#;

/// What operators write by hand holds the line of the user too.
#[sqlx::test(migrations = "../infra/migrations")]
async fn one_that_ends_a_waiting_process_passes_its_user_over_and_no_other(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let ended = waits(&fixture, "alice", "normal", at(1)).await;
    let others = waits(&fixture, "alice", "normal", at(2)).await;
    let bobs = waits(&fixture, "bob", "normal", at(3)).await;
    let hand = open(&fixture, &format!("{FAILED} '{ended}'")).await;
    let admitted = admit(&fixture, &terms(9, 9), 9).await;
    assert_eq!(admitted.iter().map(|process| process.0).collect::<Vec<_>>(), [bobs]);
    hand.commit().await.unwrap();
    let admitted = admit(&fixture, &terms(9, 9), 9).await;
    assert_eq!(admitted.iter().map(|process| process.0).collect::<Vec<_>>(), [others]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn one_that_ends_a_chart_stops_no_admission(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let limits = terms(4, 4);
    let (id, _) = at_work(&fixture, "alice", &limits).await;
    waits(&fixture, "bob", "normal", at(3)).await;
    assert!(admit(&fixture, &limits, 9).await.is_empty(), "the chart is asked to give back");
    let hand = open(&fixture, &format!("{FAILED} '{id}'")).await;
    assert_eq!(admit(&fixture, &terms(9, 9), 9).await.len(), 1);
    hand.commit().await.unwrap();
}

/// Who waits for a row of their own must not hold the capacity meanwhile.
#[sqlx::test(migrations = "../infra/migrations")]
async fn one_that_holds_a_users_limit_stops_that_user_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options.clone()).await;
    for hold in [
        "UPDATE rate_limit SET per_minute = 50 WHERE user_id = 'carol'",
        "UPDATE processing_queue SET served_at = served_at WHERE user_id = 'carol'",
        "UPDATE token_use SET tokens = tokens WHERE user_id = 'carol'",
    ] {
        fixture
            .sql(
                "DELETE FROM processing_state; DELETE FROM processing_queue;
                 INSERT INTO rate_limit (user_id) VALUES ('carol') ON CONFLICT DO NOTHING;
                 INSERT INTO processing_queue (user_id) VALUES ('carol');
                 INSERT INTO token_use (user_id, day) VALUES ('carol', '1970-01-01')
                     ON CONFLICT DO NOTHING",
            )
            .await;
        waits(&fixture, "bob", "normal", at(1)).await;
        let hand = open(&fixture, hold).await;
        let other = Fixture::new(options.clone()).await;
        let carols = tokio::spawn(async move {
            let terms = shared::process::Terms { tokens_per_user: 1_000_000, ..terms(9, 9) };
            let asked = Submission { per_minute: Some(20), terms, ..submission(1, "carol") };
            other.store.submit(&asked).await
        });
        fixture.until_waiting(1).await;
        assert_eq!(admit(&fixture, &terms(9, 9), 9).await.len(), 1, "{hold}");
        hand.commit().await.unwrap();
        carols.await.unwrap().unwrap();
    }
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_that_is_done_takes_no_call_when_it_is_claimed_again(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (id, fence) = at_work(&fixture, "alice", &terms(8, 8)).await;
    for n in 0..16 {
        let open = 15 - i16::try_from(n).unwrap();
        stage(&fixture, id, fence, n, open).await;
    }
    assert_eq!(shares(&fixture, id).await, (0, 0));
    let claimed = crate::sharing::claimed(&fixture, id).await;
    assert_eq!((claimed.1, shares(&fixture, id).await), (0, (0, 0)));
}

/// One that was given up, or whose targets have gone, must not take what others could use.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_batch_that_is_closed_has_no_calls_and_gets_none(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let limits = terms(8, 8);
    let (id, fence) = at_work(&fixture, "alice", &limits).await;
    assert_eq!(fixture.store.close_batch(id, fence).await.unwrap(), Some(8));
    assert_eq!(shares(&fixture, id).await, (0, 0));
    admit(&fixture, &limits, 9).await;
    assert_eq!(shares(&fixture, id).await, (0, 0));
    assert_eq!(fixture.store.close_batch(id, fence).await.unwrap(), Some(0));
}
