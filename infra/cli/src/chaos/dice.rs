//! Chance that can be repeated.

use crate::model_double::{mix, unit};

/// Draws, each of which follows from the seed and from how many were drawn before.
#[derive(Debug, Clone)]
pub(super) struct Dice {
    seed: u64,
    drawn: u64,
}

impl Dice {
    /// The draws of `what` under a seed.
    pub(super) fn of(seed: u64, what: u64) -> Self {
        Self { seed: mix(seed, what), drawn: 0 }
    }

    /// Any number.
    pub(super) fn any(&mut self) -> u64 {
        self.drawn += 1;
        mix(self.seed, self.drawn)
    }

    /// A number from 0 up to, and without, `end`; 0 where there is none.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.any() % end }
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        unit(self.any()) < probability
    }

    /// One of several with whole weights.
    pub(super) fn one_of<T: Copy>(&mut self, weighted: &[(u64, T)]) -> Option<T> {
        let mut left = self.below(weighted.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in weighted {
            if left < *weight {
                return Some(*item);
            }
            left -= weight;
        }
        None
    }
}
