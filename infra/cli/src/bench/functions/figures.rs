//! Figures, and what they are held against. Pure.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Several measurements of the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample(Vec<f64>);

impl Sample {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(super) fn push_ms(&mut self, span: Duration) {
        self.push(span.as_secs_f64() * 1_000.0);
    }

    /// The value that `percent` of them do not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        sorted.get((sorted.len() * percent / 100).min(last)).copied()
    }

    pub(super) fn median(&self) -> Option<f64> {
        self.percentile(50)
    }

    fn least_and_most(&self) -> Option<(f64, f64)> {
        let least = self.0.iter().copied().reduce(f64::min)?;
        Some((least, self.0.iter().copied().reduce(f64::max)?))
    }
}

/// A line of the table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) unit: &'static str,
    /// The median of the processes.
    pub(super) median: Option<f64>,
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    /// What it should not exceed; none: it explains another.
    pub(super) target: Option<f64>,
}

impl Row {
    pub(super) fn of(
        what: impl Into<String>,
        unit: &'static str,
        sample: &Sample,
        target: Option<f64>,
    ) -> Self {
        let range = sample.least_and_most();
        Self {
            what: what.into(),
            unit,
            median: sample.median(),
            least: range.map(|(least, _)| least),
            most: range.map(|(_, most)| most),
            target,
        }
    }

    /// Whether the target is met; none where there is no target or no figure.
    pub(super) fn is_met(&self) -> Option<bool> {
        Some(self.median? <= self.target?)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, unit, median, least, most, target } = self;
        let told = |value: &Option<f64>| value.map_or_else(|| "–".to_owned(), digits);
        let verdict = match self.is_met() {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        let target = target.map_or_else(String::new, |it| format!("≤ {}", digits(it)));
        write!(
            f,
            "| {what} | {} {unit} | {} – {} | {target} | {verdict} |",
            told(median),
            told(least),
            told(most)
        )
    }
}

/// Three digits that count.
fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample(values.to_vec())
    }

    #[test]
    fn the_median_is_the_one_in_the_middle_whatever_the_order() {
        assert_eq!(sample(&[9.0, 1.0, 5.0]).median(), Some(5.0));
        assert_eq!(sample(&[3.0]).percentile(95), Some(3.0));
        assert_eq!(sample(&[]).median(), None);
    }

    #[test]
    fn a_row_says_figure_range_target_and_verdict() {
        let row = |target| Row::of("status", "ms", &sample(&[0.4, 0.5, 12.0]), target);
        assert_eq!(
            row(Some(0.45)).to_string(),
            "| status | 0.50 ms | 0.40 – 12.0 | ≤ 0.45 | MISSED |"
        );
        assert_eq!(row(Some(0.5)).is_met(), Some(true));
        assert_eq!(row(None).is_met(), None);
        assert_eq!(Row::of("x", "ms", &sample(&[]), Some(1.0)).is_met(), None);
    }
}
