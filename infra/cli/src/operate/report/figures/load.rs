//! How many were at it at once, over time.

use chrono::{DateTime, TimeDelta, Utc};

use super::super::window::Window;

/// Into how many slices the window is cut: of a day, a slice is a second.
const SLICES: usize = 86_400;

/// How many were at it at once. Its size goes by the window alone.
#[derive(Debug)]
pub(in super::super) struct Load {
    window: Window,
    /// By how much the number rises or falls with each slice.
    changes: Vec<i32>,
    /// Milliseconds of all of them together, by bucket.
    spent: Vec<i64>,
}

/// How many were at it at once in a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in super::super) struct Busy {
    /// On the average.
    pub mean: f64,
    /// In its fullest slice. Whoever came and went within a slice counts for all of it.
    pub most: i32,
}

impl Load {
    pub(super) fn of(window: Window) -> Self {
        Self { window, changes: vec![0; SLICES + 1], spent: vec![0; window.buckets()] }
    }

    /// One was at it from then to then.
    pub(super) fn add(&mut self, from: DateTime<Utc>, to: DateTime<Utc>) {
        let Window { since, until, .. } = self.window;
        let (from, to) = (from.max(since), to.min(until));
        if from >= to {
            return;
        }
        let first = self.slice(from);
        let last = self.slice_before(to).max(first);
        self.changes[first] += 1;
        self.changes[last + 1] -= 1;
        let spans = self.window.spans();
        for (spent, (start, end)) in self.spent.iter_mut().zip(spans) {
            *spent += (end.min(to) - start.max(from)).num_milliseconds().max(0);
        }
    }

    /// In which slice the moment before `at` lies.
    fn slice_before(&self, at: DateTime<Utc>) -> usize {
        self.slice(at - TimeDelta::milliseconds(1))
    }

    /// In which slice `at` lies.
    fn slice(&self, at: DateTime<Utc>) -> usize {
        let Window { since, until, .. } = self.window;
        let all = (until - since).num_milliseconds().max(1);
        let slices = i64::try_from(SLICES).unwrap_or(i64::MAX);
        let slice = (at - since).num_milliseconds() * slices / all;
        usize::try_from(slice).unwrap_or_default().min(SLICES - 1)
    }

    /// Bucket by bucket.
    pub(in super::super) fn busy(&self) -> Vec<Busy> {
        let levels: Vec<i32> = self
            .changes
            .iter()
            .scan(0, |level, change| {
                *level += change;
                Some(*level)
            })
            .collect();
        let of_bucket = |((start, end), spent): ((DateTime<Utc>, DateTime<Utc>), &i64)| {
            let first = self.slice(start);
            let slices = &levels[first..=self.slice_before(end).max(first)];
            let length = (end - start).num_milliseconds().max(1);
            #[expect(clippy::cast_precision_loss, reason = "no sum comes near 2^53 ms")]
            let mean = *spent as f64 / length as f64;
            Busy { mean, most: slices.iter().copied().max().unwrap_or_default() }
        };
        self.window.spans().zip(&self.spent).map(of_bucket).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(lives: &[(i64, i64)]) -> Vec<Busy> {
        let until = "2026-11-26T04:00:00Z".parse().unwrap();
        let window = Window::ending(until, 1, "+00:00".parse().unwrap());
        assert_eq!((window.width, window.buckets()), (TimeDelta::minutes(2), 30));
        let mut load = Load::of(window);
        for (from, to) in lives {
            let at = |seconds: &i64| window.since + TimeDelta::seconds(*seconds);
            load.add(at(from), at(to));
        }
        load.busy()
    }

    #[test]
    fn those_at_it_together_are_counted_together() {
        let busy = load(&[(0, 60), (30, 60), (61, 120), (130, 135)]);
        assert_eq!(busy[0], Busy { mean: 149.0 / 120.0, most: 2 });
        assert_eq!(busy[1].most, 1);
        assert_eq!(busy[2], Busy { mean: 0.0, most: 0 });
    }

    #[test]
    fn what_began_before_or_ended_after_counts_within() {
        let busy = load(&[(-9_999, 99_999), (-20, -10), (3_600, 3_700)]);
        assert!(busy.iter().all(|busy| *busy == Busy { mean: 1.0, most: 1 }), "{busy:?}");
    }

    #[test]
    fn the_shortest_is_seen() {
        let until = "2026-11-26T04:00:00Z".parse().unwrap();
        let window = Window::ending(until, 744, "+00:00".parse().unwrap());
        let mut load = Load::of(window);
        let begin = window.since + TimeDelta::milliseconds(100);
        load.add(begin, begin + TimeDelta::milliseconds(1));
        assert_eq!(load.busy()[0].most, 1);
    }
}
