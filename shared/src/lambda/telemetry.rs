//! Log lines: JSON on standard output, which is where Lambda collects them, with the fields of the
//! design's section 10. Each line carries the `requestId` of its invocation, so that it can be
//! joined with Lambda's own REPORT line, and the `traceId` where there is one.

use std::{
    fmt::{Debug, Write as _},
    io::Write as _,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::Targets,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use crate::clock::{Clock, SystemClock};

/// The invocation that is being handled. An environment handles one at a time.
static INVOCATION: Mutex<Invocation> = Mutex::new(Invocation { request_id: None, trace_id: None });

#[derive(Debug, Clone)]
struct Invocation {
    request_id: Option<String>,
    trace_id: Option<String>,
}

/// Starts logging at `level` (`info` if it is empty or unknown) for this library and for the crate
/// `function`; other libraries' lines are only heard from `warn` on.
pub(super) fn init(function: &'static str, level: &str) {
    let level = level.parse().unwrap_or(Level::INFO);
    let filter = Targets::new()
        .with_default(Level::WARN)
        .with_target(env!("CARGO_CRATE_NAME"), level)
        .with_target(function, level);
    tracing_subscriber::registry().with(JsonLines.with_filter(filter)).init();
}

/// Names the invocation that the lines from now on belong to.
pub(super) fn begin_invocation(request_id: &str, trace_id: Option<&str>) {
    let invocation = Invocation {
        request_id: Some(request_id.to_owned()),
        trace_id: trace_id.map(str::to_owned),
    };
    *INVOCATION.lock().unwrap_or_else(PoisonError::into_inner) = invocation;
}

struct JsonLines;

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let invocation = INVOCATION.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let line = line(SystemClock.now(), *event.metadata().level(), invocation, fields.0);
        // Whether anybody reads the log is no reason to fail what it tells about.
        drop(writeln!(std::io::stdout().lock(), "{line}"));
    }
}

fn line(
    now: DateTime<Utc>,
    level: Level,
    invocation: Invocation,
    fields: Map<String, Value>,
) -> Value {
    let mut line = Map::new();
    let mut set = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            line.insert(name.to_owned(), Value::String(value));
        }
    };
    set("timestamp", Some(now.to_rfc3339_opts(SecondsFormat::Micros, true)));
    set("level", Some(level.to_string()));
    set("requestId", invocation.request_id);
    set("traceId", invocation.trace_id);
    line.extend(fields);
    Value::Object(line)
}

/// The fields of one event.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        // `r#type` is how Rust spells a field that is called `type`.
        let name = field.name().strip_prefix("r#").unwrap_or(field.name());
        self.0.insert(name.to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing into a string does not fail; a value that refuses is left as far as it came.
        let _ = write!(text, "{value:?}");
        self.set(field, text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_line_carries_the_ids_of_its_invocation() {
        let invocation = Invocation { request_id: Some("r-1".into()), trace_id: None };
        let fields = Map::from_iter([("message".to_owned(), json!("done"))]);
        let line = line(DateTime::UNIX_EPOCH, Level::INFO, invocation, fields);
        let expected = json!({
            "timestamp": "1970-01-01T00:00:00.000000Z", "level": "INFO", "requestId": "r-1",
            "message": "done",
        });
        assert_eq!(line, expected);
    }
}
