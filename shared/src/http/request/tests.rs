use serde_json::json;

use super::*;

fn http(body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /api/ai/async/cancel/{processId}",
        "rawPath": "/api/ai/async/cancel/x",
        "rawQueryString": "",
        "headers": {"accept-language": "en", "content-type": "application/json"},
        "requestContext": {
            "http": {
                "method": "POST",
                "path": "/api/ai/async/cancel/x",
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": "test",
            },
            "authorizer": {"jwt": {"claims": {"sub": "user-1"}, "scopes": null}},
            "timeEpoch": 0,
        },
        "pathParameters": {"processId": "0193e4a0-0000-7000-8000-000000000001"},
        "body": body,
        "isBase64Encoded": false,
    })
}

#[test]
fn a_user_comes_with_the_sub_of_the_token() {
    let call = Request::read(http("{}")).unwrap();
    assert_eq!(call.caller, Caller::User(UserId("user-1".into())));
    assert_eq!(call.language, Language::English);
    assert_eq!(call.process_id().unwrap().to_string(), "0193e4a0-0000-7000-8000-000000000001");
}

#[test]
fn a_direct_invocation_is_an_operator() {
    let call = Request::read(json!({"processId": "0193e4a0-0000-7000-8000-000000000001"})).unwrap();
    assert_eq!(call.caller, Caller::Operator);
    assert!(call.process_id().is_ok());
}

#[test]
fn an_http_body_that_imitates_a_direct_invocation_stays_a_users() {
    let call = Request::read(http(
        r#"{"processId":"0193e4a0-0000-7000-8000-00000000beef","caller":"operator"}"#,
    ))
    .unwrap();
    assert_eq!(call.caller, Caller::User(UserId("user-1".into())));
    assert!(call.process_id().unwrap().to_string().ends_with("01"));
}

#[test]
fn an_http_event_without_a_user_is_unauthorized() {
    let mut event = http("{}");
    event["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(Request::read(event).unwrap_err().code, ErrorCode::Unauthorized);
}

#[test]
fn a_base64_body_is_decoded() {
    let mut event = http(&BASE64_STANDARD.encode("{\"reason\":\"誤り\"}"));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(Request::read(event).unwrap().body().unwrap(), "{\"reason\":\"誤り\"}");
}

#[test]
fn a_malformed_or_missing_id_is_named() {
    let missing = Request::read(json!({})).unwrap();
    assert_eq!(missing.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
    let malformed = Request::read(json!({"processId": "42"})).unwrap();
    assert_eq!(malformed.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
}

fn refused_body(event: Value) -> (u16, String) {
    let refusal = Request::read(event).unwrap().body().unwrap_err();
    assert_eq!((refusal.code, refusal.details.len()), (ErrorCode::ValidationError, 1));
    (refusal.status(), refusal.details[0].field.clone())
}

#[test]
fn a_body_that_is_no_json_by_its_own_word_is_415() {
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json; charset=shift_jis",
    ] {
        let mut event = http("{}");
        event["headers"]["content-type"] = json!(content_type);
        assert_eq!(refused_body(event), (415, "Content-Type".into()), "{content_type}");
    }
    for content_type in [
        json!("application/json"),
        json!("Application/JSON ; charset=\"UTF-8\""),
        json!("application/json; profile=x"),
        Value::Null,
    ] {
        let mut event = http("{}");
        event["headers"]["content-type"] = content_type;
        if event["headers"]["content-type"].is_null() {
            event["headers"].as_object_mut().unwrap().remove("content-type");
        }
        assert!(Request::read(event).unwrap().body().is_ok());
    }
}

#[test]
fn without_a_body_the_content_type_does_not_matter() {
    let mut event = http("");
    event["headers"]["content-type"] = json!("text/plain");
    assert_eq!(Request::read(event).unwrap().object().unwrap(), Map::new());
}

#[test]
fn a_body_over_256_kib_is_413_whichever_way_it_comes() {
    let fits = format!("\"{}\"", "a".repeat(MAX_BODY - 2));
    assert!(Request::read(http(&fits)).unwrap().body().is_ok());
    assert_eq!(refused_body(http(&format!("{fits} "))), (413, "body".into()));
    let mut event = http(&BASE64_STANDARD.encode(format!("{fits} ")));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(refused_body(event), (413, "body".into()));
}

#[test]
fn the_body_of_a_batch_may_have_a_mebibyte() {
    let batch = |body: &str| {
        let mut event = http(body);
        event["routeKey"] = json!("POST /api/ai/async/batch");
        event
    };
    let fits = format!("\"{}\"", "a".repeat(MAX_BATCH_BODY - 2));
    assert!(Request::read(batch(&fits)).unwrap().body().is_ok());
    assert_eq!(refused_body(batch(&format!("{fits} "))), (413, "body".into()));
    assert_eq!(refused_body(http(&fits)), (413, "body".into()));
}

#[test]
fn a_batch_has_an_id_of_its_own() {
    let id = "0193e4a0-0000-7000-8000-00000000ba7c";
    let mut event = http("{}");
    event["pathParameters"] = json!({"batchId": id});
    let call = Request::read(event).unwrap();
    assert_eq!(call.batch_id().unwrap().to_string(), id);
    assert_eq!(call.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
    let direct = Request::read(json!({"batchId": id})).unwrap();
    assert!(direct.batch_id().is_ok() && direct.process_id().is_err());
    let refusal = Request::read(json!({"batchId": "x"})).unwrap().batch_id().unwrap_err();
    assert_eq!(refusal.details[0].field, "batchId");
}

#[test]
fn a_body_that_is_no_text_is_refused_by_name() {
    for body in [BASE64_STANDARD.encode([0xff, 0xfe]), "not base64!".to_owned()] {
        let mut event = http(&body);
        event["isBase64Encoded"] = json!(true);
        assert_eq!(refused_body(event), (400, "body".into()));
    }
}

#[test]
fn an_idempotency_key_is_1_to_255_printable_characters() {
    let with = |key: &str| {
        let mut event = http("{}");
        event["headers"]["idempotency-key"] = json!(key);
        Request::read(event).unwrap().idempotency_key()
    };
    assert_eq!(with("order 7/é").unwrap_err().field, "Idempotency-Key");
    assert!(with("").is_err() && with(&"k".repeat(256)).is_err() && with("tab\there").is_err());
    assert_eq!(with(&"k".repeat(255)), Ok(Some("k".repeat(255))));
    assert_eq!(Request::read(http("{}")).unwrap().idempotency_key(), Ok(None));
}

#[test]
fn a_body_that_is_no_object_is_refused() {
    assert_eq!(
        Request::read(http("[]")).unwrap().object().unwrap_err().details[0].rule,
        Rule::Type { expected: "object" }
    );
}

#[test]
fn a_query_parameter_given_twice_is_both() {
    let mut event = http("");
    event["queryStringParameters"] = json!({"status": "FAILED,TIMEOUT"});
    let query = Request::read(event).unwrap().query;
    assert_eq!(query["status"], "FAILED,TIMEOUT");
}

fn with_claims(claims: Value) -> Value {
    let mut event = http("{}");
    event["requestContext"]["authorizer"]["jwt"]["claims"] = claims;
    event
}

// World 18.
#[test]
fn claims_of_any_type_are_no_reason_to_fail_because_only_the_sub_is_read() {
    let claims = json!({
        "sub": "u", "email_verified": true, "exp": 1_795_309_260, "groups": ["a", "b"],
        "address": {"country": "JP"}, "nickname": null,
    });
    let request = Request::read(with_claims(claims)).unwrap();
    assert_eq!(request.caller, Caller::User(UserId("u".into())));
}

// Protocol A16.
#[test]
fn a_sub_that_is_no_text_or_has_control_characters_is_nobodys() {
    for sub in [
        json!("a\u{0}b"),
        json!("a\nb"),
        json!("\u{85}"),
        json!(7),
        json!(["u"]),
        json!(""),
        json!("あ".repeat(256)),
        Value::Null,
    ] {
        let refusal = Request::read(with_claims(json!({"sub": sub}))).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::Unauthorized, "{sub}");
    }
    let longest = json!({"sub": "あ".repeat(255)});
    assert!(Request::read(with_claims(longest)).is_ok());
}

#[test]
fn the_case_of_a_headers_name_does_not_matter() {
    let mut event = http("{}");
    event["headers"] = json!({"Idempotency-Key": "k", "Content-Type": "text/plain"});
    let request = Request::read(event).unwrap();
    assert_eq!(request.idempotency_key(), Ok(Some("k".to_owned())));
    assert_eq!(request.body().unwrap_err().status(), 415);
}

#[test]
fn what_has_not_the_shape_that_it_should_have_counts_as_missing() {
    let mut event = http("{}");
    for (field, value) in [
        ("headers", json!(["x"])),
        ("pathParameters", json!({"processId": 7})),
        ("queryStringParameters", json!("page=1")),
        ("routeKey", json!({})),
        ("rawPath", Value::Null),
        ("body", json!({"reason": "x"})),
        ("isBase64Encoded", json!("yes")),
    ] {
        event[field] = value;
    }
    let request = Request::read(event).unwrap();
    assert_eq!((request.route, request.raw_path.as_str(), request.body()), (None, "", Ok("")));
    assert!(request.query.is_empty() && request.path.is_empty());
    assert_eq!(request.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
}
