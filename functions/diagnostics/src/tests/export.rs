//! `{"check":"export"}`.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::fixture::Fixture;

/// A number whose id is one that was made so many seconds ago.
fn made(seconds: u64, number: u128) -> u128 {
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis();
    ((now - u128::from(seconds) * 1_000) << 80) + number
}

fn ago(seconds: u64) -> String {
    let at = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
    chrono::DateTime::<chrono::Utc>::from(at).to_rfc3339()
}

async fn export(fixture: &Fixture, more: Value) -> Value {
    let mut payload = json!({"check": "export"});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fixture.data(payload).await
}

fn ids(page: &Value) -> Vec<String> {
    let processes = page["processes"].as_array().unwrap().iter();
    processes.map(|process| process["processId"].as_str().unwrap().to_owned()).collect()
}

/// All pages, one after the other, and how many there were.
async fn pages(fixture: &Fixture, mut query: Value) -> (Vec<String>, usize) {
    let (mut all, mut count) = (Vec::new(), 0);
    loop {
        let page = export(fixture, query.clone()).await;
        all.extend(ids(&page));
        count += 1;
        let Some(next) = page["nextCursor"].as_str() else { return (all, count) };
        query["cursor"] = json!(next);
    }
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn an_export_is_in_order_by_filter_and_by_page(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    let old = fixture.row(made(7_200, 1), "FAILED", 7_200, "user_id = 'taro'").await.to_string();
    let well = fixture.row(made(600, 2), "COMPLETED", 600, "").await.to_string();
    let late = fixture.row(made(300, 3), "TIMEOUT", 300, "").await.to_string();
    assert_eq!(ids(&export(&fixture, json!({})).await), [&old, &well, &late].map(String::clone));
    for (filter, found) in [
        (json!({"status": "COMPLETED"}), vec![&well]),
        (json!({"userId": "taro"}), vec![&old]),
        (json!({"type": "SUBGOAL_GENERATION", "since": ago(3_600)}), vec![&well, &late]),
        (json!({"since": ago(3_600), "until": ago(450)}), vec![&well]),
        (json!({"type": "TASK_GENERATION"}), vec![]),
        (json!({"cursor": well}), vec![&late]),
        (json!({"cursor": well, "since": ago(3_600)}), vec![&late]),
        (json!({"cursor": old, "since": ago(3_600)}), vec![&well, &late]),
    ] {
        let page = export(&fixture, filter.clone()).await;
        assert_eq!(ids(&page).iter().collect::<Vec<_>>(), found, "{filter}");
        assert!(page.get("nextCursor").is_none(), "{filter}");
    }
    let (all, count) = pages(&fixture, json!({"limit": 1})).await;
    assert_eq!((all, count), (vec![old, well, late], 4), "the last of them is empty");
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_process_is_given_whole_and_without_texts_where_that_is_asked_for(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let result = r#"{"subGoals": ["秘密の柱"], "usage": [{"modelId": "m"}]}"#;
    let id = fixture
        .row(
            made(60, 1),
            "COMPLETED",
            60,
            &format!(
                "result = '{result}', idempotency_key = 'key', cancel_reason = '秘密の理由',
                 original_process_id = id, request_batch_id = id, request_index = 0, goal_id = id"
            ),
        )
        .await;
    fixture
        .sql(&format!(
            "INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
             VALUES (now(), '{id}', 0, 'submitted', 'PENDING', 'user', NULL),
                    (now(), '{id}', 1, 'completed', 'COMPLETED', 'worker', '{{\"calls\": 1}}')"
        ))
        .await;
    let page = export(&fixture, json!({})).await;
    let process = &page["processes"][0];
    assert_eq!(
        (&process["params"], &process["result"]["subGoals"][0], &process["idempotencyKey"]),
        (&json!({"title": "秘密"}), &json!("秘密の柱"), &json!("key")),
        "{page}"
    );
    for (field, value) in [
        ("userId", json!("hanako")),
        ("type", json!("SUBGOAL_GENERATION")),
        ("status", json!("COMPLETED")),
        ("progress", json!(100)),
        ("attempt", json!(1)),
        ("executionArn", json!("arn")),
        ("priority", json!("normal")),
        ("originalProcessId", json!(id)),
        ("requestBatchId", json!(id)),
        ("targetId", json!(id)),
        ("goalId", json!(id)),
        ("error", Value::Null),
        ("cancelReason", json!("秘密の理由")),
    ] {
        assert_eq!(process[field], value, "{field}");
    }
    for at in ["createdAt", "admittedAt", "startedAt", "updatedAt", "completedAt"] {
        assert!(process[at].is_string(), "{at}");
    }
    let events = process["events"].as_array().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["submitted", "completed"]);
    assert_eq!(events[1]["detail"], json!({"calls": 1}));

    let page = export(&fixture, json!({"withoutTexts": true})).await;
    assert!(!page.to_string().contains("秘密") && !page.to_string().contains("key"), "{page}");
    assert_eq!(page["processes"][0]["result"], json!({"usage": [{"modelId": "m"}]}));
    assert_eq!(page["processes"][0]["events"].as_array().unwrap().len(), 2);
}

#[sqlx::test(migrations = "../../infra/migrations")]
async fn a_page_fits_into_an_answer_however_large_its_rows_are(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    let mut all = Vec::new();
    // Of the third, nobody could answer the texts in one piece.
    for (number, megabytes) in [(1, 0.7), (2, 0.7), (3, 7.0), (4, 0.7), (5, 0.1)] {
        let result =
            format!("result = jsonb_build_object('x', repeat('あ', ({megabytes} * 350000)::int))");
        let id = fixture.row(made(60, number), "COMPLETED", 60, &result).await;
        all.push(id.to_string());
    }
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let page = export(&fixture, json!({"cursor": cursor})).await;
        assert!(page.to_string().len() < 3_000_000, "{}", page.to_string().len());
        for process in page["processes"].as_array().unwrap() {
            let is_cut = process["isCut"] == true;
            assert_eq!(is_cut, process.get("result").is_none(), "{}", process["processId"]);
            seen.push((process["processId"].as_str().unwrap().to_owned(), is_cut));
        }
        cursor = page["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let expected: Vec<_> = all.iter().map(|id| (id.clone(), *id == all[2])).collect();
    assert_eq!(seen, expected);
}
