//! What a body is read as: no database.

use chrono::DateTime;
use serde_json::{Value, json};
use shared::{
    chart::{Chart, Params},
    http::{BatchAcceptedView, Refusal},
    language::Language,
    process::{
        InvalidRequest, Priority,
        request_batch::{ParsedBatch, parse_batch},
    },
    validation::{Rule, Violation},
};

const ID: &str = "0193e4a0-0000-7000-8000-000000000001";

fn parse(body: &Value) -> Result<ParsedBatch<Params>, Vec<Violation>> {
    parse_batch::<Chart>(&body.to_string(), DateTime::UNIX_EPOCH)
}

fn action(field: &str) -> Value {
    json!({"type": "ACTION_GENERATION", "params": {field: ID}})
}

#[test]
fn each_request_is_read_for_itself() {
    let mut low = action("goalId");
    low["priority"] = "low".into();
    let requests = json!([action("subGoalId"), 7, action("actionId"), {"type": "POEM"}, low]);
    let batch = parse(&json!({"requests": requests})).unwrap();
    assert!(!batch.dry_run);
    let fields = |request: &Result<_, InvalidRequest>| match request {
        Ok(_) => Vec::new(),
        Err(InvalidRequest::ProcessType(violation)) => vec![violation.field.clone()],
        Err(InvalidRequest::Fields(violations)) => {
            violations.iter().map(|violation| violation.field.clone()).collect()
        }
    };
    let wrong: Vec<_> = batch.requests.iter().map(fields).collect();
    assert!(wrong[0].is_empty() && wrong[4].is_empty(), "{wrong:?}");
    assert_eq!(wrong[1], ["requests[1]"]);
    assert_eq!(wrong[2], ["params.subGoalId", "params.actionId"]);
    assert_eq!(wrong[3], ["type"]);
    let priorities = [0, 4].map(|index| batch.requests[index].as_ref().unwrap().priority);
    assert_eq!(priorities, [None, Some(Priority::Low)]);
}

#[test]
fn what_is_wrong_with_the_whole_is_named() {
    let many = vec![action("goalId"); 101];
    for (body, field) in [
        (json!([]), "body"),
        (json!({}), "requests"),
        (json!({"requests": {}}), "requests"),
        (json!({"requests": []}), "requests"),
        (json!({"requests": many}), "requests"),
        (json!({"requests": [{}], "dryRun": "yes"}), "dryRun"),
        (json!({"requests": [{}], "priority": "low"}), "priority"),
    ] {
        let violations = parse(&body).unwrap_err();
        assert_eq!(violations.len(), 1, "{violations:?}");
        assert_eq!(violations[0].field, field);
    }
    let cut = parse_batch::<Chart>("{\"requests\":[", DateTime::UNIX_EPOCH).unwrap_err();
    assert!(matches!(cut[0].rule, Rule::Json { .. }));
    assert!(parse(&json!({"requests": many[..100], "dryRun": true})).unwrap().dry_run);
}

#[test]
fn the_same_requests_have_the_same_fingerprint_however_they_are_written() {
    let of = |body: &str| parse_batch::<Chart>(body, DateTime::UNIX_EPOCH).unwrap().fingerprint;
    let plain = of(r#"{"requests":[{"type":"A","params":{"a":1,"b":2}}]}"#);
    let spread = of(r#"{ "dryRun": false,
                         "requests": [ {"params": {"b": 2, "a": 1}, "type": "A"} ] }"#);
    assert_eq!(plain, spread);
    for other in [
        r#"{"requests":[{"type":"A","params":{"a":1,"b":3}}]}"#,
        r#"{"requests":[{"type":"A","params":{"a":1,"b":2}},{}]}"#,
        r#"{"requests":[{"type":"A","params":{"a":1,"b":"2"}}]}"#,
    ] {
        assert_ne!(plain, of(other), "{other}");
    }
}

#[test]
fn a_passed_deadline_changes_no_fingerprint() {
    let params = json!({"goalId": ID, "title": "t", "description": "d", "background": "b",
                        "deadline": "2026-11-26T00:00:00Z"});
    let requests = json!({"requests": [{"type": "SUBGOAL_GENERATION", "params": params}]});
    let at =
        |time: &str| parse_batch::<Chart>(&requests.to_string(), time.parse().unwrap()).unwrap();
    let (before, after) = (at("2026-11-25T00:00:00Z"), at("2026-11-27T00:00:00Z"));
    assert_eq!(before.fingerprint, after.fingerprint);
    let late = |batch: &ParsedBatch<_>| batch.requests[0].as_ref().unwrap().late.len();
    assert_eq!((late(&before), late(&after)), (0, 1));
}

// Security S9.
#[test]
fn the_answer_to_the_largest_body_is_not_larger_than_the_body() {
    let mut params = serde_json::Map::new();
    for number in 0..150 {
        params.insert(format!("{number}{}", "x".repeat(60)), json!(0));
    }
    let request = json!({"type": "CHART_GENERATION", "params": params});
    let body = json!({"requests": vec![request; 100]}).to_string();
    assert!(body.len() > 1_000_000);
    let batch = parse_batch::<Chart>(&body, DateTime::UNIX_EPOCH).unwrap();
    let refused = |request: Result<_, InvalidRequest>| request.err().map(Refusal::from);
    let refusals: Vec<_> = batch.requests.into_iter().map(refused).collect();
    for language in [Language::Japanese, Language::English] {
        let view = BatchAcceptedView::dry_run(&refusals, language);
        assert!(serde_json::to_string(&view).unwrap().len() < body.len());
    }
}
