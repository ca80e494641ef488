//! What is none of the API's routes: `$default` brings it here, so that it too is answered in the
//! envelope.

use shared::{
    http::{Caller, Problem, Refusal, Request, Route},
    process::ErrorCode,
    validation::{Rule, Violation},
};

/// 404 for a path that does not exist, 405 for a method that the path does not take. A direct
/// invocation names no route at all.
pub(crate) fn refuse(request: &Request) -> Problem {
    if request.caller == Caller::Operator {
        return Refusal::from(Violation::new("routeKey", Rule::Required)).into();
    }
    let methods = Route::methods_of(&request.raw_path);
    if methods.is_empty() {
        return Refusal::from(Violation::new("path", Rule::NoSuchPath)).with_status(404).into();
    }
    let allowed = methods.join(", ");
    Refusal {
        details: vec![Violation::new("method", Rule::Method { allowed: allowed.clone() })],
        http_status: Some(405),
        allow: Some(allowed),
        ..ErrorCode::ValidationError.into()
    }
    .into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn refused(event: Value) -> Refusal {
        match refuse(&Request::read(event).unwrap()) {
            Problem::Refused(refusal) => *refusal,
            Problem::Failed(failure) => panic!("{failure}"),
        }
    }

    fn http(method: &str, path: &str) -> Value {
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {},
            "isBase64Encoded": false,
            "requestContext": {
                "http": {
                    "method": method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1",
                    "userAgent": "test",
                },
                "authorizer": {"jwt": {"claims": {"sub": "user-1"}, "scopes": null}},
                "timeEpoch": 0,
            },
        })
    }

    #[test]
    fn a_wrong_method_is_told_which_ones_there_are() {
        let refusal = refused(http("DELETE", "/api/ai/async/generate"));
        assert_eq!((refusal.status(), refusal.allow.as_deref()), (405, Some("POST")));
        assert_eq!(refused(http("PUT", "/api/ai/async/status/1")).allow.as_deref(), Some("GET"));
    }

    #[test]
    fn a_wrong_path_is_not_found() {
        assert_eq!(refused(http("GET", "/api/ai/async")).status(), 404);
        assert_eq!(refused(http("POST", "/")).status(), 404);
    }

    #[test]
    fn a_direct_invocation_names_no_route() {
        assert_eq!(refused(json!({})).details[0].field, "routeKey");
    }
}
