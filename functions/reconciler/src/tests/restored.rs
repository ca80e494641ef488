//! The database is restored to an older state while executions run (trouble 50): one sweep later
//! each row agrees with its execution, or a finding names what does not.

use shared::{
    process::ProcessId,
    reconcile::{Execution, Plan, Rule, plan},
    store::{Claim, Standing},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, began, count, id};
use crate::{finding::RepairOutcome, report::Report};

/// What a process was when the snapshot was made, what has become of it since, and what it comes to
/// when the snapshot is back and a sweep has looked.
struct Case {
    number: u128,
    /// Its status, and changes of its row.
    before: (&'static str, &'static str),
    /// Its execution by then.
    ran: Option<&'static str>,
    /// Changes of its row since, and its execution.
    since: (&'static str, Option<&'static str>),
    /// Its status after the sweep, its error's code, and the rule that led there.
    after: (&'static str, &'static str, Option<Rule>),
}

const STARTED: &str = "execution_arn = 'arn'";
const WAITS: &str = "admitted_at = NULL";
const COMPLETED: &str =
    "status = 'COMPLETED', progress = 100, result = '{}', completed_at = updated_at, attempt = 1";

fn cases() -> Vec<Case> {
    let case = |number, before, ran, since, after| Case { number, before, ran, since, after };
    let missing = ("FAILED", "RESULT_MISSING", Some(Rule::R4));
    vec![
        // It succeeded, and its result is lost.
        case(1, ("PROCESSING", ""), Some("RUNNING"), (COMPLETED, Some("SUCCEEDED")), missing),
        case(2, ("PENDING", STARTED), Some("RUNNING"), (COMPLETED, Some("SUCCEEDED")), missing),
        // The name of its execution is taken by one that has ended.
        case(3, ("PENDING", ""), None, (COMPLETED, Some("SUCCEEDED")), missing),
        case(4, ("PENDING", WAITS), None, (COMPLETED, Some("SUCCEEDED")), missing),
        // By one that runs.
        case(
            5,
            ("PENDING", WAITS),
            None,
            ("status = 'PROCESSING', attempt = 1, admitted_at = now()", Some("RUNNING")),
            ("PENDING", "", Some(Rule::R15)),
        ),
        // It runs on, and its row is at an older attempt, or at none.
        case(
            6,
            ("PROCESSING", ""),
            Some("RUNNING"),
            ("attempt = 2, progress = 60", Some("RUNNING")),
            ("PROCESSING", "", None),
        ),
        case(
            7,
            ("PENDING", ""),
            None,
            ("status = 'PROCESSING', attempt = 3", Some("RUNNING")),
            ("PENDING", "", None),
        ),
        // It ended otherwise.
        case(
            8,
            ("PROCESSING", ""),
            Some("RUNNING"),
            ("status = 'FAILED', error = '{\"code\": \"AI_ERROR\"}'", Some("FAILED")),
            ("FAILED", "AI_ERROR", Some(Rule::R5)),
        ),
        case(
            9,
            ("PENDING", ""),
            None,
            ("status = 'TIMEOUT', error = '{\"code\": \"AI_ERROR\"}'", Some("TIMED_OUT")),
            ("TIMEOUT", "STEP_FUNCTIONS_TIMEOUT", Some(Rule::R6)),
        ),
        case(
            10,
            ("PROCESSING", ""),
            Some("RUNNING"),
            ("status = 'CANCELLED'", Some("ABORTED")),
            ("CANCELLED", "", Some(Rule::R7)),
        ),
        // Everything was stored, and only the status was missing.
        case(
            11,
            ("PROCESSING", "result = '{}'"),
            Some("RUNNING"),
            (COMPLETED, Some("SUCCEEDED")),
            ("COMPLETED", "", Some(Rule::R3)),
        ),
        // It waited, and was cancelled before it began: that is lost, so it begins.
        case(
            12,
            ("PENDING", WAITS),
            None,
            ("status = 'CANCELLED', admitted_at = now()", None),
            ("PENDING", "", Some(Rule::R15)),
        ),
        // What had ended by then is as it was.
        case(13, ("COMPLETED", ""), Some("SUCCEEDED"), ("", None), ("COMPLETED", "", None)),
        case(14, ("FAILED", ""), Some("FAILED"), ("", None), ("FAILED", "AI_ERROR", None)),
        // A sweep since then has stopped what outlived it.
        case(15, ("CANCELLED", ""), Some("RUNNING"), ("", None), ("CANCELLED", "", None)),
    ]
}

/// Accepted after the snapshot: one runs, one has ended.
const UNKNOWN: [(u128, &str); 2] = [(101, "RUNNING"), (102, "SUCCEEDED")];

/// Makes all of it, with a snapshot in between, and has that restored.
async fn restored(options: PgConnectOptions) -> Fixture {
    let mut fixture = Fixture::new(options).await;
    for Case { number, before: (status, changes), ran, .. } in cases() {
        fixture.row(number, status, changes).await;
        if let Some(execution) = ran {
            fixture.double.execution(id(number), execution, ago(600));
        }
    }
    let snapshot = fixture.snapshot().await;
    for Case { number, since: (changes, execution), .. } in cases() {
        if !changes.is_empty() {
            fixture.change(number, changes).await;
        }
        if let Some(execution) = execution {
            fixture.double.execution(id(number), execution, ago(600));
        }
    }
    for (number, execution) in UNKNOWN {
        let status = if execution == "RUNNING" { "PROCESSING" } else { "COMPLETED" };
        fixture.row(number, status, "").await;
        fixture.double.execution(id(number), execution, ago(600));
    }
    // All is well, as far as a sweep sees.
    let well = fixture.sweep().await;
    assert_eq!(well.failed, 0, "{well:?}");
    fixture.restore(snapshot).await;
    fixture
}

/// What follows from each row and its execution now.
async fn plans(fixture: &Fixture) -> Vec<(ProcessId, Plan)> {
    let reconciler = fixture.reconciler();
    let ids: Vec<_> = cases().iter().map(|case| id(case.number)).collect();
    let mut plans = Vec::new();
    for row in reconciler.store.rows_of(&ids).await.unwrap() {
        let seen = reconciler.engine.describe(row.id).await.unwrap();
        let limits = &reconciler.config.limits;
        plans.push((row.id, plan(&row, &seen.execution, fixture.double.now(), limits)));
    }
    plans
}

fn named(report: &Report, number: u128) -> Vec<RepairOutcome> {
    let of_it = report.actions.iter().filter(|finding| finding.process_id == id(number));
    of_it.map(|finding| finding.outcome).collect()
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn after_a_restore_one_sweep_makes_each_row_agree_with_its_execution_or_names_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = restored(options).await;
    let report = fixture.sweep().await;
    assert_eq!((report.failed, report.complete), (0, true), "{report:?}");
    for Case { number, after: (status, code, rule), .. } in cases() {
        let seen = fixture.seen(number).await;
        assert_eq!((seen.status.as_str(), seen.code()), (status, code), "{number}: {report:?}");
        let by: Vec<_> = report
            .actions
            .iter()
            .filter(|finding| finding.process_id == id(number))
            .map(|finding| finding.rule)
            .collect();
        assert_eq!(by.last().copied(), rule, "{number}: {by:?}");
    }
    for (process, plan) in plans(&fixture).await {
        assert!(matches!(plan, Plan::Agree | Plan::Healthy), "{process}: {plan:?}");
    }
    // Of the execution that no row knows, the report tells; of the one that has ended, nothing is
    // left that could disagree.
    assert_eq!(named(&report, 101), [RepairOutcome::Reported], "{report:?}");
    assert_eq!(count(&report, Rule::R17), 1);
    assert_eq!(fixture.double.status(id(101)), Some("RUNNING"), "its own worker ends it");
    assert!(named(&report, 102).is_empty());

    let again = fixture.sweep().await;
    assert_eq!((again.drift, again.repaired), (1, 0), "{again:?}");
    fixture.double.execution(id(101), "FAILED", ago(600));
    assert_eq!(fixture.sweep().await.drift, 0);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_dry_run_after_a_restore_tells_what_a_sweep_will_do(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = restored(options).await;
    let before = fixture.everything().await;
    let dry = fixture.sweep_until(true, fixture.far()).await;
    assert_eq!(fixture.everything().await, before);
    // What waits and is only to be admitted is not started by looking, so what its execution has
    // come to is seen when it is.
    let wet = fixture.sweep().await;
    for rule in Rule::ALL.iter().filter(|rule| !matches!(rule, Rule::R2 | Rule::R4)) {
        assert_eq!(count(&dry, *rule), count(&wet, *rule), "{rule}: {dry:?} {wet:?}");
    }
    assert_eq!((count(&dry, Rule::R4), count(&wet, Rule::R4)), (3, 4));
}

/// What a worker of before has in flight is not written to the row of an older attempt; it is told
/// so, and the state machine has the work begun anew.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_worker_of_a_later_attempt_is_fenced_and_the_next_one_goes_on(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = restored(options).await;
    fixture.sweep().await;
    let store = fixture.reconciler().store;
    assert_eq!(store.standing(id(6), 2.into()).await.unwrap(), Standing::Overtaken);
    let claim = store.claim(id(6), Some("arn"), began()).await.unwrap();
    assert!(matches!(claim, Claim::Claimed { attempt: 2, .. }), "{claim:?}");
    let seen = fixture.reconciler().engine.describe(id(6)).await.unwrap();
    assert!(matches!(seen.execution, Execution::Running { .. }));
}
