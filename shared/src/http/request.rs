//! Who calls, and what they want, whichever way the function was invoked.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    http::{Refusal, Route},
    language::Language,
    process::{Actor, ErrorCode, ProcessId, UserId},
    validation::{Rule, Violation, parse_uuid},
};

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A user, through API Gateway, whose authorizer has checked the token.
    User(UserId),
    /// An operator, by direct invocation, whom IAM has let through. Not bound to one user.
    Operator,
}

impl Caller {
    /// Whom they may act for: one user, or (`None`) anybody.
    #[must_use]
    pub const fn owner(&self) -> Option<&UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::Operator => None,
        }
    }

    /// How the history names them.
    #[must_use]
    pub const fn actor(&self) -> Actor {
        match self {
            Self::User(_) => Actor::User,
            Self::Operator => Actor::Operator,
        }
    }
}

/// Bytes of the largest body that is read.
const MAX_BODY: usize = 256 * 1024;
/// Characters of an idempotency key.
const MAX_KEY: usize = 255;

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who calls.
    pub caller: Caller,
    /// The route of the API; `None` for a direct invocation, and for a method or path that is none
    /// of the API's.
    pub route: Option<Route>,
    /// The path as it was called; empty for a direct invocation.
    pub raw_path: String,
    /// Parts of the path by name.
    pub path: HashMap<String, String>,
    /// The query string by name; what is given more than once is joined by commas.
    pub query: BTreeMap<String, String>,
    /// What the caller reads.
    pub language: Language,
    /// The body of an HTTP request, or the whole payload of a direct invocation, as JSON text; or
    /// why it cannot be read.
    body: Result<String, Refusal>,
    headers: HashMap<&'static str, String>,
}

/// The headers that handlers ask for.
const HEADERS: [&str; 2] = ["idempotency-key", "if-none-match"];

impl Request {
    /// Reads the event of an invocation. An event counts as HTTP exactly when it has the shape that
    /// only API Gateway gives it; whatever a client puts into its body stays inside `body`, so an
    /// HTTP caller can never pass for a direct one.
    ///
    /// # Errors
    /// `UNAUTHORIZED` for an HTTP event without a user.
    pub fn read(event: Value) -> Result<Self, Refusal> {
        if event.get("requestContext").is_none() {
            return Ok(Self {
                caller: Caller::Operator,
                route: None,
                raw_path: String::new(),
                path: HashMap::new(),
                query: BTreeMap::new(),
                language: Language::default(),
                body: Ok(event.to_string()),
                headers: HashMap::new(),
            });
        }
        let language = Language::of_event(&event);
        let request = ApiGatewayV2httpRequest::deserialize(event).map_err(|error| {
            tracing::error!(%error, "API Gateway sent an event that cannot be read");
            Refusal::from(ErrorCode::InternalError)
        })?;
        let claims = request
            .request_context
            .authorizer
            .and_then(|authorizer| authorizer.jwt)
            .map(|jwt| jwt.claims);
        let user = claims
            .and_then(|mut claims| claims.remove("sub"))
            .filter(|sub| (1..=255).contains(&sub.chars().count()));
        // What is not ASCII becomes a character that no rule lets through.
        let header = |name: &str| {
            request
                .headers
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        let content_type = header("content-type");
        Ok(Self {
            caller: Caller::User(UserId(user.ok_or(ErrorCode::Unauthorized)?)),
            route: request.route_key.as_deref().and_then(Route::from_key),
            raw_path: request.raw_path.unwrap_or_default(),
            path: request.path_parameters,
            query: joined(request.query_string_parameters.iter()),
            language,
            body: read_body(
                request.body.unwrap_or_default(),
                request.is_base64_encoded,
                content_type.as_deref(),
            ),
            headers: HEADERS.into_iter().filter_map(|name| Some((name, header(name)?))).collect(),
        })
    }

    /// The body as text.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` when it is too large, no text, or said to be something else than JSON.
    pub fn body(&self) -> Result<&str, Refusal> {
        self.body.as_deref().map_err(Clone::clone)
    }

    /// The body as JSON; an empty one counts as `{}`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names what is wrong.
    pub fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Refusal> {
        let body = self.body()?;
        let text = if body.trim().is_empty() { "{}" } else { body };
        serde_json::from_str(text).map_err(|error| Refusal::invalid_body(&error))
    }

    /// The body as a JSON object; an empty one counts as `{}`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names what is wrong.
    pub fn object(&self) -> Result<Map<String, Value>, Refusal> {
        match self.json()? {
            Value::Object(object) => Ok(object),
            _ => Err(Violation::new("body", Rule::Type { expected: "object" }).into()),
        }
    }

    /// The process id in the path (HTTP) or in the payload (direct).
    ///
    /// # Errors
    /// `INVALID_UUID` when it is missing or malformed.
    pub fn process_id(&self) -> Result<ProcessId, Refusal> {
        let text = match self.caller {
            Caller::User(_) => self.path.get("processId").cloned(),
            Caller::Operator => {
                self.object()?.get("processId").and_then(Value::as_str).map(str::to_owned)
            }
        };
        text.and_then(|text| parse_uuid(&text)).map(ProcessId).ok_or_else(|| Refusal {
            details: vec![Violation::new("processId", Rule::Uuid)],
            ..ErrorCode::InvalidUuid.into()
        })
    }

    /// The `Idempotency-Key`, if one came along.
    ///
    /// # Errors
    /// When it is not 1–255 printable ASCII characters.
    pub fn idempotency_key(&self) -> Result<Option<String>, Violation> {
        match self.headers.get("idempotency-key") {
            Some(key)
                if (1..=MAX_KEY).contains(&key.len())
                    && key.bytes().all(|byte| (b' '..=b'~').contains(&byte)) =>
            {
                Ok(Some(key.clone()))
            }
            Some(_) => Err(Violation::new("Idempotency-Key", Rule::Printable { max: MAX_KEY })),
            None => Ok(None),
        }
    }

    /// The `If-None-Match`, if one came along.
    #[must_use]
    pub fn if_none_match(&self) -> Option<&str> {
        self.headers.get("if-none-match").map(String::as_str)
    }
}

fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    let mut query = BTreeMap::<String, String>::new();
    for (name, value) in pairs {
        query
            .entry(name.to_owned())
            .and_modify(|joined| *joined = format!("{joined},{value}"))
            .or_insert_with(|| value.to_owned());
    }
    query
}

/// API Gateway passes text through as it is, and whatever it does not know to be text in base64.
fn read_body(body: String, is_base64: bool, content_type: Option<&str>) -> Result<String, Refusal> {
    if body.is_empty() {
        return Ok(body);
    }
    if !content_type.is_none_or(is_json) {
        return Err(
            Refusal::from(Violation::new("Content-Type", Rule::ContentType)).with_status(415)
        );
    }
    let bytes = if is_base64 { BASE64_STANDARD.decode(body).ok() } else { Some(body.into_bytes()) };
    let not_text = || Refusal::from(Violation::new("body", Rule::Utf8));
    let bytes = bytes.ok_or_else(not_text)?;
    if bytes.len() > MAX_BODY {
        return Err(Refusal::from(Violation::new(
            "body",
            Rule::Size { max: MAX_BODY, actual: bytes.len() },
        ))
        .with_status(413));
    }
    String::from_utf8(bytes).map_err(|_| not_text())
}

/// JSON in UTF-8, which is the only encoding that JSON has.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    json && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset")
            || matches!(value.trim_matches('"').to_ascii_lowercase().as_str(), "utf-8" | "utf8")
    })
}

#[cfg(test)]
mod tests {
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
        let call =
            Request::read(json!({"processId": "0193e4a0-0000-7000-8000-000000000001"})).unwrap();
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
}
