//! The log of calls that `GET /_calls` shows. It is bounded, and it counts a call as dropped the
//! moment its client is gone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

/// How many calls are kept one by one; older ones are still counted.
const KEPT_CALLS: usize = 10_000;

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Answered as the schema asks.
    Ok,
    /// Answered with a throttling error.
    Throttled,
    /// Answered as unavailable.
    Unavailable,
    /// Answered with any other error.
    Error,
    /// Answered with nonsense.
    Garbage,
    /// Answered with a cut-off text.
    Truncated,
    /// Answered with what was posted to be sent as it stands.
    Reply,
    /// The client went away before the answer.
    Dropped,
}

#[derive(Debug, Clone, Serialize)]
struct Ended {
    model: String,
    at: String,
    outcome: Outcome,
}

/// Calls since the last reset.
#[derive(Debug, Default)]
struct Log {
    /// Rises with each reset, so that a call from before it leaves no trace in the new log.
    epoch: u64,
    total: u64,
    in_flight: u64,
    max_in_flight: u64,
    dropped: u64,
    throttled: u64,
    input_tokens: u64,
    output_tokens: u64,
    ended: VecDeque<Ended>,
}

/// What `GET /_calls` answers. `calls` are those that have ended, in the order in which they did.
/// The tokens are those of all answers, also of answers whose client had gone away.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    total: u64,
    in_flight: u64,
    max_in_flight: u64,
    dropped: u64,
    throttled: u64,
    input_tokens: u64,
    output_tokens: u64,
    calls: Vec<Ended>,
}

/// The shared log.
#[derive(Debug, Default, Clone)]
pub struct CallLog(Arc<Mutex<Log>>);

impl CallLog {
    /// Counts a call as arrived. It is in flight until the guard ends it or is dropped.
    pub fn arrived(&self, model: &str, at: DateTime<Utc>) -> InFlight {
        let mut log = self.lock();
        log.total += 1;
        log.in_flight += 1;
        log.max_in_flight = log.max_in_flight.max(log.in_flight);
        InFlight {
            log: self.clone(),
            epoch: log.epoch,
            model: model.to_owned(),
            at,
            tokens: (0, 0),
            ended: false,
        }
    }

    /// Starts a new log. Calls that are waiting stay in flight and are not logged when they end.
    pub fn reset(&self) {
        let mut log = self.lock();
        let (epoch, in_flight) = (log.epoch + 1, log.in_flight);
        *log = Log { epoch, in_flight, max_in_flight: in_flight, ..Log::default() };
    }

    /// The log as it stands.
    pub fn snapshot(&self) -> Snapshot {
        let log = self.lock();
        Snapshot {
            total: log.total,
            in_flight: log.in_flight,
            max_in_flight: log.max_in_flight,
            dropped: log.dropped,
            throttled: log.throttled,
            input_tokens: log.input_tokens,
            output_tokens: log.output_tokens,
            calls: log.ended.iter().cloned().collect(),
        }
    }

    /// Counters stay right whatever panicked while it held the lock: each change is complete in
    /// itself.
    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that has not been answered yet. Dropping it says that its client went away.
#[derive(Debug)]
pub struct InFlight {
    log: CallLog,
    epoch: u64,
    model: String,
    at: DateTime<Utc>,
    /// Input and output.
    tokens: (u64, u64),
    ended: bool,
}

impl InFlight {
    /// Notes what the answer costs, input and output tokens.
    pub fn costs(&mut self, tokens: (u64, u64)) {
        self.tokens = tokens;
    }

    /// Ends the call with its outcome.
    pub fn end(mut self, outcome: Outcome) {
        self.record(outcome);
    }

    fn record(&mut self, outcome: Outcome) {
        self.ended = true;
        let mut log = self.log.lock();
        log.in_flight -= 1;
        if log.epoch != self.epoch {
            return;
        }
        log.dropped += u64::from(outcome == Outcome::Dropped);
        log.throttled += u64::from(outcome == Outcome::Throttled);
        log.input_tokens = log.input_tokens.saturating_add(self.tokens.0);
        log.output_tokens = log.output_tokens.saturating_add(self.tokens.1);
        if log.ended.len() == KEPT_CALLS {
            log.ended.pop_front();
        }
        let at = self.at.to_rfc3339_opts(SecondsFormat::Millis, true);
        log.ended.push_back(Ended { model: std::mem::take(&mut self.model), at, outcome });
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if !self.ended {
            self.record(Outcome::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrive(log: &CallLog) -> InFlight {
        log.arrived("m", DateTime::UNIX_EPOCH)
    }

    #[test]
    fn a_call_is_in_flight_until_it_ends() {
        let log = CallLog::default();
        let (mut one, two) = (arrive(&log), arrive(&log));
        one.costs((600, 90));
        assert_eq!(log.snapshot().in_flight, 2);
        one.end(Outcome::Ok);
        two.end(Outcome::Throttled);
        let seen = serde_json::to_value(log.snapshot()).unwrap();
        let expected = serde_json::json!({"total": 2, "inFlight": 0, "maxInFlight": 2, "dropped": 0,
            "throttled": 1, "inputTokens": 600, "outputTokens": 90, "calls": [
            {"model": "m", "at": "1970-01-01T00:00:00.000Z", "outcome": "ok"},
            {"model": "m", "at": "1970-01-01T00:00:00.000Z", "outcome": "throttled"},
        ]});
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_call_that_is_let_go_counts_as_dropped() {
        let log = CallLog::default();
        drop(arrive(&log));
        let seen = log.snapshot();
        assert_eq!((seen.dropped, seen.in_flight, seen.calls[0].outcome), (1, 0, Outcome::Dropped));
    }

    #[test]
    fn a_call_from_before_a_reset_leaves_no_trace_after_it() {
        let log = CallLog::default();
        let old = arrive(&log);
        log.reset();
        assert_eq!((log.snapshot().total, log.snapshot().in_flight), (0, 1));
        drop(old);
        let seen = log.snapshot();
        assert_eq!((seen.total, seen.in_flight, seen.dropped, seen.calls.len()), (0, 0, 0, 0));
    }

    #[test]
    fn the_log_is_bounded_and_the_counters_are_not() {
        let log = CallLog::default();
        for _ in 0..KEPT_CALLS + 5 {
            arrive(&log).end(Outcome::Ok);
        }
        let seen = log.snapshot();
        assert_eq!((seen.total, seen.calls.len()), (KEPT_CALLS as u64 + 5, KEPT_CALLS));
    }
}
