//! What was measured, beside what was aimed at.

use console::style;
use serde::Serialize;

use crate::output;

/// What is aimed at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Only told.
    None,
}

/// One measurement. The target is for the median.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Row {
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<f64>,
    min: f64,
    median: f64,
    max: f64,
    unit: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
}

impl Row {
    /// A single figure.
    pub(super) fn one(what: &str, value: f64, unit: &'static str, target: Target) -> Self {
        Self::of(what, &[value], unit, target)
    }

    /// Several of the same.
    pub(super) fn of(what: &str, values: &[f64], unit: &'static str, target: Target) -> Self {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let median = at(sorted.len() / 2);
        let (target, met) = match target {
            Target::AtMost(most) => (Some(most), median <= most),
            Target::AtLeast(least) => (Some(least), median >= least),
            Target::None => (None, true),
        };
        Self {
            what: what.to_owned(),
            target,
            min: at(0),
            median,
            max: at(sorted.len().saturating_sub(1)),
            unit,
            verdict: target.map(|_| if met { "met" } else { "missed" }),
        }
    }
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^52")]
pub(super) const fn figure(count: usize) -> f64 {
    count as f64
}

/// Prints the rows as a table in Markdown.
pub(super) fn print(rows: &[Row]) {
    output::line("| what | target | min | median | max | unit | verdict |");
    output::line("|---|---|---|---|---|---|---|");
    for Row { what, target, min, median, max, unit, verdict } in rows {
        let target = target.map_or_else(|| "–".to_owned(), |target| format!("{target}"));
        let verdict = match verdict {
            Some("met") => style("met").green().to_string(),
            Some(missed) => style(*missed).red().to_string(),
            None => "–".to_owned(),
        };
        output::line(format_args!(
            "| {what} | {target} | {min:.1} | {median:.1} | {max:.1} | {unit} | {verdict} |"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_held_against_the_target() {
        let row = |target| Row::of("x", &[9.0, 1.0, 2.0], "s", target);
        let met = row(Target::AtMost(2.0));
        assert_eq!((met.min, met.median, met.max, met.verdict), (1.0, 2.0, 9.0, Some("met")));
        assert_eq!(row(Target::AtMost(1.9)).verdict, Some("missed"));
        assert_eq!(row(Target::AtLeast(2.1)).verdict, Some("missed"));
        assert_eq!(row(Target::None).verdict, None);
    }
}
