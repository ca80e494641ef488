//! Processes go some time after they have ended, with what belongs to them and nothing else.

use chrono::TimeDelta;
use shared::process::Retention;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, id};
use crate::report::{Report, Swept};

const DAY: i64 = 86_400;

/// Process `number` in `status`, ended so many days ago, with what belongs to one.
async fn ended(fixture: &Fixture, number: u128, status: &str, days: i64) {
    let at = ago(days * DAY).to_rfc3339();
    let changes = format!(
        "completed_at = '{at}', updated_at = '{at}', created_at = '{at}',
         idempotency_key = '{number}'"
    );
    fixture.row(number, status, &changes).await;
    fixture
        .sql(&format!(
            "INSERT INTO processing_event (at, process_id, attempt, kind, actor)
             VALUES ('{at}', '{0}', 1, 'claimed', 'worker'), ('{at}', '{0}', 1, 'failed', 'worker');
             INSERT INTO processing_start VALUES ('{0}', 1, '{at}', '{at}')",
            id(number)
        ))
        .await;
}

async fn left(fixture: &Fixture) -> Vec<u128> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar("SELECT id FROM processing_state ORDER BY id")
        .fetch_all(&fixture.pool)
        .await
        .unwrap();
    ids.into_iter().map(|id| id.as_u128()).collect()
}

async fn rows(fixture: &Fixture, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}")))
        .fetch_one(&fixture.pool)
        .await
        .unwrap()
}

async fn sweep_kept_for(fixture: &Fixture, days: u32, dry_run: bool) -> Report {
    let reconciler = fixture.configured(|config| config.retention = Retention::days(days));
    match reconciler.sweep(dry_run, fixture.far()).await.unwrap() {
        Swept::Done(report) => *report,
        Swept::AnotherIsRunning { .. } => panic!("another sweep is running"),
    }
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_ended_longer_ago_than_it_is_kept_for_goes_with_what_belongs_to_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, status) in (1..).zip(["COMPLETED", "FAILED", "TIMEOUT", "CANCELLED"]) {
        ended(&fixture, number, status, 91).await;
        ended(&fixture, number + 10, status, 89).await;
    }
    // However long it takes.
    for (number, status) in [(21, "PROCESSING"), (22, "PENDING")] {
        fixture.row(number, status, &format!("created_at = '{}'", ago(91 * DAY))).await;
    }
    fixture.double.execution(id(21), "RUNNING", ago(600));
    fixture.change(22, "admitted_at = NULL").await;
    fixture.sql("UPDATE processing_capacity SET paused_at = now()").await;
    fixture
        .sql(&format!(
            "INSERT INTO goals (id, user_id, title, description, deadline, background, process_id)
             VALUES ('{0}', 'hanako', 't', 'd', now(), 'b', '{0}');
             INSERT INTO sub_goals (id, goal_id, position, title, description, background,
                                    process_id)
             VALUES ('{0}', '{0}', 0, 't', 'd', 'b', '{0}')",
            id(1)
        ))
        .await;
    let kept = [11, 12, 13, 14, 21, 22];
    let before = fixture.everything().await;
    let dry = sweep_kept_for(&fixture, 90, true).await;
    assert_eq!((dry.deleted, dry.drift), (4, 0));
    assert_eq!(fixture.everything().await, before);

    let report = sweep_kept_for(&fixture, 90, false).await;
    assert_eq!((report.deleted, report.failed, report.complete), (4, 0, true), "{report:?}");
    assert_eq!(left(&fixture).await, kept);
    assert_eq!(
        (rows(&fixture, "processing_event").await, rows(&fixture, "processing_start").await),
        (8, 4),
        "those of the four that ended 89 days ago"
    );
    assert_eq!((rows(&fixture, "goals").await, rows(&fixture, "sub_goals").await), (1, 1));
    assert_eq!(sweep_kept_for(&fixture, 90, false).await.deleted, 0);
    assert_eq!(left(&fixture).await, kept);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn for_ever_is_for_ever(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    ended(&fixture, 1, "COMPLETED", 20_000).await;
    assert_eq!(sweep_kept_for(&fixture, 0, true).await.deleted, 0);
    assert_eq!(sweep_kept_for(&fixture, 0, false).await.deleted, 0);
    assert_eq!(left(&fixture).await, [1]);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_an_active_process_needs_stays_until_that_has_ended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let batch = id(100);
    let sent = ago(100 * DAY).to_rfc3339();
    fixture
        .sql(&format!(
            "INSERT INTO request_batch (id, user_id, fingerprint, results, created_at)
             SELECT id, 'hanako', sha256('x'), '[]', '{sent}'
             FROM (VALUES ('{batch}'::uuid), ('{}')) batch (id)",
            id(101)
        ))
        .await;
    ended(&fixture, 1, "FAILED", 95).await;
    ended(&fixture, 2, "COMPLETED", 95).await;
    ended(&fixture, 3, "FAILED", 95).await;
    fixture.change(2, &format!("request_batch_id = '{batch}', request_index = 0")).await;
    // One retries the first; one was sent together with the second; one has long retried the third.
    for (number, changes) in [
        (11, format!("original_process_id = '{}'", id(1))),
        (12, format!("request_batch_id = '{batch}', request_index = 1")),
    ] {
        fixture.row(number, "PROCESSING", &changes).await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
    }
    fixture.row(13, "COMPLETED", &format!("original_process_id = '{}'", id(3))).await;
    assert_eq!(sweep_kept_for(&fixture, 90, true).await.deleted, 1);
    let report = sweep_kept_for(&fixture, 90, false).await;
    // The batch of which nothing was accepted is empty from the beginning.
    assert_eq!((report.deleted, report.deleted_batches), (1, 1), "{report:?}");
    assert_eq!(left(&fixture).await, [1, 2, 11, 12, 13]);

    for number in [11, 12] {
        let at = ago(0).to_rfc3339();
        let changes = format!("status = 'COMPLETED', progress = 100, completed_at = '{at}'");
        fixture.change(number, &changes).await;
        fixture.double.execution(id(number), "SUCCEEDED", ago(600));
    }
    let report = sweep_kept_for(&fixture, 90, false).await;
    assert_eq!((report.deleted, report.deleted_batches), (2, 0), "{report:?}");
    assert_eq!(left(&fixture).await, [11, 12, 13]);
    // When the last of a batch goes, the batch does.
    fixture.double.pass(91 * DAY);
    let report = sweep_kept_for(&fixture, 90, false).await;
    assert_eq!((report.deleted, report.deleted_batches), (3, 1), "{report:?}");
    assert_eq!(rows(&fixture, "request_batch").await, 0);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_deletes_some_and_the_next_ones_the_rest(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let old = ago(91 * DAY).to_rfc3339();
    fixture
        .sql(&format!(
            "INSERT INTO processing_state (
                 id, user_id, type, status, target_id, params, created_at, updated_at, completed_at
             )
             SELECT gen_random_uuid(), 'u', 'SUBGOAL_GENERATION', 'FAILED', gen_random_uuid(),
                    '{{}}', '{old}', '{old}', '{old}'
             FROM generate_series(1, 2100)"
        ))
        .await;
    assert_eq!(sweep_kept_for(&fixture, 90, true).await.deleted, 2_100);
    assert_eq!(sweep_kept_for(&fixture, 90, false).await.deleted, 2_000);
    assert_eq!(sweep_kept_for(&fixture, 90, false).await.deleted, 100);
    assert_eq!(rows(&fixture, "processing_state").await, 0);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_without_time_left_deletes_nothing_and_one_that_may_not_says_so(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    ended(&fixture, 1, "FAILED", 91).await;
    // Each call takes a second: the list of what runs is all that there is time for.
    let late = fixture.double.now() + TimeDelta::milliseconds(500);
    let report = fixture.sweep_until(false, late).await;
    assert_eq!((report.deleted, left(&fixture).await), (0, vec![1]), "{report:?}");
    fixture
        .sql(
            "CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'insufficient_privilege'; END $$;
             CREATE TRIGGER forbid BEFORE DELETE ON processing_state
             FOR EACH ROW EXECUTE FUNCTION forbid()",
        )
        .await;
    let report = fixture.sweep().await;
    assert_eq!((report.deleted, report.failed, report.complete), (0, 1, true), "{report:?}");
}

/// Whoever holds a row is not waited for.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_row_that_somebody_holds_is_left_to_the_next_sweep(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    ended(&fixture, 1, "FAILED", 91).await;
    ended(&fixture, 2, "FAILED", 91).await;
    let mut holder = fixture.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM processing_state WHERE id = $1 FOR UPDATE")
        .bind(id(1).0)
        .execute(&mut *holder)
        .await
        .unwrap();
    assert_eq!(fixture.sweep().await.deleted, 1);
    assert_eq!(left(&fixture).await, [1]);
    holder.rollback().await.unwrap();
    assert_eq!(fixture.sweep().await.deleted, 1);
}
