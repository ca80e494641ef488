//! How long things may take, and how often they may fail, before they count as drift.

use chrono::TimeDelta;

/// How long things may take before they count as drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// A process may wait this long for its execution (R1).
    pub start_grace: TimeDelta,
    /// A process may be worked on this long (R9): since its first claim, or, where no worker has
    /// claimed it, since its execution began.
    pub time_limit: TimeDelta,
    /// What is added to the time limit (R9), and how long an execution may outlive its process
    /// (R10).
    pub grace: TimeDelta,
    /// How long Step Functions may not find an execution that it has started: what it describes is
    /// eventually consistent (R1, R8).
    pub visibility: TimeDelta,
    /// So many starts must have failed (R1) …
    pub start_tries: i16,
    /// … over so long a time, before the process ends.
    pub start_tries_over: TimeDelta,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start_grace: TimeDelta::seconds(60),
            time_limit: TimeDelta::hours(1),
            grace: TimeDelta::seconds(60),
            visibility: TimeDelta::seconds(60),
            start_tries: 3,
            start_tries_over: TimeDelta::minutes(15),
        }
    }
}
