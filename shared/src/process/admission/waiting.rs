//! What a waiting process is told.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr};

use super::Priority;
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

/// Another user of whom something waits, or the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// Calls in flight.
    pub calls: i32,
    /// Processes of theirs that wait, of the same priority.
    pub waiting: i32,
    /// Whether they are in turn before the one who asks, when both have as much in flight.
    pub in_turn_before: bool,
}

/// How many processes are admitted before the one that stands behind `own` of its user's, who has
/// `calls` in flight. The database counts in the same way (`processes_ahead` in migration 12). It
/// goes by what is known now: what ends, and who comes, changes it.
///
/// Each admission raises its user's calls by one. So another user's j-th waiting process comes
/// before this user's k-th if it starts from fewer calls, or from as many and is in turn.
#[must_use]
pub fn processes_ahead(
    priority: Priority,
    own: i32,
    calls: i32,
    others: &[Other],
    waiting_of_other_priority: i32,
) -> i32 {
    let before = |other: &Other| {
        (own + calls - other.calls + i32::from(other.in_turn_before)).clamp(0, other.waiting)
    };
    let ahead = own + others.iter().map(before).sum::<i32>();
    let between = match priority {
        Priority::Low => 7 * (ahead + 1),
        Priority::Normal => ahead / 7,
    };
    ahead + between.min(waiting_of_other_priority)
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

    #[test]
    fn a_lone_user_stands_behind_no_crowd() {
        let crowd = Other { calls: 8, waiting: 300, in_turn_before: true };
        assert_eq!(processes_ahead(Priority::Normal, 0, 0, &[crowd], 0), 0);
        let equal = Other { calls: 0, waiting: 1, in_turn_before: true };
        assert_eq!(processes_ahead(Priority::Normal, 0, 0, &[crowd, equal], 0), 1);
    }

    #[test]
    fn a_crowd_stands_behind_itself_and_behind_whoever_has_less() {
        let lone = Other { calls: 0, waiting: 1, in_turn_before: false };
        assert_eq!(processes_ahead(Priority::Normal, 5, 8, &[lone, lone], 0), 7);
    }

    #[test]
    fn of_two_crowds_each_goes_in_turn() {
        let other = Other { calls: 3, waiting: 50, in_turn_before: true };
        assert_eq!(processes_ahead(Priority::Normal, 4, 3, &[other], 0), 9);
    }

    #[test]
    fn low_stands_behind_seven_normal_ones_at_most() {
        assert_eq!(processes_ahead(Priority::Low, 0, 0, &[], 100), 7);
        assert_eq!(processes_ahead(Priority::Low, 0, 0, &[], 3), 3);
        assert_eq!(processes_ahead(Priority::Normal, 14, 0, &[], 100), 16);
    }
}
