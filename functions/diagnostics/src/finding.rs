//! What a check finds, as it is told.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::next_step::NextStep;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// Worth knowing; nobody need do anything.
    Info,
    /// Some work is late or fails, or soon will.
    Warning,
    /// Nothing, or hardly anything, gets done.
    Critical,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    pub(crate) code: &'static str,
    pub(crate) severity: Severity,
    /// In a sentence.
    pub(crate) summary: String,
    /// The facts behind it.
    pub(crate) evidence: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<DateTime<Utc>>,
    pub(crate) next_steps: Vec<NextStep>,
}

impl Finding {
    pub(crate) fn new(code: &'static str, severity: Severity, summary: String) -> Self {
        Self { code, severity, summary, evidence: Value::Null, since: None, next_steps: Vec::new() }
    }

    pub(crate) fn proved_by(mut self, evidence: Value) -> Self {
        self.evidence = evidence;
        self
    }

    pub(crate) fn since(mut self, since: Option<DateTime<Utc>>) -> Self {
        self.since = since;
        self
    }

    /// Something to do for which there is no command.
    pub(crate) fn advise(mut self, text: String) -> Self {
        self.next_steps.push(NextStep { text, command: None });
        self
    }

    /// Something to do, by a command.
    pub(crate) fn then(mut self, text: String, command: impl Into<String>) -> Self {
        self.next_steps.push(NextStep::command(text, command));
        self
    }
}

/// How it is on the whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Well,
    Degraded,
    Down,
}

impl Verdict {
    /// What follows from `findings`.
    pub(crate) fn of(findings: &[Finding]) -> Self {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Critical) => Self::Down,
            Some(Severity::Warning) => Self::Degraded,
            Some(Severity::Info) | None => Self::Well,
        }
    }
}

/// A check that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct NotChecked {
    pub(crate) what: &'static str,
    pub(crate) why: String,
}
