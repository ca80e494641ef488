//! A chart: bars, lines, or both, over columns. The picture is stretched to the room there is, and
//! its words stand beside it as text, so that they are as large on a telephone as on paper. Who
//! does not see it reads the table beneath.

use maud::{Markup, html};

use super::super::super::diagnose::Lang;
pub(super) use super::scale::Unit;
use super::words::length;

/// The picture is so high, and each of its columns so wide, whatever size it is shown in.
const HEIGHT: f64 = 100.0;
const COLUMN: f64 = 10.0;
/// What bars leave free of their columns.
const AIR: f64 = 1.0;
/// One failure beside a thousand successes is to be seen.
const LEAST_HEIGHT: f64 = 1.5;
/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Bars, on top of those of the series before.
    Bar,
    /// Bars, beside those of the series before.
    Beside,
    Line,
    Dashes,
}

/// A colour of the style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colour {
    Ink,
    Blue,
    Amber,
    Red,
    Grey,
}

/// One value for each column; `None`: there is none.
pub(super) struct Series {
    pub name: &'static str,
    pub look: Look,
    pub colour: Colour,
    pub values: Vec<Option<f64>>,
}

/// A word beneath the picture.
pub(super) struct Mark {
    /// At which column's begin.
    pub column: usize,
    pub text: String,
}

/// A bar in the measure of the picture.
struct Bar {
    classes: String,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

pub(super) struct Chart {
    pub title: String,
    /// What is shown.
    pub about: String,
    /// What a column is, and the name of each.
    pub axis: &'static str,
    pub columns: Vec<String>,
    pub marks: Vec<Mark>,
    pub unit: Unit,
    pub series: Vec<Series>,
    /// It stands beneath a heading of its own kind.
    pub is_part: bool,
    pub lang: Lang,
}

impl Look {
    const fn class(self) -> &'static str {
        match self {
            Self::Bar | Self::Beside => "bar",
            Self::Line => "line",
            Self::Dashes => "line dashes",
        }
    }
}

impl Colour {
    const fn class(self) -> &'static str {
        match self {
            Self::Ink => "ink",
            Self::Blue => "blue",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Grey => "grey",
        }
    }
}

impl Series {
    /// At `column`; nothing counts as zero.
    fn at(&self, column: usize) -> f64 {
        self.values.get(column).copied().flatten().unwrap_or_default()
    }

    fn classes(&self) -> String {
        format!("{} {}", self.look.class(), self.colour.class())
    }
}

impl Chart {
    pub(super) fn draw(&self) -> Markup {
        let (step, lines) = self.unit.scale(self.most());
        let top = step * f64::from(lines);
        let (width, view) = self.view();
        html! {
            figure.chart {
                figcaption {
                    @if self.is_part { h4 { (self.title) } } @else { h3 { (self.title) } }
                    p { (self.about) }
                }
                ul.legend {
                    @for series in &self.series {
                        li { span.key.(series.classes()) {} (series.name) }
                    }
                }
                div.plot {
                    div.ys aria-hidden="true" {
                        @for line in 0..=lines {
                            span style={ "bottom:" (share(f64::from(line), lines.into())) } {
                                (self.told(step * f64::from(line)))
                            }
                        }
                    }
                    svg viewBox=(view) preserveAspectRatio="none" role="img"
                        aria-label=(self.summary()) {
                        @for line in 0..=lines {
                            @let y = HEIGHT - HEIGHT * f64::from(line) / f64::from(lines);
                            line.grid x1="0" x2=(width) y1=(y) y2=(y) {}
                        }
                        (self.bars(top))
                        (self.lines(top))
                        @for column in 0..self.columns.len() {
                            rect.hit x=(at(column)) y="0" width=(COLUMN) height=(HEIGHT) {
                                title { (self.tip(column)) }
                            }
                        }
                    }
                    div.xs aria-hidden="true" {
                        @for (number, mark) in self.marks.iter().enumerate() {
                            span.minor[number % 2 == 1]
                                style={ "left:" (share(at(mark.column), width)) } { (mark.text) }
                        }
                    }
                }
                (self.table())
            }
        }
    }

    /// How wide the picture is in its own measure, and what of it is shown.
    fn view(&self) -> (f64, String) {
        let width = at(self.columns.len());
        (width, format!("0 0 {width} {HEIGHT}"))
    }

    /// The highest of all columns.
    fn most(&self) -> f64 {
        let of_column = |column| {
            let bars = self.series.iter().filter(|series| series.look == Look::Bar);
            let stacked: f64 = bars.map(|series| series.at(column)).sum();
            self.series.iter().map(|series| series.at(column)).fold(stacked, f64::max)
        };
        (0..self.columns.len()).map(of_column).fold(0.0, f64::max)
    }

    fn bars(&self, top: f64) -> Markup {
        html! {
            @for bar in (0..self.columns.len()).flat_map(|column| self.bars_of(column, top)) {
                rect.(bar.classes) x=(round(bar.x)) y=(round(bar.y)) width=(round(bar.width))
                    height=(round(bar.height)) {}
            }
        }
    }

    /// The bars of a column: those on top of each other, and those beside each other.
    fn bars_of(&self, column: usize, top: f64) -> Vec<Bar> {
        let beside = self.series.iter().filter(|series| series.look == Look::Beside).count();
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let slim = (COLUMN - 2.0 * AIR) / beside.max(1) as f64;
        let (mut floor, mut left) = (HEIGHT, at(column) + AIR);
        let mut bars = Vec::new();
        for series in &self.series {
            let value = series.at(column);
            let height = (HEIGHT * value / top).max(LEAST_HEIGHT);
            let (x, y, width) = match series.look {
                Look::Bar => (at(column) + AIR / 2.0, (floor - height).max(0.0), COLUMN - AIR),
                Look::Beside => (left, HEIGHT - height, slim),
                Look::Line | Look::Dashes => continue,
            };
            if series.look == Look::Beside {
                left += slim;
            }
            if value > 0.0 {
                bars.push(Bar { classes: series.classes(), x, y, width, height });
                floor = y;
            }
        }
        bars
    }

    fn lines(&self, top: f64) -> Markup {
        let is_line = |series: &&Series| matches!(series.look, Look::Line | Look::Dashes);
        html! {
            @for series in self.series.iter().filter(is_line) {
                @for run in runs(&series.values, top) {
                    polyline.(series.classes()).dot[run.is_alone] points=(run.points) {}
                }
            }
        }
    }

    fn told(&self, value: f64) -> String {
        match self.unit {
            Unit::Count => format!("{value:.0}"),
            Unit::Seconds if value == 0.0 => "0".to_owned(),
            Unit::Seconds => length(value, self.lang),
        }
    }

    fn value(&self, series: &Series, column: usize) -> String {
        let value = series.values.get(column).copied().flatten();
        value.map_or_else(|| "–".to_owned(), |value| self.told(value))
    }

    /// The values of a column.
    fn tip(&self, column: usize) -> String {
        let values = self.series.iter().map(|series| {
            let value = self.value(series, column);
            format!("{} {value}", series.name)
        });
        format!("{}\n{}", self.columns[column], values.collect::<Vec<_>>().join("\n"))
    }

    /// The picture in a sentence.
    fn summary(&self) -> String {
        let most = |series: &Series| {
            let most = series.values.iter().flatten().copied().reduce(f64::max);
            let most = most.map_or_else(|| "–".to_owned(), |most| self.told(most));
            format!("{} {most}", series.name)
        };
        let most: Vec<_> = self.series.iter().map(most).collect();
        let highest = self.lang.say("最大", "highest");
        format!("{} {highest}: {}", self.title, most.join(", "))
    }

    /// All values, without the columns that have none.
    fn table(&self) -> Markup {
        let is_empty = |column| self.series.iter().all(|series| series.at(column) == 0.0);
        let columns: Vec<_> = (0..self.columns.len()).filter(|column| !is_empty(*column)).collect();
        html! {
            details {
                summary { (self.lang.say("表で見る", "As a table")) }
                div.scroll tabindex="0" role="region" aria-label=(self.title) {
                    table {
                        thead {
                            tr {
                                th scope="col" { (self.axis) }
                                @for series in &self.series {
                                    th.number scope="col" { (series.name) }
                                }
                            }
                        }
                        tbody {
                            @for column in columns {
                                tr {
                                    th scope="row" { (self.columns[column]) }
                                    @for series in &self.series {
                                        td.number { (self.value(series, column)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where a column begins.
fn at(column: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a few dozen")]
    let column = column as f64;
    column * COLUMN
}

/// A part of a line that has no gap.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    points: String,
    /// It has one point only, which is drawn as a dot.
    is_alone: bool,
}

/// The parts of a line, between its gaps.
fn runs(values: &[Option<f64>], top: f64) -> Vec<Run> {
    let point = |(column, value): (usize, f64)| {
        format!("{},{}", at(column) + COLUMN / 2.0, round(HEIGHT - HEIGHT * value / top))
    };
    let columns: Vec<_> = values.iter().enumerate().collect();
    let runs = columns.split(|(_, value)| value.is_none()).filter(|run| !run.is_empty());
    let drawn = runs.map(|run| {
        let there = run.iter().filter_map(|(column, value)| Some((*column, (**value)?)));
        let points: Vec<_> = there.map(point).collect();
        match points.as_slice() {
            // A line of no length has round ends all the same.
            [only] => Run { points: format!("{only} {only}"), is_alone: true },
            points => Run { points: points.join(" "), is_alone: false },
        }
    });
    drawn.collect()
}

/// So much of all, for the style.
fn share(part: f64, all: f64) -> String {
    format!("{:.2}%", 100.0 * part / all.max(f64::MIN_POSITIVE))
}

/// Nobody sees less than a hundredth.
fn round(length: f64) -> f64 {
    (length * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(unit: Unit, series: Vec<(Look, Vec<Option<f64>>)>) -> Chart {
        let columns = (0..series[0].1.len()).map(|column| format!("column {column}")).collect();
        let series = series.into_iter();
        let series =
            series.map(|(look, values)| Series { name: "x", look, colour: Colour::Blue, values });
        Chart {
            title: "title".to_owned(),
            about: String::new(),
            axis: "",
            columns,
            marks: Vec::new(),
            unit,
            series: series.collect(),
            is_part: false,
            lang: Lang::En,
        }
    }

    #[test]
    fn what_stands_on_top_of_each_other_is_as_high_as_all_of_it() {
        let bars = [3.0, 4.0].map(|value| (Look::Bar, vec![Some(value), None]));
        assert!((chart(Unit::Count, bars.into()).most() - 7.0).abs() < 1e-9);
        let lines = [3.0, 4.0].map(|value| (Look::Line, vec![Some(value), None]));
        assert!((chart(Unit::Count, lines.into()).most() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn a_line_has_gaps_and_a_value_alone_is_a_dot() {
        let runs = runs(&[Some(1.0), Some(2.0), None, Some(0.0), None], 2.0);
        let told: Vec<_> = runs.iter().map(|run| (run.points.as_str(), run.is_alone)).collect();
        assert_eq!(told, [("5,50 15,0", false), ("35,100 35,100", true)]);
    }

    #[test]
    fn the_table_holds_what_the_picture_shows() {
        let page =
            chart(Unit::Count, vec![(Look::Bar, vec![None, Some(7.0)])]).draw().into_string();
        assert!(page.contains("column 1</th><td class=\"number\">7</td>"), "{page}");
        assert!(!page.contains("column 0</th>"), "{page}");
        assert!(page.contains("<title>column 0\nx –</title>"), "{page}");
    }
}
