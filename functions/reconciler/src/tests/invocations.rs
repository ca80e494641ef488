//! The four ways to be invoked, by the payloads that really come.

use serde_json::{Value, json};
use shared::process::ErrorCode;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    double::{Fault, MACHINE},
    fixture::{Fixture, ago, id},
};

fn arn(number: u128) -> String {
    format!("{}:{}", MACHINE.replace(":stateMachine:", ":execution:"), id(number))
}

fn caught(number: u128, error: &str) -> Value {
    json!({
        "processId": id(number), "executionArn": arn(number), "error": error,
        "cause": r#"{"errorType":"x","errorMessage":"why"}"#,
    })
}

fn ended(number: u128, status: &str) -> Value {
    json!({
        "version": "0", "id": "1",
        "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": arn(number), "stateMachineArn": MACHINE, "name": id(number),
            "status": status, "input": null, "inputDetails": null,
        },
    })
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_catch_settles_at_once_and_once(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let reconciler = fixture.reconciler();
    for (number, error, status, kind) in [
        (1, "AI_THROTTLING", "FAILED", "failed"),
        (2, "States.Timeout", "TIMEOUT", "timed-out"),
        (3, "Runtime.ExitError", "FAILED", "failed"),
    ] {
        fixture.row(number, "PROCESSING", "").await;
        fixture.double.execution(id(number), "RUNNING", ago(600));
        for settled in [true, false] {
            let answer =
                reconciler.handle(fixture.invocation(caught(number, error))).await.unwrap();
            assert_eq!(
                answer,
                json!({
                    "success": true,
                    "data": {"processId": id(number), "status": status, "settled": settled},
                })
            );
        }
        let history = fixture.history(number).await;
        assert_eq!(history, [(kind.to_owned(), "reconciler".to_owned(), Some("R5".to_owned()))]);
        let error = fixture.seen(number).await.error.unwrap();
        assert!(error["cause"].as_str().unwrap().ends_with(": why"), "{error}");
    }
    let missing = reconciler.handle(fixture.invocation(caught(7, "AI_ERROR"))).await.unwrap();
    assert_eq!(missing["data"], json!({"processId": id(7), "status": null, "settled": false}));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_catch_never_overwrites_what_has_ended(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    for (number, status) in [(1, "COMPLETED"), (2, "CANCELLED"), (3, "TIMEOUT")] {
        fixture.row(number, status, "").await;
        let before = fixture.everything().await;
        let answer = fixture
            .reconciler()
            .handle(fixture.invocation(caught(number, "AI_ERROR")))
            .await
            .unwrap();
        assert_eq!(
            (&answer["data"]["status"], &answer["data"]["settled"]),
            (&json!(status), &json!(false))
        );
        assert_eq!(fixture.everything().await, before);
    }
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_catch_that_cannot_be_settled_is_a_lambda_error_that_the_state_machine_retries(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.sql("ALTER TABLE processing_state RENAME TO elsewhere").await;
    let failure =
        fixture.reconciler().handle(fixture.invocation(caught(1, "AI_ERROR"))).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseError);
    assert_eq!(lambda_runtime::Diagnostic::from(failure).error_type, "DATABASE_ERROR");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn ten_events_for_one_execution_do_what_one_does(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "ABORTED", ago(600));
    let mut tasks = Vec::new();
    for _ in 0..10 {
        let reconciler = fixture.reconciler();
        let invocation = fixture.invocation(ended(1, "ABORTED"));
        tasks.push(tokio::spawn(async move { reconciler.handle(invocation).await.unwrap() }));
    }
    let mut settled = 0;
    for task in tasks {
        let answer = task.await.unwrap();
        assert_eq!(answer["data"]["status"], "CANCELLED");
        settled += usize::from(answer["data"]["settled"] == true);
    }
    assert_eq!(
        (settled, fixture.history(1).await.len(), fixture.seen(1).await.status.as_str()),
        (1, 1, "CANCELLED")
    );
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_events_words_are_not_believed(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    fixture.double.execution(id(1), "RUNNING", ago(600));
    fixture.reconciler().handle(fixture.invocation(ended(1, "FAILED"))).await.unwrap();
    assert_eq!(fixture.seen(1).await.status, "PROCESSING");
    // The truth is another end than the event's.
    fixture.double.execution(id(1), "TIMED_OUT", ago(600));
    fixture.reconciler().handle(fixture.invocation(ended(1, "FAILED"))).await.unwrap();
    assert_eq!(fixture.seen(1).await.status, "TIMEOUT");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_event_that_agrees_with_its_process_costs_no_call(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for (number, status, event) in
        [(1, "COMPLETED", "SUCCEEDED"), (2, "CANCELLED", "ABORTED"), (3, "FAILED", "FAILED")]
    {
        fixture.row(number, status, "").await;
        let before = fixture.everything().await;
        fixture.reconciler().handle(fixture.invocation(ended(number, event))).await.unwrap();
        assert_eq!(fixture.everything().await, before);
    }
    assert!(fixture.double.calls().is_empty());
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_completed_process_whose_execution_failed_is_left_and_reported(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "COMPLETED", "").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    let before = fixture.everything().await;
    let answer =
        fixture.reconciler().handle(fixture.invocation(json!({"processId": id(1)}))).await.unwrap();
    assert_eq!(answer["data"]["rules"], json!({"R11": 1}), "{answer}");
    assert_eq!(answer["data"]["actions"][0]["outcome"], "reported");
    fixture.reconciler().handle(fixture.invocation(ended(1, "FAILED"))).await.unwrap();
    assert_eq!(fixture.everything().await, before);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn events_of_other_machines_and_names_are_ignored(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    let mut foreign = ended(1, "FAILED");
    foreign["detail"]["stateMachineArn"] = json!(format!("{MACHINE}Other"));
    let mut nameless = ended(1, "FAILED");
    nameless["detail"]["name"] = json!("nightly-report");
    for event in [foreign, nameless] {
        let answer = fixture.reconciler().handle(fixture.invocation(event)).await.unwrap();
        assert_eq!(answer["data"]["ignored"], true);
    }
    assert!(fixture.double.calls().is_empty());
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_operator_looks_at_one_process_dry_or_not(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "progress = -5").await;
    fixture.row(2, "PROCESSING", "").await;
    fixture.double.execution(id(1), "FAILED", ago(600));
    let before = fixture.everything().await;
    let dry = fixture
        .reconciler()
        .handle(fixture.invocation(json!({"processId": id(1), "dryRun": true})))
        .await
        .unwrap();
    assert_eq!(fixture.everything().await, before);
    assert_eq!(
        (&dry["data"]["rules"], &dry["data"]["status"]),
        (&json!({"R5": 1, "R12": 1}), &json!("PROCESSING")),
        "{dry}"
    );
    assert_eq!(dry["data"]["actions"][0]["outcome"], "planned");
    let wet =
        fixture.reconciler().handle(fixture.invocation(json!({"processId": id(1)}))).await.unwrap();
    assert_eq!(
        (&wet["data"]["repaired"], &wet["data"]["status"]),
        (&json!(2), &json!("FAILED")),
        "{wet}"
    );
    let seen = fixture.seen(1).await;
    assert_eq!((seen.status.as_str(), seen.progress), ("FAILED", 0));
    assert_eq!(fixture.seen(2).await.status, "PROCESSING", "only the one that was asked for");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_operator_sweeps_and_hears_everything(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    let answer = fixture.reconciler().handle(fixture.invocation(json!({}))).await.unwrap();
    let data = &answer["data"];
    assert_eq!(
        (&answer["success"], &data["swept"], &data["complete"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(
        (&data["rules"], &data["scanned"], &data["repaired"]),
        (&json!({"R8": 1}), &json!(1), &json!(1))
    );
    assert_eq!(data["calls"]["listExecutions"], 1);
    assert_eq!(
        data["actions"],
        json!([{
            "processId": id(1), "rule": "R8", "from": "PROCESSING", "to": "FAILED",
            "outcome": "repaired",
        }])
    );
    let stored: Value = sqlx::query_scalar("SELECT report FROM reconciler_sweep")
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
    assert_eq!((&stored["repaired"], stored.get("actions")), (&json!(1), None));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_an_operator_asks_wrongly_is_an_answer_and_changes_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", "").await;
    let before = fixture.everything().await;
    for (payload, code) in [
        (json!({"dryrun": true}), "VALIDATION_ERROR"),
        (json!({"dryRun": "yes"}), "VALIDATION_ERROR"),
        (json!({"processId": "42"}), "VALIDATION_ERROR"),
        (json!([]), "VALIDATION_ERROR"),
        (json!({"processId": id(7)}), "PROCESSING_NOT_FOUND"),
    ] {
        let answer =
            fixture.reconciler().handle(fixture.invocation(payload.clone())).await.unwrap();
        assert_eq!(
            (&answer["success"], &answer["error"]["code"]),
            (&json!(false), &json!(code)),
            "{payload}"
        );
    }
    assert_eq!(fixture.everything().await, before);
    fixture.double.fault("ListExecutions", Fault::Refused);
    let answer = fixture.reconciler().handle(fixture.invocation(json!({}))).await.unwrap();
    assert_eq!(answer["error"]["code"], "STEP_FUNCTIONS_ERROR");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_schedules_sweep_that_fails_is_a_lambda_error(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let scheduled = json!({"source": "aws.events", "detail-type": "Scheduled Event", "detail": {}});
    fixture.double.fault("ListExecutions", Fault::Refused);
    assert_eq!(
        fixture.reconciler().handle(fixture.invocation(scheduled.clone())).await.unwrap_err().code,
        ErrorCode::StepFunctionsError
    );
    let answer = fixture.reconciler().handle(fixture.invocation(scheduled)).await.unwrap();
    assert_eq!(answer["data"]["swept"], true);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_request_through_the_gateway_is_no_operators(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let http = json!({
        "version": "2.0", "routeKey": "POST /", "rawPath": "/", "rawQueryString": "", "headers": {},
        "requestContext": {
            "http": {
                "method": "POST", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1",
                "userAgent": "x",
            },
            "authorizer": {"jwt": {"claims": {"sub": "user-1"}, "scopes": null}}, "timeEpoch": 0,
        },
        "body": "{}", "isBase64Encoded": false,
    });
    let answer = fixture.reconciler().handle(fixture.invocation(http)).await.unwrap();
    assert_eq!(answer["statusCode"], 403);
}
