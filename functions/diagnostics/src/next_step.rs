//! What a person can do next.

use serde::Serialize;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NextStep {
    pub(crate) text: String,
    /// What to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
}

impl NextStep {
    /// Something to type.
    pub(crate) fn command(text: String, command: impl Into<String>) -> Self {
        Self { text, command: Some(command.into()) }
    }
}
