//! `{"check":"performance"}`.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::Fixture;

fn made(number: u128) -> u128 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    ((now - 60_000) << 80) + number
}

fn reports() -> Value {
    let line = |number: u32, more: &str| {
        let id = format!("00000000-0000-0000-0000-{number:012}");
        let text = format!(
            "REPORT RequestId: {id}\tDuration: {number}.00 ms\tBilled Duration: 1 ms\t\
             Memory Size: 128 MB\tMax Memory Used: 31 MB\t{more}\n"
        );
        json!({"timestamp": 1_700_000_000_000_i64, "message": text})
    };
    json!({"events": [line(1, "Init Duration: 90.00 ms"), line(2, "")]})
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn jobs_functions_models_and_tables_are_told_together(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let usage = r#"{"usage": [
        {"modelId": "m", "inputTokens": 7, "outputTokens": 9, "latencyMs": 3, "calls": 3}
    ]}"#;
    for number in 1..=2 {
        let changes = format!("attempt = 3, planned_calls = 2, result = '{usage}'");
        fixture.row(made(number), "COMPLETED", 60, &changes).await;
    }
    fixture.aws.answer("FilterLogEvents", 200, reports());
    let told = fixture.data(json!({"check": "performance", "hours": 1, "lang": "en"})).await;
    let of = &told["types"][0];
    assert_eq!((&of["attemptsAgain"], &of["callsPerPlanned"]), (&json!(4), &json!(1.5)), "{told}");
    assert_eq!((&of["waiting"]["p99"], &of["running"]["mean"]), (&json!(0.0), &json!(3.0)));
    assert_eq!(told["models"][0]["calls"], 6);
    let functions = told["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 5, "{told}");
    assert_eq!(functions[0]["coldStarts"], functions[0]["invocations"].as_u64().unwrap() / 2);
    assert_eq!(functions[0]["memoryUsed"], 31.0);
    assert_eq!(told["verdict"], "well", "{told}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn without_logs_and_with_a_lost_index_the_rest_is_told(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture.sql("DROP INDEX goals_user").await;
    let denied = json!({"__type": "AccessDeniedException", "message": "no"});
    fixture.aws.answer("FilterLogEvents", 400, denied);
    let told = fixture.data(json!({"check": "performance", "lang": "en"})).await;
    assert_eq!(told["verdict"], "degraded");
    assert_eq!(told["findings"][0]["code"], "INDEX_MISSING", "{told}");
    let not_checked = told["notChecked"].as_array().unwrap();
    let what: Vec<_> = not_checked.iter().map(|it| it["what"].as_str().unwrap()).collect();
    assert!(what.contains(&"reconciler") && what.contains(&"statements"), "{told}");
    let again = told["findings"][0]["nextSteps"][0]["command"].as_str().unwrap();
    let statement = again.split_once("-c \"").unwrap().1.trim_end_matches('"');
    fixture.sql(statement).await;
    let told = fixture.data(json!({"check": "performance", "lang": "en"})).await;
    assert_eq!(told["findings"], json!([]), "{told}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn without_a_database_the_functions_are_told(_: PgPoolOptions, options: PgConnectOptions) {
    let nowhere = options.clone().port(1);
    let fixture = Fixture::on(nowhere, sqlx::PgPool::connect_with(options).await.unwrap());
    fixture.aws.answer("FilterLogEvents", 200, reports());
    let told = fixture.data(json!({"check": "performance", "lang": "en"})).await;
    assert_eq!(told["functions"].as_array().unwrap().len(), 5, "{told}");
    let what: Vec<_> =
        told["notChecked"].as_array().unwrap().iter().map(|it| &it["what"]).collect();
    assert!(what.contains(&&json!("jobs")), "{told}");
}
