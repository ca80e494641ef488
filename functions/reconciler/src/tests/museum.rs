//! Known bugs of others that the sweep answers, each forced here: the museum's exhibits that need
//! an engine. The list is `shared/tests/museum/exhibits.rs`, the paper `docs/museum.md`.

use shared::{process::Terms, reconcile::Rule};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::superuser;

use super::fixture::{Fixture, ago, claimed, count, id, plenty};
use crate::{reconciler::Reconciler, report::Swept};

const WAITS: &str = "admitted_at = NULL, share = 0";

/// A sweep that has room for so many calls.
async fn sweep_with_room(fixture: &Fixture, calls: i32) -> crate::report::Report {
    let terms = Terms { calls, calls_per_user: calls, ..plenty() };
    let reconciler = Reconciler { terms, ..fixture.reconciler() };
    match reconciler.sweep(false, fixture.far()).await.unwrap() {
        Swept::Done(report) => *report,
        Swept::AnotherIsRunning { since, .. } => panic!("another is running since {since}"),
    }
}

/// riverqueue/river#1258: thousands of jobs stood in `running` for up to three months, though a
/// rescuer was to find whatever is older than an hour. Here nothing is found by its age: a row that
/// is active and whose execution is not running is a drift, whatever made it, and ends in the first
/// sweep.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_was_left_running_for_months_ends_in_one_sweep(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let months = format!("created_at = '{0}', updated_at = '{0}'", ago(90 * 86_400).to_rfc3339());
    for number in 1..=120 {
        fixture.row(number, "PROCESSING", &months).await;
    }
    let report = fixture.sweep().await;
    assert_eq!(count(&report, Rule::R8), 120);
    for number in 1..=120 {
        let seen = fixture.seen(number).await;
        assert_eq!((seen.status.as_str(), seen.code()), ("FAILED", "EXECUTION_NOT_FOUND"));
    }
}

/// dbos-inc/dbos-transact-py#716: Postgres restarted while workflows of a dead executor were being
/// recovered; those whose recovery met it were dropped from it for good, and stayed PENDING. Here
/// recovery is no list in a process: a sweep that loses its connections leaves rows that are wrong,
/// and the next one finds them by that.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_database_that_goes_away_in_the_middle_of_a_sweep_strands_nobody(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let superuser = superuser(&options);
    let fixture = Fixture::new(options).await;
    for number in 1..=8 {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
    // As a restart does it to everybody who is connected; and how many that were. The tests' role
    // may not cut a superuser off, as whom the sweep's sessions begin here.
    let superuser = PgPool::connect_with(superuser).await.unwrap();
    sqlx::raw_sql(
        "CREATE TABLE cut (sessions bigint);
         GRANT SELECT ON cut TO PUBLIC;
         CREATE FUNCTION cut_off() RETURNS void LANGUAGE sql SECURITY DEFINER AS $$
             INSERT INTO public.cut
             SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend'
         $$",
    )
    .execute(&superuser)
    .await
    .unwrap();
    superuser.close().await;
    for _ in 0..3 {
        fixture.double.meanwhile("DescribeExecution", "SELECT cut_off()".to_owned());
    }
    // Whether it got through is no matter.
    drop(fixture.reconciler().sweep(false, fixture.far()).await);
    let sessions: Vec<i64> =
        sqlx::query_scalar("SELECT sessions FROM cut").fetch_all(&fixture.pool).await.unwrap();
    assert!(sessions.iter().all(|cut| *cut > 0) && !sessions.is_empty(), "{sessions:?}");
    // The lease of one that was cut off ends by itself.
    fixture.double.pass(3_600);
    fixture.sweep().await;
    for number in 1..=8 {
        assert_eq!(fixture.seen(number).await.status, "FAILED", "{number}");
    }
}

/// inngest/inngest#3549: after a burst of a few runs the worker said nothing any more; from then on
/// runs stood in Queued for long, and others in Running for hours. Here an execution has a limit of
/// its own, and a sweep stops what runs beyond it: the calls of those that went silent are free,
/// and whoever waited begins.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn workers_that_say_nothing_any_more_hold_nobody_up(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=5 {
        fixture.row(number, "PROCESSING", &claimed(4_000)).await;
        fixture.double.execution(id(number), "RUNNING", ago(4_000));
        fixture.row(10 + number, "PENDING", WAITS).await;
    }
    sweep_with_room(&fixture, 5).await;
    for number in 1..=5 {
        let seen = fixture.seen(number).await;
        assert_eq!((seen.status.as_str(), seen.code()), ("TIMEOUT", "STEP_FUNCTIONS_TIMEOUT"));
    }
    sweep_with_room(&fixture, 5).await;
    for number in 11..=15 {
        assert_eq!(fixture.double.status(id(number)), Some("RUNNING"), "{number}");
    }
}

/// restatedev/restate#5196: an invocation was suspended to wait for a result that only it could
/// produce, was never scheduled again, and held its key for ever. Here a batch that rests is waited
/// for by the execution alone: when that has ended, the process ends, its batches go, and the
/// target is free.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_batch_that_rests_and_is_never_tried_again_gives_its_target_free(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let one = fixture.row(1, "PROCESSING", "targets = 1").await;
    fixture
        .sql(&format!(
            "INSERT INTO processing_batch (
                 id, process_id, process_attempt, target_ids, weights, created_at, rests
             )
             VALUES ('{one}', '{one}', 1, '{{{one}}}', '{{1}}', now(), true);
             UPDATE processing_state SET batch_ids = '{{{one}}}' WHERE id = '{one}'"
        ))
        .await;
    fixture.double.execution(one, "TIMED_OUT", ago(600));
    fixture.sweep().await;
    assert_eq!(fixture.seen(1).await.status, "TIMEOUT");
    let batches: i64 = sqlx::query_scalar("SELECT count(*) FROM processing_batch")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!(batches, 0);
    // Another one for the same target breaks no unique index.
    fixture.row(2, "PENDING", &format!("target_id = '{one}'")).await;
}

/// aws-solutions/content-analysis-on-aws#3: workflows whose state machine had failed stayed
/// "Started", counted against the limit of what may run at once, and nothing else began until
/// somebody deleted their records by hand. Here what is in use is the sum over rows that are
/// active, and a failed execution is no longer active after one sweep.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn failed_executions_do_not_fill_the_queue(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for (number, status) in [(1, "FAILED"), (2, "TIMED_OUT"), (3, "ABORTED")] {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), status, ago(600));
        fixture.row(10 + number, "PENDING", WAITS).await;
    }
    sweep_with_room(&fixture, 3).await;
    sweep_with_room(&fixture, 3).await;
    for number in 11..=13 {
        assert_eq!(fixture.double.status(id(number)), Some("RUNNING"), "{number}");
    }
}

/// cdklabs/construct-hub#1885: what went from one state to the next was a little more than Step
/// Functions takes; the execution was ended between two states, where no Catch is asked, so that
/// nothing noticed. Here only ids go from state to state, and an execution that ends without its
/// Catch is found by its event or the sweep.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_execution_that_ends_where_no_catch_is_asked_ends_its_process(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.fails_by(id(1), "States.DataLimitExceeded", "too many bytes", ago(600));
    fixture.sweep().await;
    let seen = fixture.seen(1).await;
    assert_eq!((seen.status.as_str(), seen.code()), ("FAILED", "STEP_FUNCTIONS_ERROR"));
}
