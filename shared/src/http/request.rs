//! Who calls, and what they want, whichever way the function was invoked.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    http::{Refusal, Route, event::GatewayEvent},
    language::Language,
    process::{Actor, ErrorCode, ProcessId, RequestBatchId, UserId},
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
/// The same of a batch of requests.
const MAX_BATCH_BODY: usize = 1024 * 1024;
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
    /// Reads the event of an invocation: one of API Gateway's, or else a direct one.
    ///
    /// # Errors
    /// `UNAUTHORIZED` for an HTTP event without a user.
    #[expect(clippy::needless_pass_by_value, reason = "the event is read once and may be large")]
    pub fn read(event: Value) -> Result<Self, Refusal> {
        let Some(gateway) = GatewayEvent::of(&event) else {
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
        };
        let user = gateway.user().ok_or(ErrorCode::Unauthorized)?;
        let header = |name| gateway.header(name).map(str::to_owned);
        let route = gateway.route();
        Ok(Self {
            caller: Caller::User(user),
            route,
            raw_path: gateway.text("rawPath").unwrap_or_default().to_owned(),
            path: gateway.path_parameters(),
            query: gateway.query(),
            language: Language::of_event(&event),
            body: read_body(
                gateway.text("body").unwrap_or_default().to_owned(),
                gateway.is_base64(),
                gateway.header("content-type"),
                if route == Some(Route::Batch) { MAX_BATCH_BODY } else { MAX_BODY },
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
        self.id("processId").map(ProcessId)
    }

    /// The id of a batch of requests, in the same places.
    ///
    /// # Errors
    /// `INVALID_UUID` when it is missing or malformed.
    pub fn batch_id(&self) -> Result<RequestBatchId, Refusal> {
        self.id("batchId").map(RequestBatchId)
    }

    fn id(&self, name: &str) -> Result<Uuid, Refusal> {
        let text = match self.caller {
            Caller::User(_) => self.path.get(name).cloned(),
            Caller::Operator => self.object()?.get(name).and_then(Value::as_str).map(str::to_owned),
        };
        text.and_then(|text| parse_uuid(&text)).ok_or_else(|| Refusal {
            details: vec![Violation::new(name, Rule::Uuid)],
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

/// API Gateway passes text through as it is, and whatever it does not know to be text in base64.
fn read_body(
    body: String,
    is_base64: bool,
    content_type: Option<&str>,
    max: usize,
) -> Result<String, Refusal> {
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
    if bytes.len() > max {
        let rule = Rule::Size { max, actual: bytes.len() };
        return Err(Refusal::from(Violation::new("body", rule)).with_status(413));
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
mod tests;
