//! How long something took, of many.

use anyhow::{Result, anyhow};
use chrono::TimeDelta;
use hdrhistogram::Histogram;

/// Digits that are kept of each time: a thousandth is nobody's concern.
const DIGITS: u8 = 3;

/// Times, in milliseconds. It grows with the longest of them, not with how many there are.
#[derive(Debug)]
pub(in super::super) struct Spread(Histogram<u64>);

impl Spread {
    pub(in super::super) fn new() -> Result<Self> {
        Histogram::new(DIGITS).map(Self).map_err(|error| anyhow!("no histogram: {error}"))
    }

    pub(in super::super) fn record(&mut self, time: TimeDelta) -> Result<()> {
        let millis = u64::try_from(time.num_milliseconds()).unwrap_or_default();
        self.0.record(millis).map_err(|error| anyhow!("{time} is no time to be counted: {error}"))
    }

    pub(in super::super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The seconds that so large a part of them took at the most; `None`: there are none.
    pub(in super::super) fn at(&self, part: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| seconds(self.0.value_at_quantile(part)))
    }

    pub(in super::super) fn median(&self) -> Option<f64> {
        self.at(0.5)
    }

    /// How many took so many milliseconds or longer, and less than so many.
    pub(in super::super) fn between(&self, from: u64, below: u64) -> u64 {
        self.0.count_between(from, below.saturating_sub(1))
    }
}

#[expect(clippy::cast_precision_loss, reason = "no time comes near 2^53 ms")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_none_there_is_no_median_and_of_many_it_is_right_to_a_thousandth() {
        let mut spread = Spread::new().unwrap();
        assert_eq!((spread.median(), spread.count()), (None, 0));
        for second in 1..=100_i64 {
            spread.record(TimeDelta::seconds(second)).unwrap();
        }
        let near = |part, right: f64| (spread.at(part).unwrap() / right - 1.0).abs() < 2e-3;
        assert!(near(0.5, 50.0) && near(0.95, 95.0) && near(1.0, 100.0));
        assert_eq!(spread.between(0, 10_500), 10);
    }

    #[test]
    fn a_month_is_a_time_and_one_before_its_begin_counts_as_none() {
        let mut spread = Spread::new().unwrap();
        spread.record(TimeDelta::days(31)).unwrap();
        spread.record(TimeDelta::seconds(-1)).unwrap();
        assert_eq!(spread.at(0.1), Some(0.0));
    }
}
