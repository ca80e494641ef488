//! What a waiting process is told.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

use crate::process::estimate;

/// Why a PENDING process has not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, EnumString)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitingReason {
    /// All model calls are taken.
    Capacity,
    /// Its user has as many calls in flight as one may have.
    UserLimit,
    /// An operator has paused admission.
    Paused,
    /// It is admitted, and its execution is being started.
    Starting,
}

/// Why a process waits, and for how long about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// Why.
    pub reason: WaitingReason,
    /// Processes that come before it.
    pub ahead: i32,
    /// Model calls that may be in flight.
    #[serde(skip)]
    pub calls_in_force: i32,
}

/// When a process will probably be done that waits at `now`. Those ahead of it are taken to last as
/// long as its own type does (`recent_seconds`, from admission to completion), and as many of them
/// run at once as calls may be in flight.
#[must_use]
pub fn completion_time(
    waiting: Waiting,
    recent_seconds: Option<f64>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let own = estimate::completion_time(now, recent_seconds, now) - now;
    let rounds = match waiting.reason {
        WaitingReason::Starting => 0,
        WaitingReason::Capacity | WaitingReason::UserLimit | WaitingReason::Paused => {
            waiting.ahead / waiting.calls_in_force.max(1) + 1
        }
    };
    now + own.checked_mul(rounds + 1).unwrap_or(TimeDelta::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_estimate_counts_the_rounds_before_it() {
        let done = |reason, ahead| {
            let waiting = Waiting { reason, ahead, calls_in_force: 10 };
            (completion_time(waiting, Some(20.0), at(0)) - at(0)).num_seconds()
        };
        assert_eq!(done(WaitingReason::Starting, 0), 20);
        assert_eq!(done(WaitingReason::Capacity, 0), 40);
        assert_eq!(done(WaitingReason::Capacity, 25), 80);
    }
}
