//! The body of `POST /generate`, checked whole, with every violation named by its path.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{Generation, Priority};
use crate::validation::{Reader, Rule, Violation};

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRequest {
    /// `type` names no type.
    ProcessType(Violation),
    /// Fields break rules: at least one.
    Fields(Vec<Violation>),
}

/// A body in which nothing is wrong, or nothing but what time has made wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedRequest<P> {
    /// What is asked for.
    pub params: P,
    /// How much it presses; `None`: the request does not say.
    pub priority: Option<Priority>,
    /// What is wrong because of the time that it is now, such as a deadline that has passed. A
    /// repeat of a request that was accepted in time is answered all the same.
    pub late: Vec<Violation>,
}

impl<P> ParsedRequest<P> {
    /// The params, if nothing is wrong with them at all.
    ///
    /// # Errors
    /// What is.
    pub fn in_time(self) -> Result<P, InvalidRequest> {
        if self.late.is_empty() { Ok(self.params) } else { Err(InvalidRequest::Fields(self.late)) }
    }
}

/// Reads the body of `POST /generate`.
///
/// # Errors
/// Everything that is wrong with it, each by the path of its field. When `type` is unknown,
/// `params` cannot be judged.
pub fn parse_generate<G: Generation>(
    body: &str,
    now: DateTime<Utc>,
) -> Result<ParsedRequest<G::Params>, InvalidRequest> {
    let body = parse_object(body).map_err(|violation| InvalidRequest::Fields(vec![violation]))?;
    parse_request::<G>(&body, now)
}

/// Reads a body as a JSON object.
pub(super) fn parse_object(body: &str) -> Result<Map<String, Value>, Violation> {
    match serde_json::from_str(body) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(Violation::new("body", Rule::Type { expected: "object" })),
        Err(error) => {
            let rule = Rule::Json { line: error.line(), column: error.column() };
            Err(Violation::new("body", rule))
        }
    }
}

/// Reads one request: the body of `POST /generate`, or one of a batch.
///
/// # Errors
/// As [`parse_generate`].
pub fn parse_request<G: Generation>(
    request: &Map<String, Value>,
    now: DateTime<Utc>,
) -> Result<ParsedRequest<G::Params>, InvalidRequest> {
    let mut reader = Reader::new("", request);
    let known = |name: &&str| G::TYPE_NAMES.contains(name);
    let process_type = match reader.required("type").map(|value| value.as_str().filter(known)) {
        None => None,
        Some(Some(name)) => Some(name),
        Some(None) => {
            let rule = Rule::OneOf { allowed: G::TYPE_NAMES };
            return Err(InvalidRequest::ProcessType(Violation::new("type", rule)));
        }
    };
    let params = reader
        .required("params")
        .and_then(|value| reader.typed("params", value.as_object(), "object"));
    let priority = read_priority(&mut reader);
    let mut violations = reader.finish();
    let parsed = match (process_type, params) {
        (Some(process_type), Some(params)) => {
            let mut reader = Reader::new("params", params);
            let parsed = G::read_params(process_type, &mut reader, params, now);
            violations.extend(reader.finish());
            parsed
        }
        _ => None,
    };
    match parsed {
        Some(params) if violations.iter().all(Violation::is_by_time) => {
            Ok(ParsedRequest { params, priority, late: violations })
        }
        _ => Err(InvalidRequest::Fields(violations)),
    }
}

/// The `priority` of what `reader` reads, if it says one.
pub fn read_priority(reader: &mut Reader<'_>) -> Option<Priority> {
    let value = reader.optional("priority")?;
    let priority = value.as_str().and_then(|name| name.parse().ok());
    if priority.is_none() {
        reader.violate("priority", Rule::OneOf { allowed: Priority::NAMES });
    }
    priority
}
