//! The body of `POST /batch`: what is wrong with it as a whole, and what with each of its requests.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    process::{
        Generation, InvalidRequest, ParsedRequest,
        request::{parse_object, parse_request},
    },
    validation::{Reader, Rule, Violation},
};

/// Requests of a batch.
pub const BATCH_SIZE: RangeInclusive<usize> = 1..=100;

/// A body with a list of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedBatch<P> {
    /// Each of them, or what is wrong with it, in their order.
    pub requests: Vec<Result<ParsedRequest<P>, InvalidRequest>>,
    /// Whether the client only wants to know what would become of them.
    pub dry_run: bool,
    /// SHA-256 of the requests: equal for equal ones, whatever the white space and the order of
    /// their fields.
    pub fingerprint: [u8; 32],
}

/// Reads the body of `POST /batch`.
///
/// # Errors
/// Everything that is wrong with the body as a whole. What is wrong with a request is no error
/// here: it stands in its place.
pub fn parse_batch<G: Generation>(
    body: &str,
    now: DateTime<Utc>,
) -> Result<ParsedBatch<G::Params>, Vec<Violation>> {
    let body = parse_object(body).map_err(|violation| vec![violation])?;
    let mut reader = Reader::new("", &body);
    let requests = reader
        .required("requests")
        .and_then(|value| reader.typed("requests", value.as_array(), "array"));
    let count = requests.map_or(*BATCH_SIZE.start(), Vec::len);
    if !BATCH_SIZE.contains(&count) {
        let (min, max) = BATCH_SIZE.into_inner();
        reader.violate("requests", Rule::Count { min, max, actual: count });
    }
    let dry_run = reader.flag("dryRun");
    let violations = reader.finish();
    let Some(requests) = requests.filter(|_| violations.is_empty()) else {
        return Err(violations);
    };
    let fingerprint = Sha256::digest(Value::from(requests.as_slice()).to_string()).into();
    let requests = requests.iter().enumerate().map(|(index, request)| {
        if let Value::Object(request) = request {
            return parse_request::<G>(request, now);
        }
        let rule = Rule::Type { expected: "object" };
        Err(InvalidRequest::Fields(vec![Violation::new(format!("requests[{index}]"), rule)]))
    });
    Ok(ParsedBatch { requests: requests.collect(), dry_run, fingerprint })
}
