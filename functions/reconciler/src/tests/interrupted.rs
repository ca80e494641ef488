//! Sweeps that meet each other, run out of time, or cannot reach what they need.

use chrono::TimeDelta;
use shared::{
    process::ErrorCode,
    reconcile::Rule,
    store::{Lease, Point, Resume},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::{
    double::Fault,
    fixture::{Fixture, ago, count, id},
};
use crate::report::Swept;

async fn failed_executions(fixture: &Fixture, numbers: std::ops::RangeInclusive<u128>) {
    for number in numbers {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn two_sweeps_at_once_do_what_one_does(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=20).await;
    let (one, other) = (fixture.reconciler(), fixture.reconciler());
    let far = fixture.far();
    let (one, other) = tokio::join!(one.sweep(false, far), other.sweep(false, far));
    let reports: Vec<_> = [one.unwrap(), other.unwrap()]
        .into_iter()
        .filter_map(|swept| if let Swept::Done(report) = swept { Some(report) } else { None })
        .collect();
    let repaired: u64 = reports.iter().map(|report| report.repaired).sum();
    assert_eq!(repaired, 20);
    assert_eq!(reports.iter().map(|report| report.failed).sum::<u64>(), 0);
    for number in 1..=20 {
        assert_eq!(fixture.history(number).await.len(), 1, "{number}");
    }
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_says_since_when_another_is_running_and_takes_over_when_that_was_killed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=1).await;
    let reconciler = fixture.reconciler();
    let killed = fixture.double.now();
    let taken = reconciler
        .store
        .take_lease(Uuid::from_u128(9), killed, killed + TimeDelta::seconds(60))
        .await
        .unwrap();
    assert_eq!(taken, Lease::Taken { resume: Resume::default() });
    let far = fixture.far();
    match reconciler.sweep(false, far).await.unwrap() {
        Swept::AnotherIsRunning { since, until } => {
            assert_eq!((since, until), (killed, killed + TimeDelta::seconds(60)));
        }
        Swept::Done(report) => panic!("{report:?}"),
    }
    assert_eq!(fixture.seen(1).await.status, "PROCESSING");
    fixture.double.pass(60);
    assert_eq!(fixture.sweep().await.repaired, 1);
    // The killed one comes back to life: it may not write over the other's resume point.
    let stale = Resume { active: Some(Point::START), running: None };
    assert!(!reconciler.store.note_resume(Uuid::from_u128(9), stale).await.unwrap());
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_out_of_time_ends_cleanly_and_the_next_goes_on(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=10).await;
    // Each call takes a second: one to list, then a look at each process.
    let first = fixture.sweep_until(false, fixture.double.now() + TimeDelta::seconds(7)).await;
    assert!(!first.complete && first.repaired > 0 && first.repaired < 10, "{first:?}");
    // What lies before the resume point is looked at too, when there is time.
    fixture.row(11, "PROCESSING", &format!("created_at = '{}'", ago(9_000).to_rfc3339())).await;
    fixture.double.execution(id(11), "FAILED", ago(600));
    let second = fixture.sweep().await;
    assert!(second.complete && second.resumed, "{second:?}");
    assert_eq!(first.repaired + second.repaired, 11);
    assert_eq!(fixture.double.calls()["DescribeExecution"], 11);
    let third = fixture.sweep().await;
    assert!(!third.resumed && third.drift == 0, "{third:?}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_that_lost_its_lease_stops(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=2).await;
    fixture.double.meanwhile(
        "ListExecutions",
        "UPDATE reconciler_sweep SET holder = gen_random_uuid()".to_owned(),
    );
    let report = fixture.sweep().await;
    assert!(!report.complete, "{report:?}");
    let holder: Option<Uuid> = sqlx::query_scalar("SELECT holder FROM reconciler_sweep")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert!(holder.is_some(), "the lease of the other is not given back by this one");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn without_step_functions_rows_are_mended_all_the_same_and_nothing_is_ended(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "progress = 130").await;
    fixture.double.fault("ListExecutions", Fault::Refused);
    let failure = fixture.reconciler().sweep(false, fixture.far()).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::StepFunctionsError);
    let seen = fixture.seen(1).await;
    assert_eq!((seen.status.as_str(), seen.progress), ("PROCESSING", 99));
    // The lease is free again: the next sweep runs.
    assert_eq!(count(&fixture.sweep().await, Rule::R8), 1);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn one_look_that_fails_does_not_keep_the_others_from_being_healed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=3).await;
    fixture.double.fault("DescribeExecution", Fault::Refused);
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.repaired, report.complete), (1, 2, true));
    assert_eq!(fixture.sweep().await.repaired, 1);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn when_step_functions_answers_nothing_the_sweep_stops_asking(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_executions(&fixture, 1..=50).await;
    (0..5).for_each(|_| fixture.double.fault("DescribeExecution", Fault::Refused));
    fixture.double.fault("ListExecutions", Fault::Refused);
    let report = fixture.sweep().await;
    let calls = report.calls;
    assert_eq!((report.complete, calls.describe_execution, calls.list_executions), (false, 5, 2));
    // Those that failed come last in the next.
    assert_eq!(fixture.sweep().await.repaired, 50);
}
