//! The answers, as whoever asked reads them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use shared::process::{Failure, ProcessId, Status};

use crate::{
    finding::Finding,
    report::{Report, Swept},
};

/// The envelope of every good answer.
#[derive(Serialize)]
struct Envelope<'a, T> {
    success: bool,
    data: &'a T,
}

/// The answer to a machine. An operator's is made by [`shared::http::respond`].
///
/// # Errors
/// When `data` cannot be JSON, which is a defect of ours.
pub(crate) fn answer(data: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(Envelope { success: true, data })
        .map_err(|error| Failure::internal(error.to_string()))
}

/// Where a process stands after an occasion of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SettledView {
    pub(crate) process_id: ProcessId,
    /// `None`: there is no such process.
    pub(crate) status: Option<Status>,
    /// Whether this occasion has changed it.
    pub(crate) settled: bool,
}

/// The answer to an event of an execution that ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum EndedView {
    Settled(SettledView),
    /// It drives no process of ours.
    Ignored {
        ignored: bool,
    },
}

/// A report with its first findings. The database keeps it without them, as they are in the
/// history of their processes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ReportView<'a> {
    #[serde(flatten)]
    report: &'a Report,
    actions: &'a [Finding],
}

impl<'a> ReportView<'a> {
    pub(crate) fn of(report: &'a Report) -> Self {
        Self { report, actions: &report.actions }
    }
}

/// What an operator hears of one process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProcessReportView<'a> {
    pub(crate) process_id: ProcessId,
    pub(crate) status: Status,
    #[serde(flatten)]
    pub(crate) report: ReportView<'a>,
}

/// What became of a wish to sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum SweptView<'a> {
    Done {
        swept: bool,
        #[serde(flatten)]
        report: ReportView<'a>,
    },
    AnotherIsRunning {
        swept: bool,
        message: String,
        running_since: DateTime<Utc>,
        running_until: DateTime<Utc>,
    },
}

impl<'a> SweptView<'a> {
    pub(crate) fn of(swept: &'a Swept) -> Self {
        match swept {
            Swept::Done(report) => Self::Done { swept: true, report: ReportView::of(report) },
            Swept::AnotherIsRunning { since, until } => Self::AnotherIsRunning {
                swept: false,
                message: format!("another sweep is running since {}", since.to_rfc3339()),
                running_since: *since,
                running_until: *until,
            },
        }
    }
}
