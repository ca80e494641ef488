//! The run as a picture.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use crate::{Outcome, Scenario};

const SIZE: (u32, u32) = (1_000, 620);
const INK: RGBColor = RGBColor(0x22, 0x25, 0x2b);
const WAITING: RGBColor = RGBColor(0x4f, 0x46, 0xa8);
const IN_FLIGHT: RGBColor = RGBColor(0x1b, 0x75, 0x65);
const IN_FORCE: RGBColor = RGBColor(0xa5, 0x5a, 0x0a);
const REFUSED: RGBColor = RGBColor(0xb3, 0x37, 0x2a);

/// One line of a picture.
type Curve<'a> = (&'a str, RGBColor, Vec<(f64, f64)>);

/// Draws what waited, and below it what was in flight and what was refused, second by second.
///
/// # Errors
/// When the picture cannot be drawn.
#[expect(clippy::cast_precision_loss, reason = "no number comes near 2^52")]
pub fn draw(scenario: &Scenario, outcome: &Outcome) -> Result<String> {
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        area.fill(&RGBColor(0xf6, 0xf4, 0xef)).map_err(|error| anyhow!("{error}"))?;
        let title = format!(
            "{} jobs of {} users, {} requests a minute, {} s a call",
            scenario.jobs,
            scenario.users,
            scenario.quota * u32::from(scenario.models),
            scenario.model_seconds
        );
        let area = area
            .titled(&title, ("sans-serif", 20).into_font().color(&INK))
            .map_err(|error| anyhow!("{error}"))?;
        let (upper, lower) = area.split_vertically(280);
        let curve = |name, colour, value: fn(&crate::outcome::Sample) -> f64| -> Curve<'_> {
            let points = outcome.samples.iter().map(|sample| (sample.second, value(sample)));
            (name, colour, points.collect())
        };
        let waiting = curve("waiting jobs", WAITING, |sample| sample.waiting as f64);
        let others = [
            curve("calls in flight", IN_FLIGHT, |sample| f64::from(sample.in_flight)),
            curve("limit in force", IN_FORCE, |sample| f64::from(sample.in_force)),
            curve("refused a second", REFUSED, |sample| sample.refused as f64),
        ];
        panel(&upper, &[waiting], outcome.seconds)?;
        panel(&lower, &others, outcome.seconds)?;
        area.present().map_err(|error| anyhow!("{error}"))?;
    }
    Ok(text)
}

fn panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    curves: &[Curve<'_>],
    seconds: f64,
) -> Result<()> {
    let values = curves.iter().flat_map(|(_, _, points)| points.iter().map(|(_, value)| *value));
    let top = values.fold(1.0, f64::max) * 1.1;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(34)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..seconds.max(1.0), 0.0..top)
        .map_err(|error| anyhow!("{error}"))?;
    chart
        .configure_mesh()
        .x_desc("seconds")
        .light_line_style(INK.mix(0.04))
        .bold_line_style(INK.mix(0.12))
        .x_label_formatter(&|second| format!("{second:.0}"))
        .y_label_formatter(&|value| format!("{value:.0}"))
        .draw()
        .map_err(|error| anyhow!("{error}"))?;
    for (name, colour, points) in curves {
        let colour = *colour;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))
            .map_err(|error| anyhow!("{error}"))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(INK.mix(0.2))
        .draw()
        .map_err(|error| anyhow!("{error}"))
}
