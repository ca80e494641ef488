//! The event that API Gateway sends (payload format 2.0), read leniently: only what is asked for,
//! and what has not the shape that it should have counts as missing. Claims in particular may be of
//! any type, and gateways differ there; only `sub` matters, and only as a text.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::Route;
use crate::process::UserId;

/// Characters of a `sub` at most.
const MAX_SUB: usize = 255;

/// An event that came through API Gateway.
#[derive(Debug, Clone, Copy)]
pub(super) struct GatewayEvent<'a>(&'a Value);

impl<'a> GatewayEvent<'a> {
    /// `event`, if it has the field that only API Gateway gives it; whatever a client sends stays
    /// further inside, so a client can never pass for a direct caller.
    pub(super) fn of(event: &'a Value) -> Option<Self> {
        event.get("requestContext").map(|_| Self(event))
    }

    /// The user whom the authorizer has found in the token. A `sub` with control characters is
    /// nobody's: no issuer of ours makes one, and the database cannot hold them all.
    pub(super) fn user(self) -> Option<UserId> {
        let sub = self.0.pointer("/requestContext/authorizer/jwt/claims/sub")?.as_str()?;
        let known = (1..=MAX_SUB).contains(&sub.chars().count()) && !sub.contains(char::is_control);
        known.then(|| UserId(sub.to_owned()))
    }

    /// Whether a browser asks if a page may call the API. No token comes with that.
    pub(super) fn is_preflight(self) -> bool {
        let context = &self.0["requestContext"];
        context["http"]["method"] == "OPTIONS" && context["authorizer"].is_null()
    }

    /// The text of a field at the top.
    pub(super) fn text(self, field: &str) -> Option<&'a str> {
        self.0.get(field)?.as_str()
    }

    /// The route that the gateway has chosen; `None` for what is none of the API's.
    pub(super) fn route(self) -> Option<Route> {
        self.text("routeKey").and_then(Route::from_key)
    }

    /// Whether the body is in base64.
    pub(super) fn is_base64(self) -> bool {
        self.0["isBase64Encoded"] == true
    }

    /// The header `name`, whose case does not matter.
    pub(super) fn header(self, name: &str) -> Option<&'a str> {
        let headers = self.object("headers")?;
        let same = |(key, value): (&String, &'a Value)| {
            key.eq_ignore_ascii_case(name).then(|| value.as_str()).flatten()
        };
        headers.get(name).and_then(Value::as_str).or_else(|| headers.iter().find_map(same))
    }

    /// Parts of the path by name.
    pub(super) fn path_parameters(self) -> HashMap<String, String> {
        self.texts("pathParameters").collect()
    }

    /// The query string by name; what is given more than once is joined by commas.
    pub(super) fn query(self) -> BTreeMap<String, String> {
        self.texts("queryStringParameters").collect()
    }

    fn object(self, field: &str) -> Option<&'a Map<String, Value>> {
        self.0.get(field)?.as_object()
    }

    fn texts(self, field: &str) -> impl Iterator<Item = (String, String)> + 'a {
        let texts = self.object(field).into_iter().flatten();
        texts.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())))
    }
}
