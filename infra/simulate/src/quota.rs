//! What the models give: so many requests a minute, and some at once after a rest.

use chrono::{DateTime, TimeDelta, Utc};
use shared::process::admission::MODEL_RESTS_FOR;

/// A bucket that fills by the second.
#[derive(Debug, Clone)]
struct Bucket {
    per_second: f64,
    holds: f64,
    has: f64,
    at: DateTime<Utc>,
    refused_at: Option<DateTime<Utc>>,
}

impl Bucket {
    fn take(&mut self, now: DateTime<Utc>) -> bool {
        let rest = seconds(now - self.at);
        self.has = (self.has + rest * self.per_second).min(self.holds);
        self.at = now;
        let is_given = self.has >= 1.0;
        if is_given {
            self.has -= 1.0;
        } else {
            self.refused_at = Some(now);
        }
        is_given
    }

    fn rests(&self, now: DateTime<Utc>) -> bool {
        self.refused_at.is_some_and(|refused| now - refused < MODEL_RESTS_FOR)
    }
}

/// What asking came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether a model took the call.
    pub(crate) is_taken: bool,
    /// The models that refused it.
    pub(crate) refusals: u64,
}

/// The models, in order of preference.
#[derive(Debug, Clone)]
pub(crate) struct Models(Vec<Bucket>);

impl Models {
    /// `count` models, each with such a quota, full at `now`.
    pub(crate) fn new(count: usize, per_minute: u32, burst: u32, now: DateTime<Utc>) -> Self {
        let bucket = Bucket {
            per_second: f64::from(per_minute) / 60.0,
            holds: f64::from(burst),
            has: f64::from(burst),
            at: now,
            refused_at: None,
        };
        Self(vec![bucket; count])
    }

    /// Asks one after the other, as the worker does: those last that have refused just now.
    pub(crate) fn ask(&mut self, now: DateTime<Utc>) -> Asked {
        let mut order: Vec<&mut Bucket> = self.0.iter_mut().collect();
        order.sort_by_key(|bucket| bucket.rests(now));
        let mut refusals = 0;
        for bucket in order {
            if bucket.take(now) {
                return Asked { is_taken: true, refusals };
            }
            refusals += 1;
        }
        Asked { is_taken: false, refusals }
    }
}

/// As a number.
pub(crate) fn seconds(span: TimeDelta) -> f64 {
    span.as_seconds_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn a_burst_is_taken_at_once_and_then_one_a_second() {
        let mut models = Models::new(1, 60, 2, at(0));
        let taken = |models: &mut Models, ms| models.ask(at(ms)).is_taken;
        assert!(taken(&mut models, 0) && taken(&mut models, 0));
        assert!(!taken(&mut models, 999));
        assert!(taken(&mut models, 1_000));
    }

    #[test]
    fn the_second_model_takes_what_the_first_refuses_and_is_asked_first_for_a_while() {
        let mut models = Models::new(2, 60, 1, at(0));
        assert_eq!(models.ask(at(0)), Asked { is_taken: true, refusals: 0 });
        assert_eq!(models.ask(at(0)), Asked { is_taken: true, refusals: 1 });
        assert_eq!(models.ask(at(0)), Asked { is_taken: false, refusals: 2 });
        assert_eq!(models.ask(at(9_000)), Asked { is_taken: true, refusals: 0 });
    }
}
