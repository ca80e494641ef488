//! CloudWatch Logs: the last errors that the worker logged for one process, as evidence for
//! operators.

use std::{collections::VecDeque, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_cloudwatchlogs::Client;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    aws,
    process::{ErrorCode, Evidence, Failure, ProcessId},
};

/// Lines that are kept of one process.
const KEPT: usize = 5;
/// Characters that are kept of one text.
const TEXT: usize = 500;

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
        let deadline = tokio::time::Instant::now() + patience;
        let mut kept = VecDeque::with_capacity(KEPT);
        let (mut token, mut calls) = (None, 0);
        loop {
            calls += 1;
            let search = self
                .client
                .filter_log_events()
                .log_group_name(&self.group)
                .filter_pattern(pattern(id))
                .start_time(from.timestamp_millis())
                .end_time(until.timestamp_millis())
                .limit(100)
                .set_next_token(token)
                .send();
            let page = match tokio::time::timeout_at(deadline, search).await {
                Ok(page) => page.map_err(|error| {
                    let cause = format!("FilterLogEvents: {}", aws::describe_error(&error));
                    Failure::new(ErrorCode::InternalError, cause)
                })?,
                Err(_) if calls > 1 => break,
                Err(_) => {
                    let cause = format!("FilterLogEvents: no answer within {patience:?}");
                    return Err(Failure::new(ErrorCode::InternalError, cause));
                }
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
