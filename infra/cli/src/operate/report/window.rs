//! The time that is looked at, in buckets that begin at full hours and the like of the clock that
//! is shown.

use chrono::{DateTime, FixedOffset, TimeDelta, Utc};

/// Buckets at the most: as many as are told apart on the width of a telephone.
const MOST_BUCKETS: i64 = 48;
/// How wide a bucket may be, in minutes.
const WIDTHS: [i64; 11] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720];
const DAY: i64 = 24 * 60;

/// A time with a begin and an end, in buckets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// By which clock it is shown.
    pub offset: FixedOffset,
    /// How wide a bucket is.
    pub width: TimeDelta,
    /// When the first bucket begins, at `since` or before.
    first: DateTime<Utc>,
}

impl Window {
    /// The last `hours` hours.
    pub(super) fn ending(until: DateTime<Utc>, hours: u32, offset: FixedOffset) -> Self {
        let length = TimeDelta::hours(i64::from(hours));
        let fits = |minutes: &i64| length.num_minutes() <= minutes * MOST_BUCKETS;
        let width = TimeDelta::minutes(WIDTHS.into_iter().find(fits).unwrap_or(DAY));
        let since = until - length;
        let shown = since.timestamp() + i64::from(offset.local_minus_utc());
        let into = TimeDelta::seconds(shown.rem_euclid(width.num_seconds()));
        let first = since - into - TimeDelta::nanoseconds(since.timestamp_subsec_nanos().into());
        Self { since, until, offset, width, first }
    }

    /// How many buckets.
    pub(super) fn buckets(&self) -> usize {
        self.index(self.until - TimeDelta::nanoseconds(1)).map_or(0, |last| last + 1)
    }

    /// In which bucket `at` lies; `None`: it lies outside.
    pub(super) fn bucket(&self, at: DateTime<Utc>) -> Option<usize> {
        self.contains(at).then(|| self.index(at)).flatten()
    }

    pub(super) fn contains(&self, at: DateTime<Utc>) -> bool {
        (self.since..self.until).contains(&at)
    }

    fn index(&self, at: DateTime<Utc>) -> Option<usize> {
        let seconds = (at - self.first).num_seconds();
        usize::try_from(seconds / self.width.num_seconds()).ok()
    }

    /// From when to when each bucket reaches within the window.
    pub(super) fn spans(&self) -> impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)> {
        let (since, until, width) = (self.since, self.until, self.width);
        let starts = std::iter::successors(Some(self.first), move |start| Some(*start + width));
        let spans = starts.map(move |start| (start.max(since), (start + width).min(until)));
        spans.take(self.buckets())
    }

    /// When each bucket begins, by the clock that is shown.
    pub(super) fn starts(&self) -> impl Iterator<Item = DateTime<FixedOffset>> {
        let (first, width) = (self.shown(self.first), self.width);
        std::iter::successors(Some(first), move |start| Some(*start + width)).take(self.buckets())
    }

    /// A time by the clock that is shown.
    pub(super) fn shown(&self, at: DateTime<Utc>) -> DateTime<FixedOffset> {
        at.with_timezone(&self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(until: &str, hours: u32, offset: &str) -> Window {
        Window::ending(until.parse().unwrap(), hours, offset.parse().unwrap())
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn there_are_never_more_buckets_than_can_be_drawn() {
        for hours in 1..=744 {
            let buckets = window("2026-11-26T04:10:30.5Z", hours, "+09:00").buckets();
            assert!((20..=50).contains(&buckets), "{hours} hours: {buckets}");
        }
    }

    #[test]
    fn buckets_begin_at_full_times_of_the_clock_that_is_shown() {
        let starts = |offset: &str| -> Vec<_> {
            window("2026-11-26T04:10:30.5Z", 744, offset).starts().take(2).collect()
        };
        assert_eq!(starts("+09:00")[0].to_rfc3339(), "2026-10-26T00:00:00+09:00");
        assert_eq!(starts("-03:30")[1].to_rfc3339(), "2026-10-27T00:00:00-03:30");
    }

    #[test]
    fn the_begin_is_within_and_the_end_is_not() {
        let window = window("2026-11-26T04:00:00Z", 24, "+00:00");
        assert_eq!(window.width, TimeDelta::minutes(30));
        assert_eq!(window.buckets(), 48);
        assert_eq!(window.bucket(at("2026-11-25T04:00:00Z")), Some(0));
        assert_eq!(window.bucket(at("2026-11-26T03:59:59.9Z")), Some(47));
        assert_eq!(window.bucket(at("2026-11-26T04:00:00Z")), None);
        assert_eq!(window.bucket(at("2026-11-25T03:59:59Z")), None);
    }

    #[test]
    fn the_first_and_the_last_bucket_reach_no_further_than_the_window() {
        let window = window("2026-11-26T04:10:00Z", 24, "+00:00");
        let spans: Vec<_> = window.spans().collect();
        assert_eq!(spans[0], (at("2026-11-25T04:10:00Z"), at("2026-11-25T04:30:00Z")));
        assert_eq!(spans[48], (at("2026-11-26T04:00:00Z"), at("2026-11-26T04:10:00Z")));
        assert_eq!(spans.len(), 49);
    }
}
