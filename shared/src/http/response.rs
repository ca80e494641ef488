//! How a result becomes an answer: the envelope and the headers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Caller, Problem, Request, event::GatewayEvent, refusal::RefusedRequest};
use crate::{clock::Clock, language::Language, process::Failure};

/// A good answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The envelope's `data`.
    pub data: Value,
    /// Headers beside the usual ones.
    pub headers: BTreeMap<&'static str, String>,
}

impl Reply {
    /// An answer without headers of its own.
    #[must_use]
    pub const fn new(status: u16, data: Value) -> Self {
        Self { status, data, headers: BTreeMap::new() }
    }

    /// An answer whose data is `data`.
    ///
    /// # Errors
    /// When `data` cannot be JSON, which is a defect of ours.
    pub fn of(status: u16, data: &impl serde::Serialize) -> Result<Self, Failure> {
        Ok(Self::new(
            status,
            serde_json::to_value(data).map_err(|error| Failure::internal(error.to_string()))?,
        ))
    }

    /// What the client has is still right: no body. The headers are those of the whole answer.
    #[must_use]
    pub const fn not_modified() -> Self {
        Self::new(304, Value::Null)
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.insert(name, value.to_string());
        self
    }
}

/// What a handler says: its result, and headers that any result is sent with.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    result: Result<Reply, Problem>,
    headers: BTreeMap<&'static str, String>,
}

impl From<Result<Reply, Problem>> for Response {
    fn from(result: Result<Reply, Problem>) -> Self {
        Self { result, headers: BTreeMap::new() }
    }
}

impl Response {
    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: &impl ToString) -> Self {
        self.headers.insert(name, value.to_string());
        self
    }
}

/// Answers an invocation: reads the event, calls `handle`, and puts what it says into the envelope;
/// for HTTP, into a response.
pub async fn respond<A: Into<Response>>(
    event: Value,
    clock: &dyn Clock,
    handle: impl AsyncFnOnce(&Request) -> A,
) -> Value {
    let gateway = GatewayEvent::of(&event);
    let (http, language) = (gateway.is_some(), Language::of_event(&event));
    if gateway.is_some_and(GatewayEvent::is_preflight) {
        // API Gateway itself adds what its CORS configuration allows.
        return json!({"statusCode": 204, "headers": {}, "body": "", "isBase64Encoded": false});
    }
    let route = gateway.and_then(GatewayEvent::route);
    let (said, about) = match Request::read(event) {
        Ok(request) => {
            let said = handle(&request).await.into();
            log_caller(&request.caller);
            (said, RefusedRequest::of(&request))
        }
        Err(refusal) => (Response::from(Err(refusal.into())), RefusedRequest::unread(route)),
    };
    let (status, mut headers, envelope) = match said.result {
        Ok(reply) => (reply.status, reply.headers, json!({"success": true, "data": reply.data})),
        Err(problem) => {
            let refusal = problem.into_refusal(&about, clock);
            (refusal.status(), refusal.headers(), refusal.envelope(language))
        }
    };
    headers.extend(said.headers);
    if http { response(status, headers, &envelope, language) } else { envelope }
}

fn log_caller(caller: &Caller) {
    match caller {
        Caller::User(user) => tracing::debug!(userId = %user, "answered a user"),
        Caller::Operator => tracing::info!(
            actor = caller.actor().as_str(),
            "answered an operator's direct invocation"
        ),
    }
}

/// A response for API Gateway's payload format 2.0.
fn response(
    status: u16,
    mut headers: BTreeMap<&'static str, String>,
    envelope: &Value,
    language: Language,
) -> Value {
    let body = if matches!(status, 204 | 304) { String::new() } else { envelope.to_string() };
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-language", language.tag()),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("content-type", "application/json; charset=utf-8"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=63072000"),
        ("vary", "accept-language, authorization"),
        ("x-content-type-options", "nosniff"),
    ] {
        headers.entry(name).or_insert_with(|| value.to_owned());
    }
    json!({"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": false})
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::process::ErrorCode;

    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> DateTime<Utc> {
            DateTime::UNIX_EPOCH
        }

        fn new_id(&self) -> Uuid {
            Uuid::nil()
        }
    }

    #[tokio::test]
    async fn a_direct_invocation_gets_the_bare_envelope() {
        let answered = respond(json!({}), &Fixed, async |_: &Request| {
            Ok::<_, Problem>(Reply::new(200, json!({"a": 1})))
        })
        .await;
        assert_eq!(answered, json!({"success": true, "data": {"a": 1}}));
    }

    #[tokio::test]
    async fn an_internal_error_tells_an_id_and_nothing_else() {
        let answered = respond(json!({}), &Fixed, async |_: &Request| {
            Err::<Reply, Problem>(Failure::internal("password of db-1 is hunter2").into())
        })
        .await;
        assert_eq!(answered["error"]["errorId"], Uuid::nil().to_string());
        assert!(!answered.to_string().contains("hunter2"));
    }

    #[tokio::test]
    async fn an_unreachable_database_says_when_to_come_back() {
        let answered = respond(json!({}), &Fixed, async |_: &Request| {
            Err::<Reply, Problem>(
                Failure::new(ErrorCode::DatabaseConnectionError, "refused").into(),
            )
        })
        .await;
        assert_eq!(answered["error"]["retryAfter"], 5);
        assert_eq!(answered["error"]["retryable"], true);
    }

    #[tokio::test]
    async fn an_http_event_gets_a_response_whose_body_is_the_envelope() {
        let event = json!({"requestContext": {"http": {"method": "GET", "path": "/"}}});
        let answered = respond(event, &Fixed, async |_: &Request| -> Response {
            unreachable!("there is no user")
        })
        .await;
        assert_eq!(answered["statusCode"], 401);
        assert_eq!(answered["headers"]["content-type"], "application/json; charset=utf-8");
        let body: Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["error"]["code"], "UNAUTHORIZED");
    }
}
