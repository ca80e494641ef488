//! What a model took.

use super::super::process::Usage;
use crate::operate::prices::{Counted, Price};

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
        price.of(Counted {
            input: self.input,
            output: self.output,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
        })
    }
}
