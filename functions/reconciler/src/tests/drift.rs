//! Every drift of section 9, made by hand, and one sweep.

use shared::reconcile::Rule;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, claimed, count, id};

/// One of each drift, and what it should come to.
async fn make_every_drift(fixture: &Fixture) -> Vec<(u128, Rule, &'static str, &'static str)> {
    let double = &fixture.double;
    let mut expected = Vec::new();
    let mut expect = |number, rule, status, code| expected.push((number, rule, status, code));
    fixture.row(1, "PENDING", "").await;
    expect(1, Rule::R1, "PENDING", "");
    fixture.row(2, "PROCESSING", "").await;
    double.execution(id(2), "RUNNING", ago(600));
    expect(2, Rule::R2, "PROCESSING", "");
    fixture.row(3, "PROCESSING", "result = '{}', progress = 50").await;
    double.execution(id(3), "SUCCEEDED", ago(600));
    expect(3, Rule::R3, "COMPLETED", "");
    fixture.row(4, "PROCESSING", "").await;
    double.execution(id(4), "SUCCEEDED", ago(600));
    expect(4, Rule::R4, "FAILED", "RESULT_MISSING");
    fixture.row(5, "PROCESSING", "").await;
    double.execution(id(5), "FAILED", ago(600));
    expect(5, Rule::R5, "FAILED", "AI_ERROR");
    fixture.row(6, "PROCESSING", "").await;
    double.execution(id(6), "TIMED_OUT", ago(600));
    expect(6, Rule::R6, "TIMEOUT", "STEP_FUNCTIONS_TIMEOUT");
    fixture.row(7, "PENDING", "").await;
    double.execution(id(7), "ABORTED", ago(600));
    expect(7, Rule::R7, "CANCELLED", "");
    fixture.row(8, "PENDING", "execution_arn = 'gone'").await;
    expect(8, Rule::R8, "FAILED", "EXECUTION_NOT_FOUND");
    fixture.row(9, "PROCESSING", &claimed(4_000)).await;
    double.execution(id(9), "RUNNING", ago(4_000));
    expect(9, Rule::R9, "TIMEOUT", "STEP_FUNCTIONS_TIMEOUT");
    fixture.row(10, "CANCELLED", "").await;
    double.execution(id(10), "RUNNING", ago(600));
    expect(10, Rule::R10, "CANCELLED", "");
    fixture.row(12, "PROCESSING", "progress = -5").await;
    double.execution(id(12), "RUNNING", ago(600));
    expect(12, Rule::R12, "PROCESSING", "");
    fixture.row(13, "COMPLETED", "progress = 40").await;
    expect(13, Rule::R13, "COMPLETED", "");
    fixture.row(14, "FAILED", "completed_at = NULL").await;
    expect(14, Rule::R14, "FAILED", "AI_ERROR");
    expected
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn one_sweep_heals_every_drift_and_a_second_finds_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let expected = make_every_drift(&fixture).await;
    let report = fixture.sweep().await;
    for (number, rule, status, code) in expected {
        let seen = fixture.seen(number).await;
        assert_eq!((seen.status.as_str(), seen.code()), (status, code), "{rule}");
        assert!(
            (0..=100).contains(&seen.progress) && (seen.progress == 100) == (status == "COMPLETED"),
            "{rule}: {seen:?}"
        );
        assert_eq!(
            seen.completed_at.is_some(),
            !matches!(status, "PENDING" | "PROCESSING"),
            "{rule}: {seen:?}"
        );
        let found = count(&report, rule);
        assert_eq!(found, if rule == Rule::R2 { 2 } else { 1 }, "{rule}: {report:?}");
        if rule != Rule::R2 {
            let history = fixture.history(number).await;
            assert_eq!(
                history,
                [("repaired".to_owned(), "reconciler".to_owned(), Some(rule.to_string()))],
                "{rule}"
            );
        }
    }
    assert_eq!(fixture.double.status(id(1)), Some("RUNNING"));
    assert!(fixture.seen(1).await.execution_arn.is_some());
    assert_eq!(
        (fixture.double.status(id(9)), fixture.double.status(id(10))),
        (Some("ABORTED"), Some("ABORTED"))
    );
    assert_eq!(
        (report.drift, report.repaired, report.failed, report.moved, report.complete),
        (12, 12, 0, 0, true)
    );
    assert_eq!(
        fixture.seen(14).await.completed_at,
        Some(ago(600)),
        "R14 sets completed_at to updated_at"
    );

    let before = fixture.double.status(id(12));
    let again = fixture.sweep().await;
    assert_eq!(
        (again.drift, again.repaired, again.failed, again.actions.len()),
        (0, 0, 0, 0),
        "{again:?}"
    );
    assert_eq!(count(&again, Rule::R2), 3);
    assert_eq!(fixture.double.status(id(12)), before);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_dry_run_changes_nothing_and_says_what_a_sweep_then_does(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    make_every_drift(&fixture).await;
    let before = fixture.everything().await;
    let dry = fixture.sweep_until(true, fixture.far()).await;
    assert_eq!(fixture.everything().await, before);
    assert_eq!(fixture.double.status(id(1)), None);
    assert_eq!(
        (fixture.double.status(id(9)), fixture.double.status(id(10))),
        (Some("RUNNING"), Some("RUNNING"))
    );
    assert_eq!(
        (dry.drift, dry.repaired, dry.calls.start_execution, dry.calls.stop_execution),
        (12, 0, 0, 0)
    );
    let wet = fixture.sweep().await;
    assert_eq!(dry.rules, wet.rules);
    let changes = |report: &crate::report::Report| {
        report.actions.iter().map(|a| (a.process_id, a.rule, a.to.clone())).collect::<Vec<_>>()
    };
    assert_eq!(changes(&dry), changes(&wet));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_row_broken_in_several_ways_is_whole_after_one_sweep(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "progress = 130, completed_at = now()").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    fixture.row(2, "COMPLETED", "progress = -5, completed_at = NULL").await;
    fixture.row(3, "CANCELLED", "progress = 100").await;
    fixture.sweep().await;
    let rows = [fixture.seen(1).await, fixture.seen(2).await, fixture.seen(3).await];
    let rows = rows.map(|seen| (seen.status, seen.progress, seen.completed_at.is_some()));
    assert_eq!(
        rows,
        [
            ("FAILED".to_owned(), 99, true),
            ("COMPLETED".to_owned(), 100, true),
            ("CANCELLED".to_owned(), 99, true)
        ]
    );
    assert_eq!(fixture.sweep().await.drift, 0);
}

/// The statements of section 7, as operators write them while the execution is running.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_ended_by_hand_is_consistent_and_its_execution_stopped(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let error = r#"error='{"code":"MANUAL_INTERVENTION","message":"stuck"}', completed_at=NOW()"#;
    for (number, changes, status) in [
        (1, format!("status='FAILED', {error}"), "FAILED"),
        (2, format!("status='CANCELLED', {error}"), "CANCELLED"),
        (3, format!("status='COMPLETED', progress=100, {error}"), "COMPLETED"),
        (4, "status='COMPLETED'".to_owned(), "COMPLETED"),
        (5, "status='FAILED'".to_owned(), "FAILED"),
    ] {
        fixture.row(number, "PROCESSING", &changes).await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
        fixture.sweep().await;
        let seen = fixture.seen(number).await;
        assert_eq!(
            (seen.status.as_str(), fixture.double.status(id(number))),
            (status, Some("ABORTED")),
            "{changes}"
        );
        assert!(seen.completed_at.is_some(), "{changes}");
        assert_eq!(seen.progress == 100, status == "COMPLETED", "{changes}");
    }
    fixture.row(6, "PROCESSING", "progress = 130").await;
    fixture.change(6, "progress = LEAST(GREATEST(progress,0),100)").await;
    fixture.double.execution(id(6), "RUNNING", ago(600));
    fixture.sweep().await;
    assert_eq!(
        (fixture.seen(6).await.status.as_str(), fixture.double.status(id(6))),
        ("PROCESSING", Some("RUNNING"))
    );
    assert_eq!(fixture.sweep().await.drift, 0);
}

/// The product ends a process before its execution ends: that last moment is no drift.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_execution_in_its_last_step_is_given_the_time(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, status) in [(1, "COMPLETED"), (2, "FAILED"), (3, "TIMEOUT")] {
        fixture.row(number, status, &format!("completed_at = '{}'", ago(5).to_rfc3339())).await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
    }
    assert_eq!(fixture.sweep().await.drift, 0);
    fixture.double.pass(60);
    assert_eq!(count(&fixture.sweep().await, Rule::R10), 3);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_describes_only_what_is_not_listed_as_running(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=1_200 {
        fixture.row(number, "PROCESSING", "").await;
        if number % 100 == 0 {
            fixture.double.execution(id(number), "FAILED", ago(600));
        } else {
            fixture.double.execution(id(number), "RUNNING", ago(600));
        }
    }
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R2), count(&report, Rule::R5), report.failed), (1_188, 12, 0));
    assert_eq!((report.calls.list_executions, report.calls.describe_execution), (2, 12));
    assert_eq!(report.scanned, 1_200);
}
