//! Metrics in CloudWatch's embedded metric format: a JSON line in the log from which CloudWatch
//! makes the numbers, so that no call is paid for and none can fail.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
//!
//! Each metric is emitted once, where its fact is committed: what becomes of processes by whoever's
//! statement changed the row (see [`Committed`]), tokens when a model has answered, and what a
//! sweep counts and measures at its end. Every line has the dimension `Stack`, so that stacks in
//! one account do not mix. `docs/metrics.md` holds the table.

use std::{collections::BTreeMap, fmt, io::Write, sync::Arc};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    environment::Environment,
    process::{ProcessId, Status},
    store::Committed,
};

/// The namespace of all our metrics.
pub const NAMESPACE: &str = "AsyncProcessing";
/// The stack's name where its prefix is empty, because CloudWatch takes no empty value.
pub const DEFAULT_STACK: &str = "default";
/// The dimension that every metric has.
const STACK: &str = "Stack";

macro_rules! metrics {
    ($($(#[$doc:meta])* $metric:ident $name:literal $unit:ident,)+) => {
        /// What is measured: its name and unit are part of alarms and dashboards.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric {
            $($(#[$doc])* $metric,)+
        }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$metric,)+];

            /// Its name in CloudWatch.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$metric => $name,)+ }
            }

            const fn unit(self) -> &'static str {
                match self { $(Self::$metric => stringify!($unit),)+ }
            }
        }
    };
}

metrics! {
    /// Processes that were accepted: the row of the 202 is committed.
    Started "AsyncProcessingStarted" Count,
    /// Processes that became COMPLETED.
    Completed "AsyncProcessingCompleted" Count,
    /// Processes that became FAILED.
    Failed "AsyncProcessingFailed" Count,
    /// Processes that became TIMEOUT.
    Timeout "AsyncProcessingTimeout" Count,
    /// Processes that became CANCELLED.
    Cancelled "AsyncProcessingCancelled" Count,
    /// From request to COMPLETED.
    ProcessingDuration "ProcessingDuration" Milliseconds,
    /// From request to admission.
    WaitingTime "WaitingTime" Milliseconds,
    /// Model calls that the admitted processes may have in flight.
    CapacityInUse "CapacityInUse" Count,
    /// Model calls that may be in flight: what is configured, or less while models refuse calls for
    /// their quota.
    CapacityLimit "CapacityLimit" Count,
    /// Processes that are PENDING.
    QueueDepth "QueueDepth" Count,
    /// Since the oldest was accepted that waits to be admitted; 0: none waits.
    OldestWaitingAge "OldestWaitingAge" Milliseconds,
    /// Since the oldest was admitted that has not ended; 0: there is none.
    OldestActiveAge "OldestActiveAge" Milliseconds,
    /// Of the processes that ended in the last five minutes, how many FAILED or TIMEOUT. Those that
    /// were cancelled count on neither side.
    ErrorRate "ErrorRate" Percent,
    /// Disagreements that the reconciler found; by rule, and all together.
    Drift "Drift" Count,
    /// Repairs that the reconciler could not make.
    RepairFailures "RepairFailures" Count,
    /// Tokens that the model read; by model, and all together.
    InputTokens "InputTokens" Count,
    /// Tokens that the model wrote; by model, and all together.
    OutputTokens "OutputTokens" Count,
}

impl Metric {
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

/// By what a metric is told from its like, besides the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    /// By nothing.
    Stack,
    /// Only by this dimension and its value: the sum over all values is another line's.
    Only(&'static str, &'a str),
    /// By this dimension and its value, and all together.
    Also(&'static str, &'a str),
}

/// One line of the log in the embedded metric format.
#[derive(Debug, Serialize)]
struct Line<'a> {
    #[serde(rename = "_aws")]
    declared: Declared<'a>,
    #[serde(flatten)]
    dimensions: BTreeMap<&'static str, &'a str>,
    #[serde(flatten)]
    values: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Declared<'a> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'a>; 1],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'static str,
    dimensions: &'a [&'a [&'static str]],
    metrics: Vec<Definition>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

/// Emits the metrics of one stack.
#[derive(Clone)]
pub struct Metrics {
    stack: Arc<str>,
    sink: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Metrics {
    /// The emitter of the stack whose prefix is `NAME_PREFIX`, into the log.
    #[must_use]
    pub fn read(environment: Environment<'_>) -> Self {
        // That a line cannot be written is no reason to fail what was measured.
        Self::new(environment.text("NAME_PREFIX").as_deref().unwrap_or_default(), |line| {
            drop(writeln!(std::io::stdout().lock(), "{line}"));
        })
    }

    /// The emitter of the stack with the prefix `prefix`, whose lines go to `sink`.
    #[must_use]
    pub fn new(prefix: &str, sink: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let stack = if prefix.is_empty() { DEFAULT_STACK } else { prefix };
        Self { stack: stack.into(), sink: Arc::new(sink) }
    }

    /// Emits `values` that were measured together; without any, nothing.
    pub fn emit(&self, now: DateTime<Utc>, by: By<'_>, values: &[(Metric, f64)]) {
        if values.is_empty() {
            return;
        }
        let mut dimensions = BTreeMap::from([(STACK, &*self.stack)]);
        let (all, one);
        let sets: &[&[&'static str]] = match by {
            By::Stack => &[&[STACK]],
            By::Only(name, value) => {
                dimensions.insert(name, value);
                one = [STACK, name];
                all = [one.as_slice(), &[]];
                &all[..1]
            }
            By::Also(name, value) => {
                dimensions.insert(name, value);
                one = [STACK, name];
                all = [one.as_slice(), &[STACK]];
                &all
            }
        };
        let definition =
            |(metric, _): &(Metric, f64)| Definition { name: metric.as_str(), unit: metric.unit() };
        let line = Line {
            declared: Declared {
                timestamp: now.timestamp_millis(),
                cloud_watch_metrics: [Directive {
                    namespace: NAMESPACE,
                    dimensions: sets,
                    metrics: values.iter().map(definition).collect(),
                }],
            },
            dimensions,
            values: values.iter().map(|(metric, value)| (metric.as_str(), *value)).collect(),
        };
        match serde_json::to_string(&line) {
            Ok(line) => (self.sink)(&line),
            Err(error) => tracing::warn!(%error, "a metric cannot be written"),
        }
    }

    /// Emits what has become true of a process.
    pub fn committed(&self, fact: Committed) {
        match fact {
            Committed::Accepted { at, .. } => self.emit(at, By::Stack, &[(Metric::Started, 1.0)]),
            Committed::Admitted { id, at } => {
                if let Some(waited) = milliseconds_since(id, at) {
                    self.emit(at, By::Stack, &[(Metric::WaitingTime, waited)]);
                }
            }
            Committed::Ended { id, status, at } => {
                let count = Metric::of_status(status).map(|metric| (metric, 1.0));
                let duration = (status == Status::Completed)
                    .then(|| milliseconds_since(id, at))
                    .flatten()
                    .map(|duration| (Metric::ProcessingDuration, duration));
                let values: Vec<_> = count.into_iter().chain(duration).collect();
                self.emit(at, By::Stack, &values);
            }
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("stack", &self.stack).finish_non_exhaustive()
    }
}

/// How long before `at` the process `id` was asked for. `None`: its id does not tell.
#[expect(clippy::cast_precision_loss, reason = "no process takes 2^52 milliseconds")]
fn milliseconds_since(id: ProcessId, at: DateTime<Utc>) -> Option<f64> {
    Some((at - id.made_at()?).num_milliseconds().max(0) as f64)
}

#[cfg(test)]
mod tests;
