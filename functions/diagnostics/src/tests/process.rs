//! `{"check":"process"}`: one process, with its execution as Step Functions tells it.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::Fixture;

fn running(status: &str) -> Value {
    json!({"executionArn": "a", "stateMachineArn": "m", "name": "n", "status": status,
           "startDate": 1.0})
}

async fn process(fixture: &Fixture, id: impl ToString) -> Value {
    fixture.data(json!({"check": "process", "processId": id.to_string(), "lang": "en"})).await
}

fn rules(process: &Value) -> Vec<&str> {
    let rules = process["rules"].as_array().unwrap();
    rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect()
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_that_completed_tells_where_its_time_went_and_no_user_text(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let usage = r#"[{"modelId":"m","inputTokens":7,"outputTokens":9,"latencyMs":3,"calls":2}]"#;
    let id = fixture
        .row(
            1,
            "COMPLETED",
            100,
            &format!(
                "created_at = created_at - interval '10 seconds',
                 result = '{{\"usage\": {usage}, \"title\": \"秘密\"}}'"
            ),
        )
        .await;
    fixture
        .sql(
            "INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
             SELECT created_at, id, 0, 'submitted', 'PENDING', 'user', NULL::jsonb
             FROM processing_state
             UNION ALL
             SELECT started_at, id, 1, 'claimed', 'PROCESSING', 'worker', NULL
             FROM processing_state
             UNION ALL
             SELECT completed_at, id, 1, 'completed', 'COMPLETED', 'worker', '{\"usage\": []}'
             FROM processing_state",
        )
        .await;
    fixture.aws.answer("DescribeExecution", 200, running("SUCCEEDED"));
    let told = process(&fixture, id).await;
    assert!(!told.to_string().contains("秘密"), "{told}");
    assert_eq!(
        told["time"],
        json!({"total": 13_000, "waiting": 10_000, "starting": 1_000, "running": 2_000,
               "retrying": 0})
    );
    assert_eq!(
        (&told["models"][0]["calls"], &told["models"][0]["outputTokens"]),
        (&2.into(), &9.into())
    );
    let after: Vec<_> =
        told["timeline"].as_array().unwrap().iter().map(|event| &event["after"]).collect();
    assert_eq!(after, [0, 11_000, 2_000]);
    assert_eq!((&told["execution"]["status"], &told["rules"]), (&"SUCCEEDED".into(), &json!([])));
    assert_eq!(told["nextSteps"], json!([]));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_whose_execution_was_lost_tells_the_rule_and_what_a_sweep_will_do(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let id = fixture.row(1, "PROCESSING", 600, "").await;
    let told = process(&fixture, id).await;
    assert_eq!(rules(&told), ["R8"], "{told}");
    assert_eq!(told["byItself"]["text"], "it becomes FAILED");
    assert!(told["byItself"]["at"].is_string(), "{told}");
    let command = told["nextSteps"][0]["command"].as_str().unwrap();
    assert_eq!(command, format!("cargo aigen reconcile {id}"));
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn one_that_runs_is_left_alone_and_one_that_waits_says_for_what(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let waits = fixture.row(1, "PENDING", 60, "admitted_at = NULL, share = 0").await;
    fixture.sql("UPDATE processing_capacity SET paused_at = now(), paused_by = 'hanako'").await;
    let told = process(&fixture, waits).await;
    assert_eq!(rules(&told), ["R2"], "{told}");
    assert_eq!(told["byItself"]["text"], "it begins after a resume (0 ahead)");
    assert_eq!(told["nextSteps"][0]["command"], "cargo aigen resume");
    assert_eq!(told["time"]["waiting"], told["time"]["total"]);

    let runs = fixture.row(2, "PROCESSING", 60, "").await;
    fixture.aws.answer("DescribeExecution", 200, running("RUNNING"));
    let told = process(&fixture, runs).await;
    assert_eq!(rules(&told), ["R2"], "{told}");
    assert!(told["byItself"]["text"].as_str().unwrap().starts_with("it goes on"), "{told}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn values_that_a_hand_has_broken_are_named(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let id = fixture.row(1, "FAILED", 60, "progress = 130, completed_at = NULL").await;
    let told = process(&fixture, id).await;
    assert_eq!(rules(&told), ["R12", "R14"], "{told}");
    assert_eq!(told["error"]["cause"], "it failed");
    let steps: Vec<_> = told["nextSteps"].as_array().unwrap().iter().collect();
    assert_eq!(steps[1]["command"], format!("cargo aigen retry {id}"), "{told}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn without_step_functions_the_rest_is_told(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let id = fixture.row(1, "PROCESSING", 60, "").await;
    let denied = json!({"__type": "AccessDeniedException", "message": "no"});
    fixture.aws.answer("DescribeExecution", 400, denied);
    let told = process(&fixture, id).await;
    assert_eq!(told["execution"]["status"], "UNKNOWN", "{told}");
    assert_eq!(told["execution"]["error"], "STEP_FUNCTIONS_ERROR");
    assert_eq!(rules(&told), Vec::<&str>::new());
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_that_is_not_there_is_not_found(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let id = test_kit::id(9).to_string();
    let answer = fixture.ask(json!({"check": "process", "processId": id})).await;
    assert_eq!(answer["error"]["code"], "PROCESSING_NOT_FOUND", "{answer}");
}
