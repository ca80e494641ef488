//! Who may talk to the double: programs of this machine, and no web page.
//!
//! The double listens on loopback only, but a browser reaches that too, in the name of any page
//! that its user has open. A page betrays itself by its `Origin` or `Sec-Fetch-Site`, and one that
//! lets its own name point to this machine (DNS rebinding) by its `Host`. The AWS SDK, curl and
//! reqwest send neither of the first two and the host that they were given.

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderName, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Answers what may not pass with 403 and a sentence.
pub async fn programs_only(request: Request, next: Next) -> Response {
    match refusal(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, Json(json!({"message": why}))).into_response(),
    }
}

/// Why a request may not pass.
fn refusal(uri: &Uri, headers: &HeaderMap) -> Option<&'static str> {
    if headers.contains_key(header::ORIGIN) {
        return Some(
            "The model double answers programs of this machine, not web pages: \
             a request with an Origin is refused.",
        );
    }
    let site = headers.get(SEC_FETCH_SITE);
    if site.is_some_and(|site| site != "none" && site != "same-origin") {
        return Some(
            "The model double answers programs of this machine, not web pages: \
             a request from another site is refused.",
        );
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let local = host.is_some_and(|host| is_local(&host)) && hosts.next().is_none();
    if local && uri.authority().is_none_or(is_local) {
        return None;
    }
    Some(
        "The model double answers at 127.0.0.1, localhost and [::1] only: \
         a request to another Host is refused.",
    )
}

fn is_local(authority: &Authority) -> bool {
    ["127.0.0.1", "localhost", "[::1]"]
        .iter()
        .any(|local| authority.host().eq_ignore_ascii_case(local))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(uri: &str, headers: &[(HeaderName, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value.parse().unwrap());
        }
        refusal(&uri.parse().unwrap(), &map).is_none()
    }

    #[test]
    fn a_program_of_this_machine_passes_under_each_of_its_names() {
        for host in ["127.0.0.1", "127.0.0.1:4590", "localhost:1", "LOCALHOST", "[::1]", "[::1]:80"]
        {
            assert!(passes("/_calls", &[(header::HOST, host)]), "{host}");
            assert!(passes(&format!("http://{host}/_calls"), &[(header::HOST, host)]), "{host}");
        }
    }

    #[test]
    fn a_name_that_only_points_here_does_not_pass() {
        for host in [
            "evil.example",
            "evil.example:4590",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.2",
            "0.0.0.0",
            "[::2]",
            "evil.example@",
            "",
            "a b",
        ] {
            assert!(!passes("/_calls", &[(header::HOST, host)]), "{host}");
        }
        assert!(!passes("/_calls", &[]));
        assert!(!passes("/", &[(header::HOST, "localhost"), (header::HOST, "evil.example")]));
        assert!(!passes("http://evil.example/", &[(header::HOST, "localhost")]));
    }

    #[test]
    fn a_page_does_not_pass_wherever_it_was_loaded_from() {
        for origin in ["https://evil.example", "http://localhost:3000", "null"] {
            assert!(!passes("/", &[(header::HOST, "localhost"), (header::ORIGIN, origin)]));
        }
        for (site, may) in
            [("cross-site", false), ("same-site", false), ("same-origin", true), ("none", true)]
        {
            assert_eq!(passes("/", &[(header::HOST, "localhost"), (SEC_FETCH_SITE, site)]), may);
        }
    }
}
