//! Randomness that can be repeated: each draw is a function of what it is about, not of how many
//! were drawn before. So a text meets the same luck whichever call was answered first.

/// Mixes one more number into a state. Steps of `SplitMix64`, which spread every bit of the input.
pub fn mix(state: u64, value: u64) -> u64 {
    let mut mixed = (state ^ value).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A number from 0 up to, and without, 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits are what a double holds")]
pub fn unit(state: u64) -> f64 {
    (state >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_spread_evenly_also_over_neighbouring_inputs() {
        let draws: Vec<f64> = (0..100_000).map(|number| unit(mix(mix(7, number), 3))).collect();
        assert!(draws.iter().all(|drawn| (0.0..1.0).contains(drawn)));
        for tenth in 0..10 {
            let (from, to) = (f64::from(tenth) / 10.0, f64::from(tenth + 1) / 10.0);
            let count = draws.iter().filter(|drawn| (from..to).contains(*drawn)).count();
            assert!((9_600..10_400).contains(&count), "{count} from {from}");
        }
    }

    #[test]
    fn the_same_inputs_draw_the_same_and_their_order_matters() {
        assert_eq!(mix(mix(1, 2), 3), mix(mix(1, 2), 3));
        assert_ne!(mix(mix(1, 2), 3), mix(mix(1, 3), 2));
    }
}
