//! Executions that have just been started: Step Functions describes them a while later.

use serde_json::json;
use shared::reconcile::Rule;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::{Fixture, ago, count, id};

/// A row that was accepted long ago, and whose execution was started `seconds` ago.
async fn started(fixture: &Fixture, number: u128, seconds: i64) {
    let at = ago(seconds).to_rfc3339();
    let changes = format!("execution_arn = 'a', execution_started_at = '{at}'");
    fixture.row(number, "PENDING", &changes).await;
}

// Protocol B1, aws.md 14.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_execution_too_fresh_to_be_found_is_left_to_the_next_sweep(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    started(&fixture, 1, 5).await;
    started(&fixture, 2, 5).await;
    let report = fixture.sweep().await;
    assert_eq!((report.drift, report.too_fresh, report.complete), (0, 2, true));
    // One turns up, the other does not within the minute.
    fixture.double.execution(id(1), "RUNNING", ago(5));
    fixture.double.pass(60);
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R8), report.too_fresh), (1, 0));
    assert_eq!(fixture.seen(1).await.status, "PENDING");
    assert_eq!(fixture.seen(2).await.code(), "EXECUTION_NOT_FOUND");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_operator_hears_that_it_is_too_early_to_tell(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    started(&fixture, 1, 5).await;
    let answer =
        fixture.reconciler().handle(fixture.invocation(json!({"processId": id(1)}))).await.unwrap();
    let data = &answer["data"];
    assert_eq!(
        (&data["tooFresh"], &data["drift"], &data["status"]),
        (&json!(1), &json!(0), &json!("PENDING")),
        "{answer}"
    );
}

/// The reconciler's own start counts from the time that Step Functions says.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_the_sweep_has_started_is_not_given_up_by_the_next(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PENDING", "").await;
    assert_eq!(count(&fixture.sweep().await, Rule::R1), 1);
    fixture.double.forget(id(1));
    fixture.sql("DELETE FROM processing_start").await;
    let report = fixture.sweep().await;
    assert_eq!((report.drift, report.too_fresh), (0, 1));
    fixture.double.pass(60);
    assert_eq!(count(&fixture.sweep().await, Rule::R8), 1);
}
