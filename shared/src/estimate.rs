//! When a process will probably be done, and when it is worth while to ask again.

use chrono::{DateTime, TimeDelta, Utc};

use crate::process::{Process, Status};

/// Seconds that a generation takes when nothing is known of recent ones.
const DEFAULT_SECONDS: f64 = 60.0;
/// A poll is worth while every 1–15 seconds.
const POLL_SECONDS: std::ops::RangeInclusive<i64> = 1..=15;

/// When a process created at `created_at` will be done. `recent_seconds` is the median duration of recent processes of its type.
/// Never in the past: one that takes longer than usual is said to need a tenth of the usual time more.
#[must_use]
pub fn completion_time(created_at: DateTime<Utc>, recent_seconds: Option<f64>, now: DateTime<Utc>) -> DateTime<Utc> {
    let usual = recent_seconds.filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(DEFAULT_SECONDS);
    #[expect(clippy::cast_possible_truncation, reason = "float to integer casts saturate, and no duration comes near the limit")]
    let after = |seconds: f64| TimeDelta::milliseconds((seconds * 1_000.0) as i64);
    (created_at + after(usual)).max(now + after((usual / 10.0).max(1.0)))
}

/// Seconds until the next poll is worth while, for a process that is still active: half of what is left, within 1–15.
#[must_use]
pub fn poll_after_seconds(process: &Process, estimated: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    let left = (estimated - now).num_seconds() / 2;
    matches!(process.status, Status::Pending | Status::Processing).then(|| left.clamp(*POLL_SECONDS.start(), *POLL_SECONDS.end()))
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
    fn a_late_process_is_never_estimated_into_the_past() {
        assert_eq!(completion_time(at(100), Some(20.0), at(500)), at(502));
    }
}
