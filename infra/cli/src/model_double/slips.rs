//! Texts of a wrong length: what a model gets wrong most often, because it does not count.

use super::chance::{mix, unit};

/// What the texts of one answer meet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Luck {
    /// Probability that a text with a least length above 1 is shorter.
    pub short: f64,
    /// Probability that a text with a greatest length is longer.
    pub long: f64,
    /// What the draws start from.
    pub state: u64,
}

/// How long a text must be, in characters, as far as anyone says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lengths {
    /// At least so long.
    pub min: Option<usize>,
    /// At most so long.
    pub max: Option<usize>,
}

impl Luck {
    /// Every text is as it should be.
    pub const GOOD: Self = Self { short: 0.0, long: 0.0, state: 0 };

    /// The wrong length that the text at `place` gets, or none. It misses its limit by a tenth at
    /// most, and is never 0.
    pub fn wrong_length(self, place: u64, lengths: Lengths) -> Option<usize> {
        let state = mix(self.state, place);
        let drawn = unit(state);
        let miss = |limit: usize| {
            1 + usize::try_from(mix(state, 1) % (limit as u64 / 10).max(1)).unwrap_or(0)
        };
        if drawn < self.short {
            return lengths.min.filter(|min| *min > 1).map(|min| min - miss(min).min(min - 1));
        }
        let max = lengths.max.filter(|_| drawn < self.short + self.long)?;
        Some(max + miss(max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Lengths = Lengths { min: Some(50), max: Some(200) };

    fn lengths(luck: Luck, lengths: Lengths) -> Vec<usize> {
        (0..20_000).filter_map(|place| luck.wrong_length(place, lengths)).collect()
    }

    #[test]
    fn each_text_slips_with_its_probability() {
        let found = lengths(Luck { short: 0.25, long: 0.05, state: 9 }, BOTH);
        let short = found.iter().filter(|length| **length < 50).count();
        let long = found.iter().filter(|length| **length > 200).count();
        assert!((4_800..5_200).contains(&short), "{short}");
        assert!((900..1_100).contains(&long), "{long}");
        assert_eq!(short + long, found.len());
    }

    #[test]
    fn a_slip_misses_its_limit_by_a_tenth_at_most() {
        for luck in
            [Luck { short: 1.0, long: 0.0, state: 1 }, Luck { short: 0.0, long: 1.0, state: 1 }]
        {
            for length in lengths(luck, BOTH) {
                assert!((45..50).contains(&length) || (201..=220).contains(&length), "{length}");
            }
        }
        let tiny = Lengths { min: Some(2), max: Some(3) };
        assert!(
            lengths(Luck { short: 1.0, long: 0.0, state: 1 }, tiny)
                .iter()
                .all(|length| *length == 1)
        );
        assert!(
            lengths(Luck { short: 0.0, long: 1.0, state: 1 }, tiny)
                .iter()
                .all(|length| *length == 4)
        );
    }

    #[test]
    fn without_a_limit_there_is_nothing_to_miss() {
        let always_short = Luck { short: 1.0, long: 0.0, state: 1 };
        assert!(lengths(always_short, Lengths { min: Some(1), max: Some(30) }).is_empty());
        let always_long = Luck { short: 0.0, long: 1.0, state: 1 };
        assert!(lengths(always_long, Lengths { min: Some(50), max: None }).is_empty());
        assert!(lengths(Luck::GOOD, BOTH).is_empty());
    }
}
