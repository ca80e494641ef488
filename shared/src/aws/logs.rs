//! CloudWatch Logs: the last errors that the worker logged for one process, as evidence for
//! operators, and all lines that hold an id or another text.

use std::{collections::VecDeque, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::{Client, operation::filter_log_events::FilterLogEventsOutput};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::{
    aws,
    process::{ErrorCode, Evidence, Failure, ProcessId},
};

/// Lines that are kept of one process.
const KEPT: usize = 5;
/// Characters that are kept of one text.
const TEXT: usize = 500;
/// Lines that [`Logs::holding`] reads of one log.
const MOST_LINES: usize = 2_000;

/// The part of a log line that we read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    timestamp: String,
    level: String,
    #[serde(default)]
    message: String,
    process_id: String,
    error_code: Option<String>,
    cause: Option<Value>,
    attempt: Option<i64>,
}

/// Reads `text` as an ERROR line about `id`; whatever else it is, is none.
#[must_use]
pub fn read_line(id: ProcessId, text: &str) -> Option<Evidence> {
    let line: Line = serde_json::from_str(text.trim()).ok()?;
    (line.level == "ERROR" && line.process_id == id.to_string()).then(|| Evidence {
        timestamp: short(&line.timestamp),
        message: short(&line.message),
        error_code: line.error_code.as_deref().map(short),
        cause: line.cause.and_then(|cause| cause.as_str().map(short)),
        attempt: line.attempt,
    })
}

/// Without control characters: Postgres cannot store a NUL in JSON, and evidence must not keep a
/// process from ending.
fn short(text: &str) -> String {
    text.chars().take(TEXT).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What CloudWatch Logs should search for. The match is made again on what comes back, because not
/// every server keeps to it.
fn pattern(id: ProcessId) -> String {
    format!(r#"{{ $.level = "ERROR" && $.processId = "{id}" }}"#)
}

/// The log of one function.
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
    group: String,
}

/// What a search found, and what it cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The last few lines, oldest first.
    pub evidence: Vec<Evidence>,
    /// Calls of `FilterLogEvents`.
    pub calls: u64,
}

/// A line as it stands in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When CloudWatch Logs got it.
    pub at: DateTime<Utc>,
    /// All of it.
    pub text: String,
}

/// What holds a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Oldest first.
    pub lines: Vec<LogLine>,
    /// Whether there are no others.
    pub is_whole: bool,
}

impl Logs {
    /// The log group `group`, reached as `config` says.
    #[must_use]
    pub fn new(config: &SdkConfig, group: String) -> Self {
        Self { client: Client::new(config), group }
    }

    /// The last ERROR lines about `id` between `from` and `until`, as many as are found within
    /// `patience`. A page may be empty although others follow it, so pages are read until there is
    /// no other or the time is over; what was found by then counts.
    ///
    /// # Errors
    /// When the log cannot be read, as for want of permission, or when it has not answered once.
    pub async fn last_errors(
        &self,
        id: ProcessId,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        patience: Duration,
    ) -> Result<Found, Failure> {
        let deadline = Instant::now() + patience;
        let search = Search { pattern: pattern(id), from, until };
        let mut kept = VecDeque::with_capacity(KEPT);
        let (mut token, mut calls) = (None, 0);
        loop {
            calls += 1;
            let Some(page) = self.page(&search, token, deadline).await? else {
                if calls > 1 {
                    break;
                }
                return Err(no_answer());
            };
            for evidence in page.events().iter().filter_map(|event| read_line(id, event.message()?))
            {
                if kept.len() == KEPT {
                    kept.pop_front();
                }
                kept.push_back(evidence);
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(Found { evidence: kept.into(), calls })
    }

    /// The lines that hold `text` (without a quotation mark) between `from` and `until`, oldest
    /// first, as many as are found until `deadline`, and the first 2,000 of them.
    ///
    /// # Errors
    /// When the log cannot be read, as for want of permission, or when it has not answered once.
    pub async fn holding(
        &self,
        text: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        deadline: Instant,
    ) -> Result<Held, Failure> {
        let mut lines = Vec::new();
        let search = Search { pattern: format!("\"{text}\""), from, until };
        let (mut token, mut is_first) = (None, true);
        loop {
            let Some(page) = self.page(&search, token, deadline).await? else {
                return if is_first {
                    Err(no_answer())
                } else {
                    Ok(Held { lines, is_whole: false })
                };
            };
            is_first = false;
            let found = page.events.unwrap_or_default().into_iter().filter_map(|event| {
                let at = DateTime::from_timestamp_millis(event.timestamp?)?;
                let line = event.message.filter(|message| message.contains(text))?;
                Some(LogLine { at, text: line })
            });
            lines.extend(found);
            if lines.len() > MOST_LINES {
                lines.truncate(MOST_LINES);
                return Ok(Held { lines, is_whole: false });
            }
            token = page.next_token;
            if token.is_none() {
                return Ok(Held { lines, is_whole: true });
            }
        }
    }

    /// A page of what `search` finds; `None`: there was no answer until `deadline`.
    /// It is as large as the server likes: one that does not keep to the pattern would fill a small
    /// page with the lines of others.
    async fn page(
        &self,
        search: &Search,
        token: Option<String>,
        deadline: Instant,
    ) -> Result<Option<FilterLogEventsOutput>, Failure> {
        let asked = self
            .client
            .filter_log_events()
            .log_group_name(&self.group)
            .filter_pattern(&search.pattern)
            .start_time(search.from.timestamp_millis())
            .end_time(search.until.timestamp_millis())
            .set_next_token(token)
            .send();
        match timeout_at(deadline, asked).await {
            Ok(page) => page.map(Some).map_err(|error| {
                let cause = format!("FilterLogEvents: {}", aws::describe_error(&error));
                Failure::new(ErrorCode::InternalError, cause)
            }),
            Err(_) => Ok(None),
        }
    }
}

/// What is looked for.
struct Search {
    pattern: String,
    from: DateTime<Utc>,
    until: DateTime<Utc>,
}

fn no_answer() -> Failure {
    Failure::new(ErrorCode::InternalError, "FilterLogEvents: no answer within its time")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn id() -> ProcessId {
        ProcessId(Uuid::from_u128(7))
    }

    fn line(changes: &Value) -> String {
        let mut line = json!({
            "timestamp": "2026-11-22T00:00:00Z",
            "level": "ERROR",
            "message": "failed",
            "processId": id(),
            "errorCode": "AI_ERROR",
            "cause": "the model said no",
            "attempt": 2,
            "other": {"a": 1},
        });
        line.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        format!("{line}\n")
    }

    #[test]
    fn an_error_line_of_the_process_is_evidence() {
        let evidence = read_line(id(), &line(&json!({}))).unwrap();
        assert_eq!(
            (evidence.message.as_str(), evidence.error_code.as_deref()),
            ("failed", Some("AI_ERROR"))
        );
        assert_eq!(
            (evidence.cause.as_deref(), evidence.attempt),
            (Some("the model said no"), Some(2))
        );
    }

    #[test]
    fn what_a_server_lets_through_that_was_not_asked_for_is_none() {
        for other in [
            json!({"level": "INFO"}),
            json!({"processId": Uuid::from_u128(8)}),
            json!({"processId": 7}),
        ] {
            assert_eq!(read_line(id(), &line(&other)), None, "{other}");
        }
        for text in ["", "REPORT RequestId: x", "{\"level\":\"ERROR\"}", "null"] {
            assert_eq!(read_line(id(), text), None, "{text}");
        }
    }

    #[test]
    fn a_long_line_is_kept_short() {
        let evidence = read_line(id(), &line(&json!({"cause": "長".repeat(2_000)}))).unwrap();
        assert_eq!(evidence.cause.unwrap().chars().count(), TEXT);
    }

    #[test]
    fn evidence_holds_nothing_that_postgres_cannot_store() {
        let evidence = read_line(id(), &line(&json!({"cause": "a\u{0}b\nc"}))).unwrap();
        assert_eq!(evidence.cause.unwrap(), "a b c");
    }
}
