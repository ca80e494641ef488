//! What the reconciler measures is what it did: each ending is counted once, by whoever makes it.

use serde_json::json;
use shared::lambda::Metric;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    double::Fault,
    fixture::{Fixture, ago, id},
};

async fn mixed(fixture: &Fixture) {
    for (number, changes, execution) in [
        (1, "result = '{}'", "SUCCEEDED"),
        (2, "", "SUCCEEDED"),
        (3, "", "FAILED"),
        (4, "", "TIMED_OUT"),
        (5, "", "ABORTED"),
        (6, "", "RUNNING"),
    ] {
        fixture.row(number, "PROCESSING", changes).await;
        fixture.double.execution(id(number), execution, ago(600));
    }
}

// aws.md 11.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn every_ending_by_the_reconciler_is_emitted_once_however_often_it_comes(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    mixed(&fixture).await;
    let reconciler = fixture.reconciler();
    let machine = super::double::MACHINE.replace(":stateMachine:", ":execution:");
    let caught = json!({
        "processId": id(3), "executionArn": format!("{machine}:{}", id(3)), "error": "AI_ERROR",
        "cause": "x",
    });
    for _ in 0..2 {
        reconciler.handle(fixture.invocation(caught.clone())).await.unwrap();
        reconciler.handle(fixture.invocation(json!({"processId": id(4)}))).await.unwrap();
        fixture.sweep().await;
    }
    let emitted = [Metric::Completed, Metric::Failed, Metric::Timeout, Metric::Cancelled]
        .map(|metric| fixture.emitted(metric));
    assert_eq!(format!("{emitted:?}"), "[1.0, 2.0, 1.0, 1.0]");
    // The Catch is no drift: the machine said itself how it ended.
    assert_eq!(
        (fixture.emitted(Metric::Drift), fixture.emitted(Metric::RepairFailures)),
        (4.0, 0.0)
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_dry_run_emits_nothing(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    mixed(&fixture).await;
    fixture.sweep_until(true, fixture.far()).await;
    assert!(Metric::ALL.iter().all(|metric| fixture.emitted(*metric) == 0.0));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_that_fails_emits_what_it_did_and_that_it_failed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "progress = 130").await;
    fixture.double.fault("ListExecutions", Fault::Refused);
    fixture.reconciler().sweep(false, fixture.far()).await.unwrap_err();
    assert_eq!(
        (fixture.emitted(Metric::Drift), fixture.emitted(Metric::RepairFailures)),
        (1.0, 1.0)
    );
}

// Protocol A14.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_error_rate_counts_charts(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let ended = format!("type = 'CHART_GENERATION', completed_at = '{}'", ago(10).to_rfc3339());
    for number in 1..=19 {
        fixture.row(number, "COMPLETED", &ended).await;
    }
    fixture.row(20, "FAILED", &ended).await;
    fixture.sweep().await;
    let rate = fixture.emitted(Metric::ErrorRate);
    assert!((rate - 5.0).abs() < 1e-9, "{rate}");
}
