//! Metrics in CloudWatch's embedded metric format: a JSON line in the log from which CloudWatch
//! makes the numbers, so that no call is paid for and none can fail.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use std::io::Write;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::process::Status;

/// The namespace of all our metrics.
pub const NAMESPACE: &str = "AsyncProcessing";

/// What is measured: its name and unit are part of alarms and dashboards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Processes that were accepted.
    Started,
    /// Processes that became COMPLETED.
    Completed,
    /// Processes that became FAILED.
    Failed,
    /// Processes that became TIMEOUT.
    Timeout,
    /// Processes that became CANCELLED.
    Cancelled,
    /// From request to end, in milliseconds.
    ProcessingDuration,
    /// Processes that wait for a worker.
    QueueDepth,
    /// Of the processes that ended in the last five minutes, how many FAILED or TIMEOUT, in
    /// percent.
    ErrorRate,
    /// Disagreements that the reconciler found; by rule, and all together.
    Drift,
    /// Repairs that the reconciler could not make.
    RepairFailures,
    /// Tokens that the model read.
    InputTokens,
    /// Tokens that the model wrote.
    OutputTokens,
}

impl Metric {
    /// Its name in CloudWatch.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "AsyncProcessingStarted",
            Self::Completed => "AsyncProcessingCompleted",
            Self::Failed => "AsyncProcessingFailed",
            Self::Timeout => "AsyncProcessingTimeout",
            Self::Cancelled => "AsyncProcessingCancelled",
            Self::ProcessingDuration => "ProcessingDuration",
            Self::QueueDepth => "QueueDepth",
            Self::ErrorRate => "ErrorRate",
            Self::Drift => "Drift",
            Self::RepairFailures => "RepairFailures",
            Self::InputTokens => "InputTokens",
            Self::OutputTokens => "OutputTokens",
        }
    }

    const fn unit(self) -> &'static str {
        match self {
            Self::ProcessingDuration => "Milliseconds",
            Self::ErrorRate => "Percent",
            _ => "Count",
        }
    }

    /// The metric that counts processes which reached `status`.
    #[must_use]
    pub const fn of_status(status: Status) -> Option<Self> {
        match status {
            Status::Pending | Status::Processing => None,
            Status::Completed => Some(Self::Completed),
            Status::Failed => Some(Self::Failed),
            Status::Timeout => Some(Self::Timeout),
            Status::Cancelled => Some(Self::Cancelled),
        }
    }
}

/// Values that were measured together, with the dimensions that tell them from their like.
#[must_use]
pub fn line(now: DateTime<Utc>, dimensions: &[(&str, &str)], values: &[(Metric, f64)]) -> Value {
    let names: Vec<_> = dimensions.iter().map(|(name, _)| *name).collect();
    let metrics: Vec<_> = values
        .iter()
        .map(|(metric, _)| json!({"Name": metric.as_str(), "Unit": metric.unit()}))
        .collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.timestamp_millis(),
            "CloudWatchMetrics": [
                {"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": metrics},
            ],
        }),
    );
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value))));
    line.extend(
        values.iter().map(|(metric, value)| (metric.as_str().to_owned(), Value::from(*value))),
    );
    Value::Object(line)
}

/// Writes `line` into the log. That it cannot be written is no reason to fail what was measured.
pub fn emit(line: &Value) {
    drop(writeln!(std::io::stdout().lock(), "{line}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_declares_every_value_it_carries() {
        let line = line(
            DateTime::UNIX_EPOCH,
            &[("Rule", "R5")],
            &[(Metric::Drift, 3.0), (Metric::ErrorRate, 12.5)],
        );
        let declared = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(declared["Namespace"], "AsyncProcessing");
        assert_eq!(declared["Dimensions"], json!([["Rule"]]));
        assert_eq!(
            declared["Metrics"],
            json!([{"Name": "Drift", "Unit": "Count"}, {"Name": "ErrorRate", "Unit": "Percent"}])
        );
        assert_eq!(
            (&line["Rule"], &line["Drift"], &line["ErrorRate"]),
            (&json!("R5"), &json!(3.0), &json!(12.5))
        );
        assert_eq!(line["_aws"]["Timestamp"], 0);
    }

    #[test]
    fn every_end_has_its_count() {
        for status in Status::ALL {
            assert_eq!(Metric::of_status(*status).is_some(), status.is_terminal());
        }
    }
}
