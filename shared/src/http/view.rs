//! A process as clients see it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    error_code::ErrorCode,
    language::Language,
    process::{Process, ProcessError, ProcessId, ProcessType, Status},
};

/// The answer of `GET status` and `POST cancel`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessView<'a> {
    process_id: ProcessId,
    status: Status,
    #[serde(rename = "type")]
    process_type: ProcessType,
    progress: i16,
    attempt: i32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    estimated_completion_time: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorView<'a>>,
    retry_count: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_process_id: Option<Uuid>,
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
    /// `process` in `language`; `estimated` only matters while it is active.
    #[must_use]
    pub fn new(process: &'a Process, estimated: Option<DateTime<Utc>>, language: Language) -> Self {
        Self {
            process_id: process.id,
            status: process.status,
            process_type: process.process_type,
            progress: process.shown_progress(),
            attempt: process.attempt,
            created_at: process.created_at,
            updated_at: process.updated_at,
            completed_at: process.completed_at.filter(|_| process.status.is_terminal()),
            estimated_completion_time: estimated.filter(|_| process.status.is_active()),
            result: process.result.as_ref().filter(|_| process.status == Status::Completed),
            error: process
                .error
                .as_ref()
                .filter(|_| {
                    matches!(process.status, Status::Failed | Status::Timeout | Status::Cancelled)
                })
                .map(|error| ErrorView::new(process.id, error, language)),
            retry_count: process.retry_count,
            original_process_id: process.original_process_id.map(|id| id.0),
            cancel_reason: process.cancel_reason.as_deref(),
        }
    }
}
