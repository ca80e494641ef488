//! `{"check":"logs"}`.

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::fixture::Fixture;
use crate::diagnostics::LOGGING;

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_lines_about_a_process_come_in_the_order_of_time_with_their_invocations(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let (id, request) = (test_kit::id(7), Uuid::from_u128(8));
    let event = |text: String| json!({"timestamp": 1_700_000_000_000_i64, "message": text});
    let line = |second: u8, message: &str, id: &str| {
        let at = format!("2026-11-26T04:00:0{second}Z");
        json!({"timestamp": at, "level": "INFO", "message": message, "processId": id,
               "requestId": request})
        .to_string()
    };
    let report = format!(
        "REPORT RequestId: {request}\tDuration: 7.00 ms\tMemory Size: 256 MB\t\
         Max Memory Used: 40 MB"
    );
    // The local gateway does not keep to every pattern, so what was not asked for comes too.
    let events = json!({"events": [
        event(line(2, "later", &id.to_string())),
        event(line(1, "sooner", &id.to_string())),
        event(line(1, "another", &test_kit::id(9).to_string())),
        event(report),
    ]});
    fixture.aws.answer("FilterLogEvents", 200, events);
    let data = fixture.data(json!({"check": "logs", "processId": id, "hours": 1})).await;
    let lines = data["lines"].as_array().unwrap();
    let messages: Vec<_> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    // Each function's log holds the same here.
    let (sooner, later) = messages.split_at(LOGGING.len());
    assert!(sooner.iter().all(|it| *it == "sooner") && later.iter().all(|it| *it == "later"));
    assert_eq!(later.len(), LOGGING.len(), "{data}");
    let invocations = data["invocations"].as_array().unwrap();
    assert_eq!(invocations.len(), LOGGING.len(), "{data}");
    assert_eq!(
        (&invocations[0]["duration"], &invocations[0]["memoryUsed"]),
        (&json!(7.0), &json!(40.0))
    );
    assert_eq!(data["notChecked"], json!([]));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_log_that_may_not_be_read_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let denied = json!({"__type": "AccessDeniedException", "message": "not authorized"});
    fixture.aws.answer("FilterLogEvents", 400, denied);
    let data = fixture.data(json!({"check": "logs", "processId": test_kit::id(7)})).await;
    assert_eq!((&data["lines"], &data["hours"]), (&json!([]), &json!(24)));
    let not_checked = data["notChecked"].as_array().unwrap();
    assert_eq!(not_checked.len(), LOGGING.len(), "{data}");
    let why = not_checked[0]["why"].as_str().unwrap();
    assert!(why.contains("AccessDenied"), "{why}");
}
