//! `{"check":"candidates"}`.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::Fixture;

fn ids(data: &Value) -> Vec<&str> {
    let processes = data["processes"].as_array().unwrap();
    processes.iter().map(|process| process["processId"].as_str().unwrap()).collect()
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn what_an_action_can_be_done_to_is_told_and_how_many_are_left_out(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let runs = fixture.row(1, "PROCESSING", 60, "").await.to_string();
    let failed = fixture.row(2, "FAILED", 60, "").await.to_string();
    let late = fixture.row(3, "TIMEOUT", 30, "user_id = 'taro'").await.to_string();
    let invalid = "error = jsonb_set(error, '{code}', '\"VALIDATION_ERROR\"')";
    fixture.row(4, "FAILED", 20, invalid).await;
    fixture.row(5, "COMPLETED", 10, "").await;
    let ask = async |more: Value| {
        let mut payload = json!({"check": "candidates"});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fixture.data(payload).await
    };
    let cancel = ask(json!({"action": "cancel"})).await;
    assert_eq!(ids(&cancel), [&runs], "{cancel}");
    let retry = ask(json!({"action": "retry"})).await;
    assert_eq!(ids(&retry), [&late, &failed], "{retry}");
    assert_eq!(retry["leftOut"], json!({"NOT_RETRYABLE": 1}));
    assert!(retry.get("nextCursor").is_none() && !retry.to_string().contains("秘密"), "{retry}");
    let in_part = |code: &str| {
        let failed = format!(r#"[{{"code": "{code}", "retryable": true}}]"#);
        format!("result = '{{\"failedTargets\": {failed}}}'")
    };
    let passing = fixture.row(6, "COMPLETED", 50, &in_part("TIMEOUT_ERROR")).await.to_string();
    fixture.row(7, "COMPLETED", 40, &in_part("VALIDATION_ERROR")).await;
    assert_eq!(ask(json!({"action": "retry"})).await["processes"], retry["processes"]);
    let parts = ask(json!({"action": "retry", "parts": true})).await;
    assert_eq!(ids(&parts), [&late, &passing, &failed], "{parts}");
    assert_eq!(parts["processes"][1]["code"], "TIMEOUT_ERROR");
    assert_eq!(parts["leftOut"], json!({"NOT_RETRYABLE": 2}));
    let of_code = json!({"action": "retry", "parts": true, "code": "TIMEOUT_ERROR"});
    assert_eq!(ids(&ask(of_code).await), [&passing]);
    let of_taro = ask(json!({"action": "retry", "userId": "taro", "force": true})).await;
    assert_eq!(ids(&of_taro), [&late]);
    assert_eq!(of_taro["leftOut"], json!({}));
    let forced = ask(json!({"action": "retry", "force": true})).await;
    assert_eq!(ids(&forced).len(), 3);
}
