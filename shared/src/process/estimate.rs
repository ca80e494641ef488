//! When a process will probably be done, and when it is worth while to ask again.

use chrono::{DateTime, TimeDelta, Utc};

use crate::process::Status;

/// Seconds that a generation takes when nothing is known of recent ones.
const DEFAULT_SECONDS: f64 = 60.0;
/// A poll is worth while every 1–15 seconds.
const POLL_SECONDS: std::ops::RangeInclusive<i64> = 1..=15;

/// When a process created at `created_at` will be done. `recent_seconds` is the median duration of
/// recent processes of its type. Never in the past: one that takes longer than usual is said to
/// need a tenth of the usual time more.
#[must_use]
pub fn completion_time(
    created_at: DateTime<Utc>,
    recent_seconds: Option<f64>,
    now: DateTime<Utc>,
) -> DateTime<Utc> {
    let usual = recent_seconds
        .filter(|seconds| seconds.is_finite() && *seconds > 0.0)
        .unwrap_or(DEFAULT_SECONDS);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "float to integer casts saturate, and no duration comes near the limit"
    )]
    let after = |seconds: f64| TimeDelta::milliseconds((seconds * 1_000.0) as i64);
    (created_at + after(usual)).max(now + after((usual / 10.0).max(1.0)))
}

/// Seconds until the next poll is worth while, within 1–15: half of what is left until
/// `completion`.
#[must_use]
pub fn poll_after(completion: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    ((completion - now).num_seconds() / 2).clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end())
}

/// Seconds until the next poll is worth while, for a process that is still active, within 1–15:
/// half of what is left by the estimate. While nothing is known of recent processes the estimate is
/// a guess, so it is as long as the process has already taken, where that is less: a quick one is
/// then not waited for in vain.
#[must_use]
pub fn poll_after_seconds(
    status: Status,
    created_at: DateTime<Utc>,
    recent_seconds: Option<f64>,
    now: DateTime<Utc>,
) -> Option<i64> {
    let left = (completion_time(created_at, recent_seconds, now) - now).num_seconds() / 2;
    let wait =
        if recent_seconds.is_some() { left } else { left.min((now - created_at).num_seconds()) };
    status.is_active().then(|| wait.clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end()))
}

/// Seconds until the next look at a batch of requests is worth while, within 1–15, while some of
/// its processes are active: a quarter of the time that it has already taken. Nothing is known of
/// how long many processes of several types take together.
#[must_use]
pub fn poll_batch_after_seconds(created_at: DateTime<Utc>, now: DateTime<Utc>) -> i64 {
    ((now - created_at).num_seconds() / 4).clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_estimate_is_the_usual_duration_after_the_start() {
        assert_eq!(completion_time(at(100), Some(20.0), at(100)), at(120));
        assert_eq!(completion_time(at(100), None, at(101)), at(160));
        assert_eq!(completion_time(at(100), Some(f64::NAN), at(101)), at(160));
    }

    #[test]
    fn a_poll_is_worth_while_after_half_of_what_is_left() {
        let wait = |recent, age: i64| {
            poll_after_seconds(Status::Processing, at(100), recent, at(100 + age)).unwrap()
        };
        assert_eq!([0, 10, 16, 19, 60].map(|age| wait(Some(20.0), age)), [10, 5, 2, 1, 1]);
        assert_eq!(wait(Some(600.0), 0), 15);
    }

    #[test]
    fn while_nothing_is_known_waits_grow_with_the_age() {
        let wait =
            |age: i64| poll_after_seconds(Status::Pending, at(100), None, at(100 + age)).unwrap();
        assert_eq!([0, 1, 2, 4, 8, 20, 50].map(wait), [1, 1, 2, 4, 8, 15, 5]);
    }

    #[test]
    fn the_waits_for_a_batch_grow_with_its_age() {
        let wait = |age: i64| poll_batch_after_seconds(at(100), at(100 + age));
        assert_eq!([-5, 0, 7, 20, 60, 3_600].map(wait), [1, 1, 1, 5, 15, 15]);
    }

    #[test]
    fn what_has_ended_need_not_be_asked_for_again() {
        for status in Status::ALL {
            assert_eq!(
                poll_after_seconds(*status, at(100), None, at(100)).is_some(),
                status.is_active()
            );
        }
    }

    #[test]
    fn a_late_process_is_never_estimated_into_the_past() {
        assert_eq!(completion_time(at(100), Some(20.0), at(500)), at(502));
    }
}
