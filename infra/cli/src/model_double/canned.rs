//! An answer that is sent as it stands: what real models and gateways were seen to say, and no
//! schema-driven answer would.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Headers that say how long the answer is or how it is sent: the server's own business.
const FRAMING: [HeaderName; 3] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// One such answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canned {
    /// 200 to 599.
    #[serde(default = "ok")]
    status: u16,
    /// Such as `x-amzn-errortype`. Without a `content-type` it is JSON's.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A text is sent as it is, anything else as JSON, and null or nothing as an empty body.
    #[serde(default)]
    body: Value,
}

fn ok() -> u16 {
    200
}

impl Canned {
    /// Whether HTTP can carry it; the error says what it cannot.
    pub fn check(&self) -> Result<(), String> {
        if !(200..=599).contains(&self.status) {
            return Err(format!("reply.status must be from 200 to 599, not {}", self.status));
        }
        for (name, value) in &self.headers {
            let Ok(name) = HeaderName::try_from(name) else {
                return Err(format!("reply.headers: \"{name}\" is no name of a header"));
            };
            if FRAMING.contains(&name) {
                return Err(format!("reply.headers: {name} is set by the server"));
            }
            if HeaderValue::try_from(value).is_err() {
                return Err(format!("reply.headers: the value of {name} is none of a header"));
            }
        }
        Ok(())
    }

    /// The answer on the wire.
    pub fn response(&self) -> Response {
        let body = match &self.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or_default();
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(name), HeaderValue::try_from(value))
            {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }

    /// Input and output tokens that the body says were used.
    pub fn tokens(&self) -> (u64, u64) {
        let count = |name: &str| {
            self.body.pointer(&format!("/usage/{name}")).and_then(Value::as_u64).unwrap_or(0)
        };
        (count("inputTokens"), count("outputTokens"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn canned(value: Value) -> Result<Canned, String> {
        let canned: Canned = serde_json::from_value(value).map_err(|error| error.to_string())?;
        canned.check().map(|()| canned)
    }

    #[test]
    fn what_http_cannot_carry_is_refused_by_name() {
        for (reply, named) in [
            (json!({"status": 199}), "199"),
            (json!({"status": 600}), "600"),
            (json!({"headers": {"a b": "c"}}), "a b"),
            (json!({"headers": {"x": "a\nb"}}), "x"),
            (json!({"headers": {"Content-Length": "3"}}), "content-length"),
            (json!({"header": {}}), "header"),
        ] {
            let error = canned(reply).unwrap_err();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_it_says_it_used_is_counted() {
        let reply = json!({"body": {"usage": {"inputTokens": 600, "outputTokens": 90}}});
        assert_eq!(canned(reply).unwrap().tokens(), (600, 90));
        assert_eq!(canned(json!({"body": "no"})).unwrap().tokens(), (0, 0));
    }
}
