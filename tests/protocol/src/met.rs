//! What has been met while a world was explored.

use std::sync::atomic::{AtomicU64, Ordering};

use shared::{process::Status, reconcile::Rule};

/// What has been met while a world was explored: that the model gets there at all.
#[derive(Debug, Default)]
pub struct Met {
    moves: AtomicU64,
    rules: AtomicU64,
}

impl Met {
    /// The moves of a status; from one to the same: a newer attempt.
    #[must_use]
    pub fn moves(&self) -> Vec<(Status, Status)> {
        let met = self.moves.load(Ordering::Relaxed);
        let pairs = Status::ALL.iter().flat_map(|from| Status::ALL.iter().map(|to| (*from, *to)));
        pairs.filter(|(from, to)| met & bit_of_move(*from, *to) != 0).collect()
    }

    /// The rules by which the reconciler has repaired something.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        let met = self.rules.load(Ordering::Relaxed);
        Rule::ALL.iter().copied().filter(|rule| met & (1 << *rule as u32) != 0).collect()
    }

    /// Adds what `other` has met.
    pub fn add(&self, other: &Self) {
        self.moves.fetch_or(other.moves.load(Ordering::Relaxed), Ordering::Relaxed);
        self.rules.fetch_or(other.rules.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    pub(crate) fn rule(&self, rule: Rule) {
        note(&self.rules, 1 << rule as u32);
    }
}

impl Met {
    pub(crate) fn moved(&self, from: Status, to: Status) {
        note(&self.moves, bit_of_move(from, to));
    }
}

/// Most of the time it is there already, and nothing is written.
fn note(met: &AtomicU64, bit: u64) {
    if met.load(Ordering::Relaxed) & bit == 0 {
        met.fetch_or(bit, Ordering::Relaxed);
    }
}

const fn bit_of_move(from: Status, to: Status) -> u64 {
    1 << (from as u32 * 6 + to as u32)
}
