//! For how long a process is kept after its end.

use chrono::{DateTime, TimeDelta, Utc};

use crate::environment::{Environment, EnvironmentError};

/// The longest that can be configured: a hundred years.
const MOST_DAYS: usize = 36_500;

/// For how long a process is kept after its end, with its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention(Option<TimeDelta>);

impl Default for Retention {
    fn default() -> Self {
        Self(Some(TimeDelta::days(90)))
    }
}

impl Retention {
    /// So many days; 0: for ever.
    #[must_use]
    pub const fn days(days: u32) -> Self {
        if days == 0 { Self(None) } else { Self(Some(TimeDelta::seconds(days as i64 * 86_400))) }
    }

    /// Reads `RETENTION_DAYS`: 90 by default, 0 for ever.
    ///
    /// # Errors
    /// Names the variable when it is wrong.
    pub fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let days = environment.count("RETENTION_DAYS", 90, 0..=MOST_DAYS)?;
        Ok(Self::days(u32::try_from(days).unwrap_or_default()))
    }

    /// In whole days; 0: for ever.
    #[must_use]
    pub fn as_days(self) -> u32 {
        let days = self.0.map(|kept| kept.num_days()).unwrap_or_default();
        u32::try_from(days).unwrap_or(u32::MAX)
    }

    /// What ended before this may go; `None`: nothing ever may.
    #[must_use]
    pub fn ends_at(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(self.0?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &'static str) -> Result<Retention, EnvironmentError> {
        Retention::read(Environment::new(&|name| {
            (name == "RETENTION_DAYS").then(|| value.to_owned())
        }))
    }

    #[test]
    fn it_is_90_days_unless_told_otherwise_and_0_is_for_ever() {
        assert_eq!(read(""), Ok(Retention::default()));
        assert_eq!(read("90"), Ok(Retention::default()));
        assert_eq!(read("0"), Ok(Retention::days(0)));
        for wrong in ["-1", "36501", "1.5", "a month"] {
            assert!(read(wrong).unwrap_err().0.contains("RETENTION_DAYS"), "{wrong}");
        }
    }

    #[test]
    fn what_ended_before_that_may_go() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(100);
        let day = |day| Some(DateTime::UNIX_EPOCH + TimeDelta::days(day));
        assert_eq!(Retention::default().ends_at(now), day(10));
        assert_eq!(Retention::days(1).ends_at(now), day(99));
        assert_eq!(Retention::days(0).ends_at(now), None);
    }
}
