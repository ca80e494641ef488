//! Rows that cannot be repaired hide no others (protocol B6).

use chrono::TimeDelta;
use shared::reconcile::Rule;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, count, id};

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_hundred_rows_whose_repair_always_fails_hide_none_behind_them(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=100 {
        let old = ago(9_000).to_rfc3339();
        fixture.row(number, "PENDING", &format!("created_at = '{old}'")).await;
        fixture.double.refuse("StartExecution", id(number));
    }
    for number in 101..=110 {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.repaired, report.complete), (100, 10, true), "{report:?}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_hundred_rows_that_cannot_be_described_hide_none_behind_them(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=100 {
        let old = ago(9_000).to_rfc3339();
        fixture.row(number, "PROCESSING", &format!("created_at = '{old}'")).await;
        fixture.double.refuse("DescribeExecution", id(number));
    }
    for number in 101..=110 {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.repaired, report.complete), (100, 10, true), "{report:?}");
    // Whether Step Functions answers at all was asked after 5, 15, 35 and 75 of them.
    assert_eq!(report.calls.list_executions, 5);
}

/// Each call takes a second: one to list, then a look, a stop for each.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn thousands_to_stop_do_not_delay_the_others_and_are_all_reached(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=100 {
        fixture.row(number, "CANCELLED", "").await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
    }
    for number in 101..=105 {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
    let mut stopped = Vec::new();
    for sweep in 1..=6 {
        let stop_at = fixture.double.now() + TimeDelta::seconds(50);
        let report = fixture.sweep_until(false, stop_at).await;
        if sweep == 1 {
            assert_eq!(count(&report, Rule::R5), 5, "{report:?}");
        }
        stopped.push(count(&report, Rule::R10));
        if report.complete {
            break;
        }
    }
    assert_eq!(stopped.iter().sum::<u64>(), 100, "{stopped:?}");
    assert!(stopped.len() > 2 && stopped[0] > 10, "{stopped:?}");
    assert!((1..=100).all(|number| fixture.double.status(id(number)) == Some("ABORTED")));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn executions_that_cannot_be_stopped_hide_none_behind_them(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=60 {
        fixture.row(number, "CANCELLED", "").await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
        if number <= 50 {
            fixture.double.refuse("StopExecution", id(number));
        }
    }
    let mut sweeps = 0;
    while (51..=60).any(|number| fixture.double.status(id(number)) == Some("RUNNING")) {
        let stop_at = fixture.double.now() + TimeDelta::seconds(40);
        fixture.sweep_until(false, stop_at).await;
        sweeps += 1;
        assert!(sweeps < 10, "the sweeps make no progress");
    }
    assert!(sweeps > 1, "one sweep had the time for all: nothing was tried");
}
