//! What a line of a log says. Pure.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use shared::aws::logs::LogLine;
use uuid::Uuid;

/// A line of a function.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineView {
    pub(super) at: DateTime<Utc>,
    pub(super) function: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<Uuid>,
    /// All else that it holds.
    #[serde(skip_serializing_if = "Map::is_empty")]
    fields: Map<String, Value>,
}

impl LineView {
    /// A line that is not ours is told as it is.
    pub(super) fn of(function: &'static str, line: &LogLine) -> Self {
        let text = line.text.trim_end();
        let mut fields = serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
        let mut take = |name: &str| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let written = take("timestamp").and_then(|at| at.parse().ok());
        Self {
            at: written.unwrap_or(line.at),
            function,
            level: take("level"),
            message: take("message").unwrap_or_else(|| text.to_owned()),
            request_id: take("requestId").and_then(|id| id.parse().ok()),
            fields,
        }
    }
}

/// What Lambda says of an invocation when it is over.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Invocation {
    pub(crate) at: DateTime<Utc>,
    pub(crate) function: &'static str,
    pub(crate) request_id: Uuid,
    /// Milliseconds.
    pub(crate) duration: f64,
    /// What it may use, MB.
    pub(crate) memory_size: Option<f64>,
    /// What its environment has used at most, MB.
    pub(crate) memory_used: Option<f64>,
    /// Milliseconds of a cold start; `None`: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) init_duration: Option<f64>,
    /// How Lambda itself ended it, such as `timeout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<String>,
}

impl Invocation {
    /// Reads a REPORT line, whose parts stand between tabs: "Max Memory Used: 31 MB". Lambda writes
    /// it; any other line is none.
    pub(crate) fn of(function: &'static str, line: &LogLine) -> Option<Self> {
        let parts: Vec<_> =
            line.text.trim().split('\t').filter_map(|part| part.split_once(": ")).collect();
        let text = |name: &str| {
            parts.iter().find(|(part, _)| *part == name).map(|(_, value)| value.trim())
        };
        let number = |name| text(name)?.split(' ').next()?.parse().ok();
        Some(Self {
            at: line.at,
            function,
            request_id: text("REPORT RequestId")?.parse().ok()?,
            duration: number("Duration")?,
            memory_size: number("Memory Size"),
            memory_used: number("Max Memory Used"),
            init_duration: number("Init Duration"),
            status: text("Status").map(str::to_owned),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::json;

    use super::*;

    fn line(text: &str) -> LogLine {
        LogLine { at: DateTime::UNIX_EPOCH + TimeDelta::days(20_000), text: text.to_owned() }
    }

    #[test]
    fn a_line_of_ours_is_told_by_its_fields_and_its_own_time() {
        let text = r#"{"timestamp":"2026-11-26T04:00:00.5Z","level":"WARN",
            "message":"refused","requestId":"00000000-0000-0000-0000-000000000001",
            "errorCode":"AI_ERROR","attempt":2}"#;
        assert_eq!(
            json!(LineView::of("worker", &line(text))),
            json!({
                "at": "2026-11-26T04:00:00.500Z", "function": "worker", "level": "WARN",
                "message": "refused", "requestId": Uuid::from_u128(1),
                "fields": {"errorCode": "AI_ERROR", "attempt": 2},
            })
        );
    }

    #[test]
    fn a_line_of_another_hand_is_told_as_it_is() {
        for text in ["", "[]", "panicked at src/main.rs", "{\"level\":", "{\"message\":7}"] {
            let view = LineView::of("worker", &line(text));
            assert_eq!((view.message.as_str(), view.at), (text, line("").at), "{text}");
        }
    }

    #[test]
    fn lambdas_report_tells_time_memory_and_a_cold_start() {
        let id = Uuid::from_u128(1);
        let report = |more: &str| {
            let text = format!(
                "REPORT RequestId: {id}\tDuration: 12.50 ms\tBilled Duration: 13 ms\t\
                 Memory Size: 512 MB\tMax Memory Used: 31 MB{more}\n"
            );
            json!(Invocation::of("worker", &line(&text)).unwrap())
        };
        let warm = json!({
            "at": line("").at, "function": "worker", "requestId": id, "duration": 12.5,
            "memorySize": 512.0, "memoryUsed": 31.0,
        });
        assert_eq!(report("\t"), warm);
        let cold = report("\tInit Duration: 90.10 ms\tStatus: timeout");
        assert_eq!((&cold["initDuration"], &cold["status"]), (&json!(90.1), &json!("timeout")));
        for other in ["", "START RequestId: 1 Version: 1", "REPORT RequestId: x\tDuration: 1 ms"] {
            assert_eq!(Invocation::of("worker", &line(other)), None, "{other}");
        }
    }
}
