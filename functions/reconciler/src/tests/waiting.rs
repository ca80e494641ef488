//! Those that wait to be admitted: R15, what an execution's end makes room for, and an operator's
//! commands.

use serde_json::{Value, json};
use shared::{lambda::Metric, process::Terms, reconcile::Rule};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{
    double::MACHINE,
    fixture::{Fixture, ago, count, id, plenty},
};
use crate::reconciler::Reconciler;

const NOT_ADMITTED: &str = "admitted_at = NULL, share = 0";

/// A reconciler that has room for so many calls.
fn with_room(fixture: &Fixture, calls: i32) -> Reconciler {
    let terms = Terms { calls, calls_per_user: calls, ..plenty() };
    Reconciler { terms, ..fixture.reconciler() }
}

async fn admitted(fixture: &Fixture) -> Vec<u128> {
    let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
        "SELECT id FROM processing_state WHERE admitted_at IS NOT NULL ORDER BY id",
    )
    .fetch_all(&fixture.pool)
    .await
    .unwrap();
    ids.iter().map(uuid::Uuid::as_u128).collect()
}

fn ended(number: u128, status: &str) -> Value {
    let arn = MACHINE.replace(":stateMachine:", ":execution:");
    json!({
        "source": "aws.states", "detail-type": "Step Functions Execution Status Change",
        "detail": {
            "executionArn": format!("{arn}:{}", id(number)), "stateMachineArn": MACHINE,
            "name": id(number), "status": status,
        },
    })
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_sweep_admits_whoever_waits_while_capacity_is_free(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    for number in 1..=3 {
        fixture.row(number, "PENDING", NOT_ADMITTED).await;
    }
    let planned = fixture.sweep_until(true, fixture.far()).await;
    assert_eq!((count(&planned, Rule::R15), planned.repaired), (3, 0));
    assert!(admitted(&fixture).await.is_empty(), "a dry run only looks");
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R15), report.repaired, report.failed), (3, 3, 0));
    assert_eq!(admitted(&fixture).await, [1, 2, 3]);
    for number in 1..=3 {
        assert!(fixture.seen(number).await.execution_arn.is_some(), "{number} is started");
        let kinds: Vec<_> =
            fixture.history(number).await.into_iter().map(|(kind, ..)| kind).collect();
        assert_eq!(kinds, ["admitted", "started"]);
    }
    assert!((fixture.emitted(Metric::CapacityInUse) - 3.0).abs() < 0.1);
}

/// Of thousands that wait, none is described: there is no execution to look at.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn who_waits_while_all_capacity_is_taken_costs_the_sweep_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "PROCESSING", &super::fixture::claimed(10)).await;
    fixture.double.execution(id(1), "RUNNING", ago(10));
    for number in 2..=40 {
        fixture.row(number, "PENDING", NOT_ADMITTED).await;
    }
    let reconciler = with_room(&fixture, 1);
    let crate::report::Swept::Done(report) = reconciler.sweep(false, fixture.far()).await.unwrap()
    else {
        panic!("another sweep");
    };
    assert_eq!((report.drift, report.repaired, report.calls.describe_execution), (0, 0, 0));
    assert_eq!(admitted(&fixture).await, [1]);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn the_end_of_an_execution_lets_the_next_one_begin(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.row(1, "COMPLETED", "").await;
    fixture.row(2, "PROCESSING", &super::fixture::claimed(10)).await;
    fixture.double.execution(id(2), "RUNNING", ago(10));
    for number in 3..=5 {
        fixture.row(number, "PENDING", NOT_ADMITTED).await;
    }
    let reconciler = with_room(&fixture, 2);
    // One that ended well: the row agrees, and what it had is free.
    let answer = reconciler.handle(fixture.invocation(ended(1, "SUCCEEDED"))).await.unwrap();
    assert_eq!(answer["data"]["settled"], false);
    assert_eq!(admitted(&fixture).await, [1, 2, 3]);
    // The same event once more makes no more room.
    reconciler.handle(fixture.invocation(ended(1, "SUCCEEDED"))).await.unwrap();
    assert_eq!(admitted(&fixture).await, [1, 2, 3]);
    // One that was stopped by hand: it is settled, and then there is room.
    fixture.double.execution(id(2), "ABORTED", ago(1));
    reconciler.handle(fixture.invocation(ended(2, "ABORTED"))).await.unwrap();
    assert_eq!(fixture.seen(2).await.status, "CANCELLED");
    assert_eq!(admitted(&fixture).await, [1, 2, 3, 4]);
}

/// The function that admitted it died before it started its execution.
#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_was_admitted_and_never_started_is_started_after_the_grace(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let since = |seconds| format!("admitted_at = '{}'", ago(seconds).to_rfc3339());
    fixture.row(1, "PENDING", &since(30)).await;
    fixture.row(2, "PENDING", &since(61)).await;
    let report = fixture.sweep().await;
    assert_eq!((count(&report, Rule::R1), count(&report, Rule::R15)), (1, 0));
    assert!(fixture.seen(2).await.execution_arn.is_some());
    assert_eq!(fixture.seen(1).await.execution_arn, None);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_operator_pauses_and_resumes(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let reconciler = fixture.reconciler();
    fixture.row(1, "PENDING", NOT_ADMITTED).await;
    let ask = async |payload: Value| {
        let answer = reconciler.handle(fixture.invocation(payload)).await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    };
    let paused =
        ask(json!({"action": "pause", "by": "taro", "reason": "deploy", "refuse": true})).await;
    assert_eq!(paused["paused"]["by"], "taro");
    assert_eq!(
        (&paused["paused"]["reason"], &paused["paused"]["refuse"]),
        (&json!("deploy"), &json!(true))
    );
    assert_eq!((&paused["waiting"]["total"], &paused["running"]), (&json!(1), &json!(0)));
    assert_eq!(fixture.sweep().await.repaired, 0, "nothing is admitted, and that is no drift");
    let resumed = ask(json!({"action": "resume", "by": "taro"})).await;
    assert_eq!((&resumed["paused"], &resumed["running"]), (&Value::Null, &json!(1)));
    assert!(fixture.seen(1).await.execution_arn.is_some());
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_operators_limit_holds_and_says_whose_it_is(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let reconciler = with_room(&fixture, 16);
    let ask = async |payload: Value| {
        reconciler.handle(fixture.invocation(payload)).await.unwrap()["data"].clone()
    };
    let shown = ask(json!({"action": "capacity"})).await;
    assert_eq!(
        (&shown["limit"]["inForce"], &shown["limit"]["reason"]),
        (&json!(16), &json!("CONFIGURED"))
    );
    let set = ask(json!({"action": "limit", "calls": 2, "by": "taro"})).await;
    assert_eq!(
        (&set["limit"]["inForce"], &set["limit"]["reason"]),
        (&json!(2), &json!("OPERATOR"))
    );
    for number in 1..=4 {
        fixture.row(number, "PENDING", NOT_ADMITTED).await;
    }
    reconciler.sweep(false, fixture.far()).await.unwrap();
    assert_eq!(admitted(&fixture).await.len(), 2);
    let reset = ask(json!({"action": "limit", "reset": true})).await;
    assert_eq!((&reset["limit"]["inForce"], &reset["inFlight"]), (&json!(16), &json!(4)));
    let wrong = reconciler.handle(fixture.invocation(json!({"action": "halt"}))).await.unwrap();
    assert_eq!(wrong["error"]["code"], "VALIDATION_ERROR");
}
