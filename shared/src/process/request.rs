//! The body of `POST /generate`, checked whole, with every violation named by its path.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Generation;
use crate::validation::{Reader, Rule, Violation};

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidRequest {
    /// `type` names no type.
    ProcessType(Violation),
    /// Fields break rules: at least one.
    Fields(Vec<Violation>),
}

/// Reads the body of `POST /generate`.
///
/// # Errors
/// Everything that is wrong with it, each by the path of its field. When `type` is unknown,
/// `params` cannot be judged.
pub fn parse_generate<G: Generation>(
    body: &str,
    now: DateTime<Utc>,
) -> Result<G::Params, InvalidRequest> {
    let body: Value = serde_json::from_str(body).map_err(|error| {
        let rule = Rule::Json { line: error.line(), column: error.column() };
        InvalidRequest::Fields(vec![Violation::new("body", rule)])
    })?;
    let Some(body) = body.as_object() else {
        let rule = Rule::Type { expected: "object" };
        return Err(InvalidRequest::Fields(vec![Violation::new("body", rule)]));
    };
    let mut reader = Reader::new("", body);
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
        Some(params) if violations.is_empty() => Ok(params),
        _ => Err(InvalidRequest::Fields(violations)),
    }
}
