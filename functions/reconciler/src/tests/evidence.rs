//! The sweep repairs first and explains after: what the log tells, and what it costs to ask it.

use serde_json::{Value, json};
use shared::process::{Ending, ErrorCode, ProcessError};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    double::Fault,
    fixture::{Fixture, ago, id},
};

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_last_errors_in_the_log_are_evidence_for_operators(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in [1, 2] {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
    }
    for (number, level, cause) in [
        (1, "ERROR", "first"),
        (1, "INFO", "no error"),
        (2, "ERROR", "of another"),
        (1, "ERROR", "last"),
    ] {
        let line = json!({
            "timestamp": "2026-01-01T00:00:00Z", "level": level, "message": "failed",
            "processId": id(number), "cause": cause,
        });
        fixture.double.log(line.to_string());
    }
    fixture.double.log("REPORT RequestId: none of ours".to_owned());
    let report = fixture.sweep().await;
    assert_eq!(report.calls.filter_log_events, 2);
    let error = fixture.seen(1).await.error.unwrap();
    let causes: Vec<_> = error["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["cause"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["first", "last"]);
    assert_eq!(fixture.seen(2).await.error.unwrap()["evidence"][0]["cause"], "of another");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_log_that_cannot_be_read_does_not_stand_in_the_way(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    fixture.double.fault("FilterLogEvents", Fault::Refused);
    let report = fixture.sweep().await;
    assert_eq!((report.repaired, report.failed), (1, 0));
    let error = fixture.seen(1).await.error.unwrap();
    assert_eq!((&error["code"], error.get("evidence")), (&json!("AI_ERROR"), None));
}

/// `numbers` processes whose executions failed, and a line in the log for each.
async fn failed_with_log(fixture: &Fixture, numbers: u128) {
    for number in 1..=numbers {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "FAILED", ago(600));
        let line = json!({
            "timestamp": "2026-01-01T00:00:00Z", "level": "ERROR", "message": "failed",
            "processId": id(number), "cause": "why",
        });
        fixture.double.log(line.to_string());
    }
}

// Protocol A8.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn sixty_processes_are_repaired_in_one_sweep_however_slow_the_log_is(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_with_log(&fixture, 60).await;
    (0..60).for_each(|_| fixture.double.fault("FilterLogEvents", Fault::NoAnswer));
    let reconciler =
        fixture.configured(|config| config.evidence_time = std::time::Duration::from_millis(50));
    // Sixty looks and one list, and no time for anything else.
    let stop_at = fixture.double.now() + chrono::TimeDelta::seconds(62);
    let crate::report::Swept::Done(report) = reconciler.sweep(false, stop_at).await.unwrap() else {
        panic!("nobody else sweeps");
    };
    assert_eq!((report.repaired, report.failed, report.complete), (60, 0, true), "{report:?}");
    // The first search timed out: no other was made.
    assert_eq!((report.calls.filter_log_events, report.explained), (1, 0));
    for number in 1..=60 {
        assert_eq!(fixture.seen(number).await.code(), "AI_ERROR");
    }
}

/// Each call takes a second of the fixture's time.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_log_is_asked_for_ten_seconds_in_all_and_after_every_repair(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_with_log(&fixture, 30).await;
    // When the log is asked first, all is repaired.
    fixture.double.meanwhile(
        "FilterLogEvents",
        "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM processing_state WHERE status = 'PROCESSING');
         END $$"
            .to_owned(),
    );
    let report = fixture.sweep().await;
    assert_eq!((report.repaired, report.calls.filter_log_events, report.explained), (30, 10, 10));
    let error = fixture.seen(1).await.error.unwrap();
    assert_eq!(
        (&error["code"], &error["evidence"][0]["cause"]),
        (&json!("AI_ERROR"), &json!("why"))
    );
    // Evidence is no move of the process.
    assert_eq!(fixture.history(1).await.len(), 1);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn evidence_is_added_only_to_the_error_that_was_written(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_with_log(&fixture, 3).await;
    // Between the repair and the evidence of the first, an operator writes over two of them.
    let by_hand = r#"{"code":"MANUAL_INTERVENTION","message":"by hand"}"#;
    fixture.double.meanwhile(
        "FilterLogEvents",
        format!(
            "UPDATE processing_state SET error = '{by_hand}' WHERE id = '{}';
             UPDATE processing_state SET status = 'CANCELLED' WHERE id = '{}'",
            id(1),
            id(2)
        ),
    );
    let report = fixture.sweep().await;
    assert_eq!((report.repaired, report.explained), (3, 1));
    let [hand, cancelled, ours] =
        [fixture.seen(1).await, fixture.seen(2).await, fixture.seen(3).await]
            .map(|seen| seen.error.unwrap());
    assert_eq!(hand, serde_json::from_str::<Value>(by_hand).unwrap());
    assert_eq!(cancelled.get("evidence"), None);
    assert_eq!(ours["evidence"][0]["message"], "failed");
    // And a repeated addition changes nothing.
    let ending =
        Ending::Failed(ProcessError::new(ErrorCode::AiError, "AI_ERROR: the model failed"));
    let store = fixture.reconciler().store;
    let again = store.add_evidence(id(3), &ending, &[]).await.unwrap();
    assert_eq!(again, shared::store::Repaired::Moved);
    assert_eq!(fixture.seen(3).await.error.unwrap(), ours);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_catch_ends_the_process_before_it_asks_the_log(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    failed_with_log(&fixture, 1).await;
    fixture.double.meanwhile(
        "FilterLogEvents",
        "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM processing_state WHERE status = 'PROCESSING');
         END $$"
            .to_owned(),
    );
    let machine = super::double::MACHINE.replace(":stateMachine:", ":execution:");
    let caught = json!({
        "processId": id(1), "executionArn": format!("{machine}:{}", id(1)), "error": "AI_ERROR",
        "cause": r#"{"errorType":"AI_ERROR","errorMessage":"the model failed"}"#,
    });
    let answer = fixture.reconciler().handle(fixture.invocation(caught)).await.unwrap();
    assert_eq!(answer["data"]["settled"], true);
    assert_eq!(fixture.seen(1).await.error.unwrap()["evidence"][0]["cause"], "why");
}
