//! No request of any shape is answered with a 500, whatever API Gateway, a token or a client
//! brings.

use chrono::{DateTime, Utc};
use proptest::{collection, prelude::*};
use serde_json::{Value, json};
use uuid::Uuid;

use shared::{
    chart::Chart,
    clock::Clock,
    http::{ETag, HistoryQuery, Problem, Refusal, Reply, Request, respond},
    language::Language,
    process::{Generation, parse_generate, request_batch::parse_batch},
};

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn new_id(&self) -> Uuid {
        Uuid::nil()
    }
}

/// Reads everything of a request that any handler reads.
async fn read_everything(request: &Request) -> Result<Reply, Problem> {
    let known = ETag::known_versions(request.if_none_match().unwrap_or_default(), request.language);
    request.process_id()?;
    request.idempotency_key().map_err(Refusal::from)?;
    request.object()?;
    HistoryQuery::parse(&request.query, Chart::TYPE_NAMES)?;
    drop((request.batch_id(), parse_batch::<Chart>(request.body()?, Fixed.now())));
    parse_generate::<Chart>(request.body()?, Fixed.now()).map_err(Refusal::from)?;
    Ok(Reply::new(200, json!(known.len())))
}

/// The HTTP status and the error code of the answer to `event`; a direct invocation has no status.
fn answer(event: Value) -> (Option<u64>, Option<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let answer = runtime.block_on(respond(event, &Fixed, read_everything));
    let envelope = match answer["body"].as_str() {
        Some(body) => serde_json::from_str(body).unwrap_or_default(),
        None => answer.clone(),
    };
    (answer["statusCode"].as_u64(), envelope["error"]["code"].as_str().map(str::to_owned))
}

pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![
            Just("a\u{0}b"),
            Just("OPTIONS"),
            Just("POST /api/ai/async/generate"),
            Just("-9999-12-1"),
            Just("{\"type\":\"CHART_GENERATION\",\"params\":{}}"),
            Just("{\"requests\":[{},7,{\"type\":\"CHART_GENERATION\",\"params\":{}}]}"),
            Just("0193e4a0-0000-7000-8000-000000000001"),
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let name = prop_oneof![
            any::<String>(),
            prop_oneof![
                Just("sub"),
                Just("jwt"),
                Just("claims"),
                Just("processId"),
                Just("startDate"),
                Just("content-type"),
                Just("accept-language"),
                Just("if-none-match"),
                Just("idempotency-key"),
                Just("requestContext"),
            ]
            .prop_map(str::to_owned),
        ];
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::hash_map(name, inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// What the gateway sends, by pointer, so that any part of it can be replaced.
const PARTS: [&str; 14] = [
    "/routeKey",
    "/rawPath",
    "/headers",
    "/requestContext",
    "/requestContext/http",
    "/requestContext/http/method",
    "/requestContext/authorizer",
    "/requestContext/authorizer/jwt",
    "/requestContext/authorizer/jwt/claims",
    "/requestContext/authorizer/jwt/claims/sub",
    "/pathParameters",
    "/queryStringParameters",
    "/body",
    "/isBase64Encoded",
];

fn usual() -> Value {
    json!({
        "version": "2.0", "routeKey": "POST /api/ai/async/generate", "rawPath": "/x",
        "headers": {"accept-language": "en", "content-type": "application/json"},
        "requestContext": {
            "http": {"method": "POST", "path": "/x"},
            "authorizer": {"jwt": {"claims": {"sub": "user-1"}, "scopes": null}},
        },
        "pathParameters": {"processId": "0193e4a0-0000-7000-8000-000000000001"},
        "queryStringParameters": {"page": "1"}, "body": "{}", "isBase64Encoded": false,
    })
}

proptest! {
    #[test]
    fn no_event_of_any_shape_is_answered_with_a_500(event in any_json()) {
        let (status, code) = answer(event);
        prop_assert!(status.is_none_or(|status| status < 500), "{status:?}");
        prop_assert_ne!(code.as_deref(), Some("INTERNAL_ERROR"));
    }

    #[test]
    fn no_part_of_a_gateways_event_makes_it_a_500(
        changes in collection::vec((0..PARTS.len(), any_json()), 1..4),
    ) {
        let mut event = usual();
        for (part, value) in changes {
            if let Some(old) = event.pointer_mut(PARTS[part]) {
                *old = value;
            }
        }
        let (status, code) = answer(event);
        prop_assert!(status.is_some_and(|status| status < 500), "{status:?} {code:?}");
    }
}

// Security S9.
#[test]
fn the_answer_to_the_largest_body_is_small() {
    let mut fields: Vec<String> = Vec::new();
    let mut size = 0;
    for number in 0.. {
        let field = format!("\"{number:x}\":0");
        size += field.len() + 1;
        if size > 255 * 1024 {
            break;
        }
        fields.push(field);
    }
    let many = format!("{{\"type\":\"CHART_GENERATION\",\"params\":{{{}}}}}", fields.join(","));
    let long =
        format!("{{\"type\":\"CHART_GENERATION\",\"params\":{{\"{}\":0}}}}", "x".repeat(250_000));
    for body in [many, long] {
        let refusal = Refusal::from(parse_generate::<Chart>(&body, Fixed.now()).unwrap_err());
        let envelope = refusal.envelope(Language::Japanese);
        assert!(envelope.to_string().len() < 8 * 1024);
        assert!(envelope["error"]["details"].as_array().unwrap().len() <= 21);
    }
}
