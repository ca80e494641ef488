//! A process as clients see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::{
    language::Language,
    process::{ErrorCode, ProcessError, ProcessId, ProcessSummary, ProcessType, Status, Waiting},
};

/// The data of `POST generate`: 202, the process is stored and will be executed.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedView<'a> {
    /// The new process.
    pub process_id: ProcessId,
    /// Where it stands.
    pub status: Status,
    /// What it generates.
    #[serde(rename = "type")]
    pub process_type: &'a ProcessType,
    /// When it was accepted.
    pub created_at: DateTime<Utc>,
    /// When it will probably be done.
    pub estimated_completion_time: DateTime<Utc>,
}

/// The data of `POST retry`: 202, a new process takes the place of the old one.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RetriedView<'a> {
    /// The new process.
    #[serde(flatten)]
    pub accepted: AcceptedView<'a>,
    /// Which retry of its chain it is, from 1.
    pub retry_count: i16,
    /// The process that it retries.
    pub original_process_id: ProcessId,
}

/// The data of `POST cancel`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelledView<'a> {
    /// The process.
    #[serde(flatten)]
    pub process: ProcessView<'a>,
    /// Whether its execution is known to have been stopped; if not, the sweep stops it.
    pub execution_stopped: bool,
}

/// The data of `GET status`, and a process of the history.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessView<'a> {
    process_id: ProcessId,
    status: Status,
    #[serde(rename = "type")]
    process_type: &'a ProcessType,
    progress: i16,
    attempt: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_completion_time: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting: Option<Waiting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'a>>,
    retry_count: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_process_id: Option<ProcessId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel_reason: Option<&'a str>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ErrorView<'a> {
    code: ErrorCode,
    message: &'a str,
    retryable: bool,
    /// What a user quotes to support for an internal error: every log line and the history bear the
    /// process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_id: Option<ProcessId>,
}

impl<'a> ErrorView<'a> {
    /// Without the cause, which is for operators. An operator's own words are shown as they stand.
    fn new(id: ProcessId, error: &'a ProcessError, language: Language) -> Self {
        let message = match error.code {
            ErrorCode::ManualIntervention => &error.message,
            code => code.message(language),
        };
        let error_id = (error.code == ErrorCode::InternalError).then_some(id);
        Self { code: error.code, message, retryable: error.code.retryable(), error_id }
    }
}

impl<'a> ProcessView<'a> {
    /// `process` in `language`.
    #[must_use]
    pub fn new(process: &'a ProcessSummary, language: Language) -> Self {
        let ended_without_result =
            matches!(process.status, Status::Failed | Status::Timeout | Status::Cancelled);
        Self {
            process_id: process.id,
            status: process.status,
            process_type: &process.process_type,
            progress: process.shown_progress(),
            attempt: process.attempt,
            created_at: process.created_at,
            updated_at: process.updated_at,
            completed_at: process.completed_at.filter(|_| process.status.is_terminal()),
            estimated_completion_time: None,
            waiting: None,
            result: None,
            error: process
                .error
                .as_ref()
                .filter(|_| ended_without_result)
                .map(|error| ErrorView::new(process.id, error, language)),
            retry_count: process.retry_count,
            original_process_id: process.original_process_id,
            cancel_reason: process.cancel_reason.as_deref(),
        }
    }

    /// With what it generated, once it is COMPLETED.
    #[must_use]
    pub fn with_result(self, result: Option<&'a Value>) -> Self {
        Self { result: result.filter(|_| self.status == Status::Completed), ..self }
    }

    /// With why it has not begun, while it is PENDING.
    #[must_use]
    pub fn with_waiting(self, waiting: Option<Waiting>) -> Self {
        Self { waiting: waiting.filter(|_| self.status == Status::Pending), ..self }
    }

    /// With when it will probably be done, while it is active.
    #[must_use]
    pub fn with_estimate(self, estimate: DateTime<Utc>) -> Self {
        let estimated_completion_time = self.status.is_active().then_some(estimate);
        Self { estimated_completion_time, ..self }
    }
}
