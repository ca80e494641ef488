//! A batch of requests as clients see it: what was answered of each, and how its processes stand.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{ProcessView, Refusal, refusal::first_of};
use crate::{
    language::Language,
    process::{ErrorCode, ProcessId, ProcessSummary, RequestBatchId, Status, estimate},
    store::RequestBatch,
};

/// What was answered of one request of a batch: kept in the batch's row, so that a repeat is told
/// the same, in whatever language it asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BatchResult {
    /// It was accepted, as this process.
    ProcessId(ProcessId),
    /// It was refused.
    Error(KeptRefusal),
}

/// What of a refusal an answer tells, in both languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptRefusal {
    code: ErrorCode,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    details: Vec<KeptDetail>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process_id: Option<ProcessId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeptDetail {
    field: String,
    ja: String,
    en: String,
}

impl From<&Refusal> for KeptRefusal {
    fn from(refusal: &Refusal) -> Self {
        let details = first_of(&refusal.details).map(|violation| KeptDetail {
            // An unknown field may bear any name, and the database keeps no text with a NUL.
            field: violation.field.replace('\0', "\u{fffd}"),
            ja: violation.message(Language::Japanese),
            en: violation.message(Language::English),
        });
        Self {
            code: refusal.code,
            details: details.collect(),
            retry_after: refusal.retry_after,
            process_id: refusal.process_id,
        }
    }
}

impl KeptRefusal {
    /// Its code.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The `error` of an envelope, in `language`.
    fn error(&self, language: Language) -> Value {
        let mut error = json!({
            "code": self.code,
            "message": self.code.message(language),
            "retryable": self.code.retryable(),
        });
        let details = self.details.iter().map(|KeptDetail { field, ja, en }| {
            let message = match language {
                Language::Japanese => ja,
                Language::English => en,
            };
            json!({"field": field, "message": message})
        });
        if !self.details.is_empty() {
            error["details"] = details.collect();
        }
        if let Some(seconds) = self.retry_after {
            error["retryAfter"] = seconds.into();
        }
        if let Some(id) = self.process_id {
            error["processId"] = id.to_string().into();
        }
        error
    }
}

/// The data of `POST batch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchAcceptedView {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_id: Option<RequestBatchId>,
    accepted: usize,
    refused: usize,
    results: Vec<ResultView>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResultView {
    index: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    process_id: Option<ProcessId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

impl BatchAcceptedView {
    /// The batch `id` with the `results` of its requests.
    #[must_use]
    pub fn new(id: RequestBatchId, results: &[BatchResult], language: Language) -> Self {
        let results = results.iter().map(|result| match result {
            BatchResult::ProcessId(id) => (Some(*id), None),
            BatchResult::Error(refusal) => (None, Some(refusal.error(language))),
        });
        Self::of(Some(id), results)
    }

    /// What would become of requests that meet these refusals.
    #[must_use]
    pub fn dry_run(refusals: &[Option<Refusal>], language: Language) -> Self {
        let error = |refusal| KeptRefusal::from(refusal).error(language);
        Self::of(None, refusals.iter().map(|refusal| (None, refusal.as_ref().map(error))))
    }

    fn of(
        batch_id: Option<RequestBatchId>,
        results: impl Iterator<Item = (Option<ProcessId>, Option<Value>)>,
    ) -> Self {
        let view = |(index, (process_id, error))| ResultView { index, process_id, error };
        let results: Vec<_> = results.enumerate().map(view).collect();
        let refused = results.iter().filter(|result| result.error.is_some()).count();
        Self { batch_id, accepted: results.len() - refused, refused, results }
    }
}

/// The data of `GET batch`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchView<'a> {
    batch_id: RequestBatchId,
    total: usize,
    counts: BTreeMap<&'static str, usize>,
    progress: u64,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
    processes: Vec<ProcessView<'a>>,
}

impl<'a> BatchView<'a> {
    /// `batch` in `language`.
    #[must_use]
    pub fn new(batch: &'a RequestBatch, language: Language) -> Self {
        let processes = &batch.processes;
        let count = |status: &Status| {
            let those = processes.iter().filter(|process| process.status == *status);
            (status.as_str(), those.count())
        };
        Self {
            batch_id: batch.id,
            total: processes.len(),
            counts: Status::ALL.iter().map(count).collect(),
            progress: progress(processes),
            created_at: batch.created_at,
            completed_at: completed_at(batch),
            processes: processes
                .iter()
                .map(|process| ProcessView::new(process, language))
                .collect(),
        }
    }

    /// Seconds until the next poll is worth while; `None`: all have ended.
    #[must_use]
    pub fn poll_after(&self, now: DateTime<Utc>) -> Option<i64> {
        let active = self.completed_at.is_none();
        active.then(|| estimate::poll_batch_after_seconds(self.created_at, now))
    }
}

/// Percent: the mean of the processes, of which one that has ended counts as whole, however it
/// ended. 100 exactly when all have ended.
fn progress(processes: &[ProcessSummary]) -> u64 {
    let of_one = |process: &ProcessSummary| {
        if process.status.is_terminal() { 100 } else { process.shown_progress().unsigned_abs() }
    };
    let sum: u64 = processes.iter().map(|process| u64::from(of_one(process))).sum();
    u64::try_from(processes.len()).ok().and_then(|count| sum.checked_div(count)).unwrap_or(100)
}

/// When the last of the processes ended; `None`: not all have. A batch without any was done as soon
/// as it was judged.
fn completed_at(batch: &RequestBatch) -> Option<DateTime<Utc>> {
    // A foreign hand may have ended one without saying when.
    let ended_at = |process: &ProcessSummary| {
        process.status.is_terminal().then(|| process.completed_at.unwrap_or(process.updated_at))
    };
    let ends: Option<Vec<_>> = batch.processes.iter().map(ended_at).collect();
    Some(ends?.into_iter().max().unwrap_or(batch.created_at))
}

#[cfg(test)]
mod tests;
