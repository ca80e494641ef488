//! Why a process ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ErrorCode, Evidence};
use crate::language::Language;

/// Why a process ended, as its row keeps it. `cause` is for operators; users see the code and a
/// message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessError {
    /// The code.
    pub code: ErrorCode,
    /// What a person is told. An operator who ends a process by hand writes their own.
    pub message: String,
    /// What happened, in words for operators: never shown to users, never containing user text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The last errors in the log about it, for operators.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

impl ProcessError {
    /// An error with the code's own message.
    #[must_use]
    pub fn new(code: ErrorCode, cause: impl Into<String>) -> Self {
        Self {
            code,
            message: code.message(Language::default()).to_owned(),
            cause: Some(cause.into()),
            evidence: Vec::new(),
        }
    }

    /// Reads the `error` column, which foreign hands may have written: whatever is not ours counts
    /// as manual intervention.
    #[must_use]
    pub fn parse_stored(stored: &Value) -> Self {
        serde_json::from_value(stored.clone()).unwrap_or_else(|_| {
            let text = |field: &str| stored.get(field).and_then(Value::as_str);
            let code = text("code")
                .and_then(|code| code.parse().ok())
                .unwrap_or(ErrorCode::ManualIntervention);
            let message =
                text("message").unwrap_or_else(|| code.message(Language::default())).to_owned();
            Self { code, message, cause: None, evidence: Vec::new() }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hand_written_error_is_read_as_far_as_it_goes() {
        let manual = ProcessError::parse_stored(
            &json!({"code": "MANUAL_INTERVENTION", "message": "stuck since noon"}),
        );
        assert_eq!(
            (manual.code, manual.message.as_str()),
            (ErrorCode::ManualIntervention, "stuck since noon")
        );
        let foreign = ProcessError::parse_stored(&json!({"code": "WHATEVER", "message": "mine"}));
        assert_eq!(
            (foreign.code, foreign.message.as_str()),
            (ErrorCode::ManualIntervention, "mine")
        );
        assert_eq!(
            ProcessError::parse_stored(&json!("broken")).code,
            ErrorCode::ManualIntervention
        );
        assert_eq!(
            ProcessError::parse_stored(&json!({"code": "AI_ERROR"})).code,
            ErrorCode::AiError
        );
    }
}
