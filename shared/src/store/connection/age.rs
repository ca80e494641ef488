//! When a connection is trusted, asked first, or replaced.

use std::time::{Duration, Instant, SystemTime};

/// A connection is replaced after this time, so that one to a server that has been demoted, and
/// still answers reads, is not kept for good.
const MAX_LIFETIME: Duration = Duration::from_mins(5);

/// What to do with a connection before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Trusted,
    Doubtful,
    TooOld,
}

/// A moment by both clocks. The monotonic one may stand still while the environment is frozen, and
/// the other may be set back.
#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }

    /// The longer of the times that the two clocks tell.
    fn until(self, later: Self) -> Duration {
        later
            .monotonic
            .duration_since(self.monotonic)
            .max(later.wall.duration_since(self.wall).unwrap_or_default())
    }
}

/// When a connection was made and last used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    made: Moment,
    used: Moment,
}

impl Age {
    pub(super) fn new() -> Self {
        let now = Moment::now();
        Self { made: now, used: now }
    }

    pub(super) fn note_use(&mut self) {
        self.used = Moment::now();
    }

    /// `trusted_idle`: how long an idle connection is trusted.
    pub(super) fn judge(self, trusted_idle: Duration) -> Judgement {
        self.judge_at(Moment::now(), trusted_idle)
    }

    fn judge_at(self, now: Moment, trusted_idle: Duration) -> Judgement {
        if self.made.until(now) > MAX_LIFETIME {
            Judgement::TooOld
        } else if self.used.until(now) > trusted_idle {
            Judgement::Doubtful
        } else {
            Judgement::Trusted
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_secs(1);

    fn after(moment: Moment, monotonic: Duration, wall: Duration) -> Moment {
        Moment { monotonic: moment.monotonic + monotonic, wall: moment.wall + wall }
    }

    // protocol.md B2
    #[test]
    fn a_freeze_that_only_one_clock_saw_casts_doubt() {
        let age = Age::new();
        let (short, long) = (Duration::from_millis(500), Duration::from_mins(4));
        let judge = |monotonic, wall| age.judge_at(after(age.used, monotonic, wall), IDLE);
        assert_eq!(judge(short, short), Judgement::Trusted);
        assert_eq!(judge(short, long), Judgement::Doubtful);
        assert_eq!(judge(long, short), Judgement::Doubtful);
        assert_eq!(judge(short, long * 2), Judgement::TooOld);
        assert_eq!(judge(long * 2, Duration::ZERO), Judgement::TooOld);
    }

    #[test]
    fn a_wall_clock_that_is_set_back_does_no_harm() {
        let age = Age::new();
        let earlier =
            Moment { monotonic: age.used.monotonic, wall: age.used.wall - Duration::from_mins(1) };
        assert_eq!(age.judge_at(earlier, IDLE), Judgement::Trusted);
    }
}
