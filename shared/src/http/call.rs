//! Who calls, and what they want, whichever way the function was invoked.

use std::collections::HashMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    error_code::ErrorCode,
    http::Refusal,
    language::Language,
    process::{ProcessId, UserId},
    store::Actor,
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

/// One request.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The route of the API, such as `POST /api/ai/async/generate`; `None` for a direct invocation.
    pub route: Option<String>,
    /// Parts of the path by name.
    pub path: HashMap<String, String>,
    /// The body of an HTTP request, or the whole payload of a direct invocation, as JSON text.
    pub body: String,
    /// What the caller reads.
    pub language: Language,
}

impl Call {
    /// Reads the event of an invocation. An event counts as HTTP exactly when it has the shape that only API Gateway gives it;
    /// whatever a client puts into its body stays inside `body`, so an HTTP caller can never pass for a direct one.
    ///
    /// # Errors
    /// `UNAUTHORIZED` for an HTTP event without a user, `VALIDATION_ERROR` for a body that is not text.
    pub fn read(event: Value) -> Result<Self, Refusal> {
        if event.pointer("/requestContext/http").is_none() {
            return Ok(Self {
                caller: Caller::Operator,
                route: None,
                path: HashMap::new(),
                body: event.to_string(),
                language: Language::default(),
            });
        }
        let request = ApiGatewayV2httpRequest::deserialize(event).map_err(|error| {
            tracing::error!(%error, "API Gateway sent an event that cannot be read");
            Refusal::from(ErrorCode::InternalError)
        })?;
        let claims = request.request_context.authorizer.and_then(|authorizer| authorizer.jwt).map(|jwt| jwt.claims);
        let user = claims.and_then(|mut claims| claims.remove("sub")).filter(|sub| (1..=255).contains(&sub.chars().count()));
        let language = request
            .headers
            .get("accept-language")
            .and_then(|header| header.to_str().ok())
            .map_or(Language::default(), Language::from_accept_language);
        let body = request.body.unwrap_or_default();
        let body = if request.is_base64_encoded {
            BASE64_STANDARD.decode(body).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(ErrorCode::ValidationError)?
        } else {
            body
        };
        Ok(Self {
            caller: Caller::User(UserId(user.ok_or(ErrorCode::Unauthorized)?)),
            route: request.route_key,
            path: request.path_parameters,
            body,
            language,
        })
    }

    /// The body as JSON; an empty one counts as `{}`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names what is wrong.
    pub fn json<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Refusal> {
        let text = if self.body.trim().is_empty() { "{}" } else { &self.body };
        serde_json::from_str(text).map_err(|error| Refusal::invalid_body(&error))
    }

    /// The process id in the path (HTTP) or in the payload (direct).
    ///
    /// # Errors
    /// `INVALID_UUID` when it is missing or malformed.
    pub fn process_id(&self) -> Result<ProcessId, Refusal> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            process_id: Option<String>,
        }
        let text = match self.caller {
            Caller::User(_) => self.path.get("processId").cloned(),
            Caller::Operator => self.json::<Payload>()?.process_id,
        };
        text.and_then(|text| Uuid::try_parse(&text).ok()).map(ProcessId).ok_or_else(|| Refusal::from(ErrorCode::InvalidUuid))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn http(body: &str) -> Value {
        json!({
            "version": "2.0", "routeKey": "POST /api/ai/async/cancel/{processId}", "rawPath": "/api/ai/async/cancel/x", "rawQueryString": "",
            "headers": {"accept-language": "en", "content-type": "application/json"},
            "requestContext": {"http": {"method": "POST", "path": "/api/ai/async/cancel/x", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "test"},
                "authorizer": {"jwt": {"claims": {"sub": "user-1"}, "scopes": null}}, "timeEpoch": 0},
            "pathParameters": {"processId": "0193e4a0-0000-7000-8000-000000000001"}, "body": body, "isBase64Encoded": false,
        })
    }

    #[test]
    fn a_user_comes_with_the_sub_of_the_token() {
        let call = Call::read(http("{}")).unwrap();
        assert_eq!(call.caller, Caller::User(UserId("user-1".into())));
        assert_eq!(call.language, Language::English);
        assert_eq!(call.process_id().unwrap().to_string(), "0193e4a0-0000-7000-8000-000000000001");
    }

    #[test]
    fn a_direct_invocation_is_an_operator() {
        let call = Call::read(json!({"processId": "0193e4a0-0000-7000-8000-000000000001"})).unwrap();
        assert_eq!(call.caller, Caller::Operator);
        assert!(call.process_id().is_ok());
    }

    #[test]
    fn an_http_body_that_imitates_a_direct_invocation_stays_a_users() {
        let call = Call::read(http(r#"{"processId":"0193e4a0-0000-7000-8000-00000000beef","caller":"operator"}"#)).unwrap();
        assert_eq!(call.caller, Caller::User(UserId("user-1".into())));
        assert!(call.process_id().unwrap().to_string().ends_with("01"));
    }

    #[test]
    fn an_http_event_without_a_user_is_unauthorized() {
        let mut event = http("{}");
        event["requestContext"]["authorizer"] = Value::Null;
        assert_eq!(Call::read(event).unwrap_err().code, ErrorCode::Unauthorized);
    }

    #[test]
    fn a_base64_body_is_decoded() {
        let mut event = http(&BASE64_STANDARD.encode("{\"reason\":\"誤り\"}"));
        event["isBase64Encoded"] = json!(true);
        assert_eq!(Call::read(event).unwrap().body, "{\"reason\":\"誤り\"}");
    }

    #[test]
    fn a_malformed_or_missing_id_is_named() {
        let missing = Call::read(json!({})).unwrap();
        assert_eq!(missing.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
        let malformed = Call::read(json!({"processId": "42"})).unwrap();
        assert_eq!(malformed.process_id().unwrap_err().code, ErrorCode::InvalidUuid);
    }
}
