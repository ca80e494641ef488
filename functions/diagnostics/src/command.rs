//! What an operator asks for, read from the payload.

use std::{ops::RangeInclusive, sync::LazyLock};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use shared::{
    chart::Chart,
    http::{Refusal, read_language},
    language::Language,
    process::{ErrorCode, Generation, ProcessId, Status},
    store::{CURSOR_LENGTH, Cursor, ExportFilter, ListFilter},
    validation::{Reader, Rule, Text, Violation, parse_time},
};

use crate::words::Words;

/// The checks that there are.
const CHECKS: &[&str] = &[
    "health",
    "process",
    "logs",
    "performance",
    "list",
    "stats",
    "errors",
    "export",
    "candidates",
];
/// What can be done to many processes.
const ACTIONS: &[&str] = &["cancel", "retry"];
/// The statuses that there are.
static STATUSES: LazyLock<Vec<&str>> =
    LazyLock::new(|| Status::ALL.iter().map(|status| status.as_str()).collect());
/// The error codes that there are.
static CODES: LazyLock<Vec<&str>> =
    LazyLock::new(|| ErrorCode::ALL.iter().map(|code| code.as_str()).collect());

/// A check, and the language of its texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) check: Check,
    pub(crate) language: Language,
}

/// What is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    /// Everything at once.
    Health,
    /// What has happened to one process.
    Process(ProcessId),
    /// What was logged about a process.
    Logs {
        /// Of the process, or one that a user was told (`errorId`).
        id: ProcessId,
        /// Hours back from now.
        hours: i64,
    },
    /// Where the time goes.
    Performance {
        /// Hours back from now.
        hours: i64,
    },
    /// Processes that pass a filter.
    List(ListQuery),
    /// Processes that can be cancelled or retried together.
    Candidates(CandidatesQuery),
    /// Processes as they are stored, with their histories.
    Export(ExportQuery),
    /// Counts, times and tokens of so many hours.
    Stats {
        /// Hours back from now.
        hours: i64,
    },
    /// What failed, by cause.
    Errors {
        /// Hours back from now.
        hours: i64,
    },
}

impl Command {
    /// Reads it from `payload`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names every field that is wrong or unknown.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut reader = Reader::new("", payload);
        let language = read_language(&mut reader);
        let check = match reader.optional("check").and_then(Value::as_str) {
            Some("health") => Some(Check::Health),
            Some("process") => reader.uuid("processId").map(|id| Check::Process(ProcessId(id))),
            Some("logs") => {
                let (id, hours) = (reader.uuid("processId"), hours(&mut reader));
                id.map(|id| Check::Logs { id: ProcessId(id), hours })
            }
            Some("performance") => Some(Check::Performance { hours: hours(&mut reader) }),
            Some("list") => Some(Check::List(list_query(&mut reader))),
            Some("candidates") => candidates_query(&mut reader).map(Check::Candidates),
            Some("export") => Some(Check::Export(export_query(&mut reader))),
            Some("stats") => Some(Check::Stats { hours: hours(&mut reader) }),
            Some("errors") => Some(Check::Errors { hours: hours(&mut reader) }),
            // Which fields there are depends on it.
            _ => return Err(Violation::new("check", Rule::OneOf { allowed: CHECKS }).into()),
        };
        let details = reader.finish();
        match check {
            Some(check) if details.is_empty() => Ok(Self { check, language }),
            _ => Err(Refusal::invalid(details)),
        }
    }

    pub(crate) const fn words(&self) -> Words {
        Words(self.language)
    }
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListQuery {
    pub(crate) filter: ListFilter,
    pub(crate) limit: i64,
}

/// A page of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportQuery {
    pub(crate) filter: ExportFilter,
    pub(crate) limit: i64,
}

/// What is to be done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Cancel,
    /// `force`: also what would fail again. `parts`: also what is COMPLETED without some of its
    /// targets.
    Retry {
        force: bool,
        parts: bool,
    },
}

/// A page that is asked for; a filter that is `None` lets all through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CandidatesQuery {
    pub(crate) action: Action,
    pub(crate) filter: CandidateFilter,
    /// Accepted (to cancel) or ended (to retry) after that.
    pub(crate) since: Option<DateTime<Utc>>,
    /// The same, not after that.
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) cursor: Option<Cursor>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CandidateFilter {
    pub(crate) process_type: Option<String>,
    pub(crate) status: Option<Status>,
    pub(crate) user_id: Option<String>,
    pub(crate) code: Option<String>,
}

fn export_query(reader: &mut Reader<'_>) -> ExportQuery {
    ExportQuery {
        filter: ExportFilter {
            process_type: process_type(reader),
            status: status(reader),
            user_id: reader.optional_text("userId", Text::Line, 1..=255),
            since: time(reader, "since"),
            until: time(reader, "until"),
            after: reader.optional_uuid("cursor").map(ProcessId),
            without_texts: reader.flag("withoutTexts"),
        },
        limit: whole_number(reader, "limit", 100, 1..=500),
    }
}

/// `None`: there is a violation.
fn candidates_query(reader: &mut Reader<'_>) -> Option<CandidatesQuery> {
    let action = match reader.required("action").map(Value::as_str) {
        Some(Some("cancel")) => Some(Action::Cancel),
        Some(Some("retry")) => {
            Some(Action::Retry { force: reader.flag("force"), parts: reader.flag("parts") })
        }
        Some(_) => {
            reader.violate("action", Rule::OneOf { allowed: ACTIONS });
            None
        }
        None => None,
    };
    let cursor = reader.optional_text("cursor", Text::Line, CURSOR_LENGTH..=CURSOR_LENGTH);
    let after = cursor.as_deref().and_then(Cursor::decode);
    if cursor.is_some() && after.is_none() {
        reader.violate("cursor", Rule::Cursor);
    }
    let filter = CandidateFilter {
        process_type: process_type(reader),
        status: status(reader),
        user_id: reader.optional_text("userId", Text::Line, 1..=255),
        code: code(reader),
    };
    let (since, until) = (time(reader, "since"), time(reader, "until"));
    Some(CandidatesQuery { action: action?, filter, since, until, cursor: after })
}

fn process_type(reader: &mut Reader<'_>) -> Option<String> {
    let named = reader.optional_text("type", Text::Line, 1..=64);
    if named.as_deref().is_some_and(|name| !Chart::TYPE_NAMES.contains(&name)) {
        reader.violate("type", Rule::OneOf { allowed: Chart::TYPE_NAMES });
    }
    named
}

fn code(reader: &mut Reader<'_>) -> Option<String> {
    let code = reader.optional_text("code", Text::Line, 1..=64);
    if code.as_deref().is_some_and(|code| code.parse::<ErrorCode>().is_err()) {
        reader.violate("code", Rule::OneOf { allowed: &CODES });
    }
    code
}

fn status(reader: &mut Reader<'_>) -> Option<Status> {
    let parsed = reader.optional_text("status", Text::Line, 1..=20)?.parse::<Status>();
    if parsed.is_err() {
        reader.violate("status", Rule::OneOf { allowed: &STATUSES });
    }
    parsed.ok()
}

fn time(reader: &mut Reader<'_>, field: &'static str) -> Option<DateTime<Utc>> {
    let at = parse_time(&reader.optional_text(field, Text::Line, 1..=40)?);
    if at.is_none() {
        reader.violate(field, Rule::Time);
    }
    at
}

fn list_query(reader: &mut Reader<'_>) -> ListQuery {
    let status = status(reader);
    let code = code(reader);
    let since = time(reader, "since");
    ListQuery {
        filter: ListFilter {
            process_type: process_type(reader),
            status,
            user_id: reader.optional_text("userId", Text::Line, 1..=255),
            code,
            since,
            before: reader.optional_uuid("cursor").map(ProcessId),
        },
        limit: whole_number(reader, "limit", 20, 1..=100),
    }
}

fn hours(reader: &mut Reader<'_>) -> i64 {
    whole_number(reader, "hours", 24, 1..=24 * 31)
}

fn whole_number(
    reader: &mut Reader<'_>,
    field: &'static str,
    usual: i64,
    range: RangeInclusive<i64>,
) -> i64 {
    let Some(value) = reader.optional(field) else { return usual };
    let Some(number) = reader.typed(field, value.as_i64(), "integer") else { return usual };
    if !range.contains(&number) {
        let (min, max) = (*range.start(), *range.end());
        reader.violate(field, Rule::Range { min, max, actual: number });
    }
    number
}

#[cfg(test)]
mod tests;
