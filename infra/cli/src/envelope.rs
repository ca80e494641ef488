//! What every route and every function answers: `{"success":true,"data":…}`, or
//! `{"success":false,"error":{…}}`.

use std::fmt::{self, Display};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Why something was refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Refusal {
    /// One of the contract's error codes.
    pub code: String,
    /// For people.
    pub message: String,
    /// Whether the same may be accepted later.
    pub retryable: bool,
    /// Which fields, and what is wrong with them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Value>,
    /// Seconds after which to come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// By which the logs know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_id: Option<String>,
    /// The process that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_id: Option<String>,
}

impl Refusal {
    /// The refusal in an envelope; `None` where there is none.
    pub fn of(envelope: &Value) -> Option<Self> {
        Self::deserialize(envelope.get("error")?).ok()
    }

    /// As an error of `who` (and what it did): code and message, and beneath them the fields.
    pub fn by(&self, who: impl Display) -> anyhow::Error {
        let refusal = format!("{who} {self}");
        match &self.details {
            None | Some(Value::Null) => anyhow!(refusal),
            Some(details) => anyhow!("{}", readable(details)).context(refusal),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)?;
        match &self.error_id {
            None => Ok(()),
            Some(id) => write!(out, ", error id {id}"),
        }
    }
}

/// Details as a person reads them: `params.title: …` for each field, or else the JSON as it is.
pub(crate) fn readable(details: &Value) -> String {
    let field = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        Some(format!(
            "{}: {}",
            text("field").or_else(|| text("path"))?,
            text("message").or_else(|| text("reason"))?
        ))
    };
    match details {
        Value::String(text) => text.clone(),
        Value::Array(items) => items
            .iter()
            .map(|item| field(item).unwrap_or_else(|| item.to_string()))
            .collect::<Vec<_>>()
            .join("; "),
        other => field(other).unwrap_or_else(|| other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_of_another_shape_are_shown_as_they_are() {
        assert_eq!(readable(&json!({"maximum": 200})), "{\"maximum\":200}");
        assert_eq!(readable(&json!("why")), "why");
    }

    #[test]
    fn a_refusal_without_some_of_its_parts_is_one_all_the_same() {
        let refusal = Refusal::of(&json!({"error": {"code": "INTERNAL_ERROR"}})).unwrap();
        assert_eq!((refusal.code.as_str(), refusal.retryable), ("INTERNAL_ERROR", false));
        assert_eq!(Refusal::of(&json!({"message": "Unauthorized"})), None);
    }

    #[test]
    fn an_error_id_is_shown_because_the_logs_know_it() {
        let refusal = Refusal {
            code: "INTERNAL_ERROR".to_owned(),
            message: "broken".to_owned(),
            error_id: Some("e-1".to_owned()),
            ..Refusal::default()
        };
        assert_eq!(
            refusal.by("the API answered 500").to_string(),
            "the API answered 500 INTERNAL_ERROR: broken, error id e-1"
        );
    }
}
