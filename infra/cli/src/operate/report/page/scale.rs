//! The lines across a picture, at round values.

/// Lines across the picture, at the most.
const MOST_STEPS: f64 = 4.0;
/// From line to line, where times are shown: what clocks have names for, in seconds.
const STEPS_OF_TIME: [f64; 28] = [
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0,
    120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0, 7_200.0, 18_000.0, 36_000.0, 86_400.0,
    259_200.0, 864_000.0,
];

/// What the values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Count,
    Seconds,
}

impl Unit {
    /// From line to line across a picture whose highest value is `most`, and how many lines.
    pub(super) fn scale(self, most: f64) -> (f64, u32) {
        let fits = |step: &f64| most <= step * MOST_STEPS;
        let step = match self {
            _ if most == 0.0 => 1.0,
            Self::Seconds => STEPS_OF_TIME.into_iter().find(fits).unwrap_or(most / MOST_STEPS),
            Self::Count => {
                let tens = std::iter::successors(Some(1.0), |ten| Some(ten * 10.0));
                let steps = tens.flat_map(|ten| [ten, 2.0 * ten, 5.0 * ten]);
                steps.take(60).find(fits).unwrap_or(most / MOST_STEPS)
            }
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 4")]
        let lines = (most / step).ceil().clamp(1.0, MOST_STEPS) as u32;
        (step, lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_are_round_and_the_highest_is_within() {
        let count = |most| Unit::Count.scale(most);
        assert_eq!([7.0, 0.0, 101.0].map(count), [(2.0, 4), (1.0, 1), (50.0, 3)]);
        let time = |most| Unit::Seconds.scale(most);
        assert_eq!([0.0031, 100.0, 5_000.0].map(time), [(0.001, 4), (30.0, 4), (1_800.0, 3)]);
    }
}
