//! A quota as Bedrock has it, by model: requests and tokens a minute, each a bucket that refills
//! continuously.
//!
//! A call takes one request, and as many tokens as it may come to cost: its input and its
//! `maxTokens`. When it has ended, what it did not use goes back. A call that does not fit into
//! both buckets takes nothing from either. Time is an argument: how long the server has run.

use std::{collections::BTreeMap, time::Duration};

/// Which bucket has run dry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// That of requests.
    Requests,
    /// That of tokens.
    Tokens,
}

impl Exhausted {
    /// What Bedrock says then.
    pub fn message(self) -> &'static str {
        match self {
            Self::Requests => "Too many requests, please wait before trying again.",
            Self::Tokens => "Too many tokens, please wait before trying again.",
        }
    }
}

/// How much a bucket holds and how fast it refills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// What flows in, in a minute.
    pub per_minute: u64,
    /// The most that it holds: so much can be taken at once.
    pub capacity: u64,
    /// Which post set it. A quota that is posted again starts with a full bucket.
    pub origin: usize,
}

/// The limits of one call's model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Calls.
    pub requests: Option<Limit>,
    /// Tokens.
    pub tokens: Option<Limit>,
}

/// Nanoseconds of a minute: levels are kept in this part of a unit, so that no refill is ever
/// rounded.
const MINUTE: i128 = 60_000_000_000;

#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: Limit,
    /// In units of `MINUTE`; below zero when more was used than reserved.
    level: i128,
    at: Duration,
}

impl Bucket {
    fn full(limit: Limit, now: Duration) -> Self {
        Self { limit, level: i128::from(limit.capacity) * MINUTE, at: now }
    }

    /// What has flowed in by `now`; a `limit` from another post starts anew.
    fn refill(&mut self, limit: Limit, now: Duration) {
        if limit.origin != self.limit.origin {
            *self = Self::full(limit, now);
        }
        self.limit = limit;
        let passed = now.saturating_sub(self.at).as_nanos().try_into().unwrap_or(i128::MAX);
        self.add(i128::from(limit.per_minute).saturating_mul(passed));
        self.at = self.at.max(now);
    }

    fn add(&mut self, amount: i128) {
        let most = i128::from(self.limit.capacity) * MINUTE;
        self.level = self.level.saturating_add(amount).min(most);
    }

    fn holds(&self, amount: u64) -> bool {
        self.level >= i128::from(amount) * MINUTE
    }

    fn whole(&self) -> i64 {
        i64::try_from(self.level.div_euclid(MINUTE)).unwrap_or(i64::MAX)
    }
}

/// Tokens that a call holds until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    model: String,
    origin: usize,
    tokens: u64,
}

/// What is left of the quotas of each model that was called.
#[derive(Debug, Default)]
pub struct Quotas {
    requests: BTreeMap<String, Bucket>,
    tokens: BTreeMap<String, Bucket>,
}

impl Quotas {
    /// Lets a call of `tokens` pass, or says which bucket has not enough.
    pub fn admit(
        &mut self,
        model: &str,
        limits: Limits,
        tokens: u64,
        now: Duration,
    ) -> Result<Option<Reservation>, Exhausted> {
        let requests = limits.requests.map(|limit| bucket(&mut self.requests, model, limit, now));
        let of_tokens = limits.tokens.map(|limit| bucket(&mut self.tokens, model, limit, now));
        if requests.as_ref().is_some_and(|bucket| !bucket.holds(1)) {
            return Err(Exhausted::Requests);
        }
        if of_tokens.as_ref().is_some_and(|bucket| !bucket.holds(tokens)) {
            return Err(Exhausted::Tokens);
        }
        if let Some(bucket) = requests {
            bucket.add(-MINUTE);
        }
        Ok(of_tokens.map(|bucket| {
            bucket.add(-i128::from(tokens) * MINUTE);
            Reservation { model: model.to_owned(), origin: bucket.limit.origin, tokens }
        }))
    }

    /// Ends a call that used `used` tokens: gives back the rest of what it held, or takes what it
    /// used beyond that.
    pub fn settle(&mut self, reservation: &Reservation, used: u64, now: Duration) {
        let Some(bucket) = self.tokens.get_mut(&reservation.model) else { return };
        if bucket.limit.origin != reservation.origin {
            return;
        }
        bucket.refill(bucket.limit, now);
        bucket.add((i128::from(reservation.tokens) - i128::from(used)) * MINUTE);
    }

    /// Forgets every bucket: the next call meets full ones.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whole requests and tokens left for each model at its last call, for people to look at.
    pub fn left(&self) -> impl Iterator<Item = (&str, Option<i64>, Option<i64>)> {
        let only_tokens = self.tokens.keys().filter(|model| !self.requests.contains_key(*model));
        self.requests.keys().chain(only_tokens).map(|model| {
            (
                model.as_str(),
                self.requests.get(model).map(Bucket::whole),
                self.tokens.get(model).map(Bucket::whole),
            )
        })
    }
}

fn bucket<'a>(
    buckets: &'a mut BTreeMap<String, Bucket>,
    model: &str,
    limit: Limit,
    now: Duration,
) -> &'a mut Bucket {
    let bucket = buckets.entry(model.to_owned()).or_insert_with(|| Bucket::full(limit, now));
    bucket.refill(limit, now);
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_minute: u64, capacity: u64) -> Limit {
        Limit { per_minute, capacity, origin: 0 }
    }

    fn requests(per_minute: u64, capacity: u64) -> Limits {
        Limits { requests: Some(limit(per_minute, capacity)), tokens: None }
    }

    fn tokens(per_minute: u64) -> Limits {
        Limits { requests: None, tokens: Some(limit(per_minute, per_minute)) }
    }

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    fn passes(quotas: &mut Quotas, limits: Limits, now: Duration) -> bool {
        quotas.admit("m", limits, 1, now).is_ok()
    }

    #[test]
    fn a_burst_passes_at_once_and_then_one_call_for_each_part_of_a_minute() {
        let (mut quotas, limits) = (Quotas::default(), requests(60, 3));
        let burst = [0, 0, 0, 0].map(|now| passes(&mut quotas, limits, at(now)));
        assert_eq!(burst, [true, true, true, false]);
        assert!(!passes(&mut quotas, limits, at(999)));
        assert!(passes(&mut quotas, limits, at(1_000)));
        assert!(!passes(&mut quotas, limits, at(1_000)));
        assert!(passes(&mut quotas, limits, at(2_000)));
    }

    #[test]
    fn in_any_minute_no_more_pass_than_the_burst_and_the_minutes_worth() {
        for (per_minute, capacity) in [(1, 1), (7, 2), (60, 10), (600, 1), (1_000, 1_000)] {
            let (mut quotas, limits) = (Quotas::default(), requests(per_minute, capacity));
            let passed =
                (0..60_000).filter(|now| passes(&mut quotas, limits, at(*now))).count() as u64;
            assert!((per_minute..capacity + per_minute).contains(&passed), "{passed}");
        }
    }

    #[test]
    fn a_refused_call_takes_nothing() {
        let mut quotas = Quotas::default();
        let limits = Limits { requests: Some(limit(60, 1)), tokens: Some(limit(100, 100)) };
        assert_eq!(quotas.admit("m", limits, 101, at(0)), Err(Exhausted::Tokens));
        assert!(quotas.admit("m", limits, 100, at(0)).is_ok());
        assert_eq!(quotas.admit("m", limits, 0, at(0)), Err(Exhausted::Requests));
        for now in 1..1_000 {
            assert!(quotas.admit("m", limits, 0, at(now)).is_err());
        }
        assert!(quotas.admit("m", limits, 1, at(1_000)).is_ok());
    }

    #[test]
    fn a_full_bucket_does_not_run_over() {
        let (mut quotas, limits) = (Quotas::default(), requests(60, 2));
        let day = Duration::from_hours(24);
        let passed = [day; 4].map(|now| passes(&mut quotas, limits, now));
        assert_eq!(passed, [true, true, false, false]);
    }

    #[test]
    fn what_was_not_used_comes_back_when_the_call_ends() {
        let (mut quotas, limits) = (Quotas::default(), tokens(6_000));
        let held = quotas.admit("m", limits, 6_000, at(0)).unwrap().unwrap();
        assert_eq!(quotas.admit("m", limits, 1, at(0)), Err(Exhausted::Tokens));
        quotas.settle(&held, 1_000, at(0));
        assert!(quotas.admit("m", limits, 5_000, at(0)).is_ok());
        assert_eq!(quotas.admit("m", limits, 1, at(0)), Err(Exhausted::Tokens));
    }

    #[test]
    fn what_was_used_beyond_the_reservation_is_owed() {
        let (mut quotas, limits) = (Quotas::default(), tokens(60));
        let held = quotas.admit("m", limits, 10, at(0)).unwrap().unwrap();
        quotas.settle(&held, 70, at(0));
        assert_eq!(quotas.left().next(), Some(("m", None, Some(-10))));
        assert!(quotas.admit("m", limits, 1, at(10_999)).is_err());
        assert!(quotas.admit("m", limits, 1, at(11_000)).is_ok());
    }

    #[test]
    fn a_model_has_a_quota_of_its_own() {
        let (mut quotas, limits) = (Quotas::default(), requests(1, 1));
        assert!(quotas.admit("first", limits, 1, at(0)).is_ok());
        assert!(quotas.admit("first", limits, 1, at(0)).is_err());
        assert!(quotas.admit("second", limits, 1, at(0)).is_ok());
    }

    #[test]
    fn a_quota_that_is_posted_again_starts_full_and_old_calls_give_nothing_back_to_it() {
        let (mut quotas, old) = (Quotas::default(), tokens(100));
        let held = quotas.admit("m", old, 100, at(0)).unwrap().unwrap();
        let new = Limits { tokens: Some(Limit { origin: 1, ..limit(100, 100) }), ..old };
        assert!(quotas.admit("m", new, 100, at(0)).is_ok());
        quotas.settle(&held, 0, at(0));
        assert!(quotas.admit("m", new, 1, at(0)).is_err());
    }

    #[test]
    fn a_clock_that_stands_or_goes_back_refills_nothing() {
        let (mut quotas, limits) = (Quotas::default(), requests(60, 1));
        assert!(passes(&mut quotas, limits, at(5_000)));
        assert!(!passes(&mut quotas, limits, at(0)));
        assert!(!passes(&mut quotas, limits, at(5_999)));
        assert!(passes(&mut quotas, limits, at(6_000)));
    }

    #[test]
    fn without_limits_everything_passes() {
        let mut quotas = Quotas::default();
        assert_eq!(quotas.admit("m", Limits::default(), u64::MAX, at(0)), Ok(None));
    }
}
