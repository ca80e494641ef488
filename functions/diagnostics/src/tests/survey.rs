//! `{"check":"list"}`, `{"check":"stats"}`, `{"check":"errors"}`.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::Fixture;

/// A number whose id is one that was made so many seconds ago.
fn made(seconds: u64, number: u128) -> u128 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    ((now - u128::from(seconds) * 1_000) << 80) + number
}

fn ids(list: &Value) -> Vec<&str> {
    let processes = list["processes"].as_array().unwrap();
    processes.iter().map(|process| process["processId"].as_str().unwrap()).collect()
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_list_is_the_newest_first_by_filter_and_by_page(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let old = fixture.row(made(7_200, 1), "FAILED", 7_200, "user_id = 'taro'").await.to_string();
    let well = fixture.row(made(60, 2), "COMPLETED", 60, "").await.to_string();
    let late = fixture.row(made(30, 3), "TIMEOUT", 30, "").await.to_string();
    let list = async |more: Value| {
        let mut payload = json!({"check": "list"});
        payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fixture.data(payload).await
    };
    let all = list(json!({})).await;
    assert_eq!(ids(&all), [&late, &well, &old], "{all}");
    assert!(all.get("nextCursor").is_none() && !all.to_string().contains("秘密"), "{all}");
    assert_eq!(all["processes"][0]["code"], "AI_ERROR");
    for (filter, found) in [
        (json!({"status": "COMPLETED"}), vec![&well]),
        (json!({"code": "AI_ERROR"}), vec![&late, &old]),
        (json!({"userId": "taro"}), vec![&old]),
        (json!({"userId": "hanako", "status": "TIMEOUT"}), vec![&late]),
        (json!({"type": "TASK_GENERATION"}), vec![]),
        (json!({"userId": "nobody"}), vec![]),
    ] {
        assert_eq!(ids(&list(filter.clone()).await), found, "{filter}");
    }
    let hour_ago = chrono::DateTime::<chrono::Utc>::from(
        std::time::SystemTime::now() - std::time::Duration::from_hours(1),
    );
    let since = list(json!({"since": hour_ago.to_rfc3339()})).await;
    assert_eq!(ids(&since), [&late, &well]);
    let first = list(json!({"limit": 2})).await;
    assert_eq!(ids(&first), [&late, &well]);
    let second = list(json!({"limit": 2, "cursor": first["nextCursor"]})).await;
    assert_eq!(ids(&second), [&old]);
    assert!(second.get("nextCursor").is_none(), "{second}");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn statistics_tell_waiting_and_running_apart_and_sum_tokens(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let usage = r#"{"usage": [
        {"modelId": "m", "inputTokens": 7, "outputTokens": 9, "latencyMs": 3, "calls": 2}
    ]}"#;
    for number in 1..=2 {
        let changes = format!("created_at = created_at - interval '4 seconds', result = '{usage}'");
        fixture.row(made(60, number), "COMPLETED", 60, &changes).await;
    }
    fixture.row(made(30, 3), "FAILED", 30, "").await;
    // Longer ago than is asked for.
    fixture.row(made(7_200, 4), "COMPLETED", 7_200, "").await;
    let stats = fixture.data(json!({"check": "stats", "hours": 1})).await;
    let of = &stats["types"][0];
    assert_eq!(of["counts"], json!({"COMPLETED": 2, "FAILED": 1}), "{stats}");
    assert_eq!((&of["total"], &of["errorPercent"]), (&json!(3), &json!(33.3)));
    assert_eq!(of["waiting"], json!({"mean": 4.0, "p50": 4.0, "p95": 4.0, "p99": 4.0, "max": 4.0}));
    assert_eq!(of["running"], json!({"mean": 3.0, "p50": 3.0, "p95": 3.0, "p99": 3.0, "max": 3.0}));
    let model = &stats["models"][0];
    assert_eq!((&model["calls"], &model["inputTokens"]), (&json!(4), &json!(14)));
    assert_eq!(stats["isCut"], false);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn errors_that_differ_by_an_id_only_are_one(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let mut last = String::new();
    for (number, request) in
        [(1, "0198c0de-0000-7000-8000-00000000000a"), (2, "0198c0de-0000-7000-8000-00000000000b")]
    {
        let error = json!({"code": "AI_ERROR", "message": "x",
        "cause": format!("ServiceUnavailable (request {request}): later")});
        let seconds = 100 - i64::try_from(number).unwrap();
        last =
            fixture.row(number, "FAILED", seconds, &format!("error = '{error}'")).await.to_string();
    }
    fixture.row(3, "TIMEOUT", 90, "error = '{}'").await;
    fixture.row(4, "FAILED", 90_000, "").await;
    let errors = fixture.data(json!({"check": "errors", "hours": 24})).await;
    let groups = errors["errors"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{errors}");
    assert_eq!(groups[0]["cause"], "ServiceUnavailable (request …): later");
    assert_eq!((&groups[0]["count"], &groups[0]["example"]), (&json!(2), &json!(last)));
    assert_eq!((&groups[0]["retryable"], &groups[1]["retryable"]), (&true.into(), &false.into()));
    assert_eq!(groups[1]["code"], "");
}
