//! Keeping within the quotas of the services we call: a token bucket per API, as the services
//! themselves count.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

/// How often one API may be called: `burst` calls at once, and `per_second` in the long run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a second, above 0.
    pub per_second: f64,
    /// Calls at once after a rest, at least 1.
    pub burst: f64,
}

/// A token bucket, purely: time is an argument.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bucket {
    rate: Rate,
    /// Calls that may be made at once; below 0: calls that have been promised a later moment.
    tokens: f64,
    /// When `tokens` was true.
    at: Duration,
}

impl Bucket {
    const fn full(rate: Rate) -> Self {
        Self { rate, tokens: rate.burst, at: Duration::ZERO }
    }

    /// Takes one call at `now` and says how long it must wait.
    fn take(&mut self, now: Duration) -> Duration {
        let refilled = now.saturating_sub(self.at).as_secs_f64() * self.rate.per_second;
        self.tokens = (self.tokens + refilled).min(self.rate.burst) - 1.0;
        self.at = self.at.max(now);
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.rate.per_second)
    }
}

/// Lets calls of one API through at its rate.
#[derive(Debug)]
pub struct Limiter {
    bucket: Mutex<Bucket>,
    began: Instant,
}

impl Limiter {
    /// A rested limiter.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { bucket: Mutex::new(Bucket::full(rate)), began: Instant::now() }
    }

    /// Waits until one more call may be made, and says how long that took.
    pub async fn wait(&self) -> Duration {
        let wait = {
            // A poisoned bucket is a number like any other.
            let mut bucket = self.bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            bucket.take(self.began.elapsed())
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10.0, burst: 3.0 };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_passes_at_once_and_then_calls_are_spaced() {
        let mut bucket = Bucket::full(RATE);
        let waits: Vec<_> = (0..5).map(|_| bucket.take(ms(0))).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(100), ms(200)]);
    }

    #[test]
    fn a_rest_fills_the_bucket_but_not_beyond_its_burst() {
        let mut bucket = Bucket::full(RATE);
        (0..3).for_each(|_| assert_eq!(bucket.take(ms(0)), ms(0)));
        let waits: Vec<_> = (0..4).map(|_| bucket.take(ms(60_000))).collect();
        assert_eq!(waits, [ms(0), ms(0), ms(0), ms(100)]);
    }

    #[test]
    fn in_no_second_are_more_calls_made_than_burst_and_rate_allow() {
        let mut bucket = Bucket::full(RATE);
        let mut made: Vec<f64> = Vec::new();
        let mut now = ms(0);
        for step in 0..200 {
            now += ms(step * 7 % 90);
            let wait = bucket.take(now);
            made.push((now + wait).as_secs_f64());
            now += wait;
        }
        for (n, at) in made.iter().enumerate() {
            let within = made[n..].iter().take_while(|later| *later - at < 1.0).count();
            assert!(within <= 13, "{within} calls in the second from {at}");
        }
    }

    #[tokio::test]
    async fn the_limiter_really_waits() {
        let limiter = Limiter::new(Rate { per_second: 100.0, burst: 1.0 });
        let began = Instant::now();
        for _ in 0..4 {
            limiter.wait().await;
        }
        // Never sooner, however busy the machine is.
        assert!(began.elapsed() >= ms(29), "{:?}", began.elapsed());
    }
}
