//! How long to wait before something is tried again.

use std::time::Duration;

/// Waits that grow, where nobody says how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The first wait of our own, and the shortest at all.
    pub first: Duration,
    /// The longest of our own.
    pub longest: Duration,
}

impl Pace {
    pub(super) const USUAL: Self =
        Self { first: Duration::from_secs(1), longest: Duration::from_mins(1) };

    /// What was asked for; or else twice as long each time, from `tries` 0 on.
    pub(super) fn wait(self, asked: Option<Duration>, tries: u32) -> Duration {
        match asked {
            Some(asked) => asked.max(self.first),
            None => self.first.saturating_mul(1 << tries.min(16)).min(self.longest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_how_long_waits_that_long() {
        let day = Duration::from_hours(24);
        assert_eq!(Pace::USUAL.wait(Some(day), 9), day);
        assert_eq!(Pace::USUAL.wait(Some(Duration::ZERO), 0), Duration::from_secs(1));
    }

    #[test]
    fn left_alone_the_waits_grow_to_a_minute() {
        let waits: Vec<u64> =
            [0, 1, 2, 5, 6, 99].map(|tries| Pace::USUAL.wait(None, tries).as_secs()).into();
        assert_eq!(waits, [1, 2, 4, 32, 60, 60]);
    }
}
