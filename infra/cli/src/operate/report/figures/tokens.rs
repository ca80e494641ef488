//! What a model took.

use super::super::prices::Price;
use super::super::process::Usage;

/// Of a cache, a token that is read costs so much of one that is not; and one that is put into it.
const CACHE_READ: f64 = 0.1;
const CACHE_WRITE: f64 = 1.25;

/// What the calls of a model took together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in super::super) struct Tokens {
    pub calls: u64,
    pub input: u64,
    pub output: u64,
    pub cache_read: u64,
    pub cache_write: u64,
    pub latency_ms: u64,
}

impl Tokens {
    pub(super) fn add(&mut self, usage: &Usage) {
        self.calls += usage.calls.unwrap_or(1);
        self.input += usage.input_tokens;
        self.output += usage.output_tokens;
        self.cache_read += usage.cache_read_input_tokens;
        self.cache_write += usage.cache_write_input_tokens;
        self.latency_ms += usage.latency_ms;
    }

    /// In US dollars.
    pub(in super::super) fn cost(&self, price: &Price) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        let millions = |tokens: u64| tokens as f64 / 1e6;
        let cached =
            millions(self.cache_read) * CACHE_READ + millions(self.cache_write) * CACHE_WRITE;
        (millions(self.input) + cached) * price.input + millions(self.output) * price.output
    }
}
