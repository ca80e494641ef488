//! The chart as an SVG picture: nine cards, the goal's dark in the middle, a colour for each
//! sub-goal.
//!
//! SVG neither wraps nor measures text, so lines are broken here by display columns: a wide
//! character is as wide as the font is high, another about half of that.

use svg::{
    Document,
    node::element::{Circle, Description, Group, Rectangle, TSpan, Text, Title},
};

use super::{BLOCK, Chart, Place, Titles, wrap::wrap};

/// All lengths are in pixels of the picture.
const CARD: (f64, f64) = (280.0, 184.0);
const GAP: f64 = 16.0;
const MARGIN: f64 = 28.0;
/// Room for text between a card's edges.
const PADDING: f64 = 22.0;
/// What a title's number takes at the top of its card; kept free at the bottom too, so that the
/// title stands in the middle.
const NUMBER_ROOM: f64 = 34.0;
/// From line to line, as a multiple of the font size.
const LEADING: f64 = 1.4;
/// Latin letters of these fonts are a little wider than half the size.
const LATIN_SLACK: f64 = 1.08;
/// Font sizes to choose from, the largest that fits first.
const GOAL_SIZES: &[u8] = &[30, 26, 23, 20, 17, 15, 13, 11, 10, 9];
const TITLE_SIZES: &[u8] = &[22, 20, 18, 16, 14, 12, 10, 9];

pub(super) const FONTS: &str = "'Hiragino Sans', 'Hiragino Kaku Gothic ProN', \
    'Noto Sans JP', 'Noto Sans CJK JP', 'Yu Gothic UI', Meiryo, system-ui, sans-serif";
pub(super) const PAPER: &str = "#f6f4ef";
pub(super) const INK: &str = "#22252b";
/// By position: a card's fill, and its edge and number. Each pair is dark enough on light for its
/// number to be read.
pub(super) const COLOURS: [(&str, &str); 8] = [
    ("#fdecea", "#b3372a"),
    ("#fef1e0", "#a55a0a"),
    ("#fbf6d9", "#7d6608"),
    ("#eaf5e6", "#3d7a2a"),
    ("#e3f5f1", "#1b7565"),
    ("#e4f1fb", "#1f6699"),
    ("#ebeafb", "#4f46a8"),
    ("#f8e8f4", "#96367c"),
];

/// The SVG file's text.
pub fn render(chart: &Chart) -> String {
    let titles = Titles::of(chart);
    let side = |card: f64| 3.0 * card + 2.0 * GAP + 2.0 * MARGIN;
    let (width, height) = (side(CARD.0), side(CARD.1));
    let mut document = Document::new()
        .set("viewBox", (0, 0, width, height))
        .set("width", width)
        .set("height", height)
        .set("role", "img")
        .set("aria-labelledby", "chart-title chart-description")
        .add(Title::new(titles.goal.as_str()).set("id", "chart-title"))
        .add(
            Description::new()
                .set("id", "chart-description")
                .add(svg::node::Text::new(summary(&titles))),
        )
        .add(Rectangle::new().set("width", width).set("height", height).set("fill", PAPER));
    let mut top = MARGIN;
    for row in BLOCK {
        let mut left = MARGIN;
        for place in row {
            document = document.add(card(place, titles.at(place), left, top));
            left += CARD.0 + GAP;
        }
        top += CARD.1 + GAP;
    }
    document.to_string()
}

/// The chart in words, for those who do not see it.
fn summary(titles: &Titles) -> String {
    let mut lines = vec![titles.goal.clone()];
    lines.extend(
        titles
            .around
            .iter()
            .enumerate()
            .map(|(position, title)| format!("{}. {title}", position + 1)),
    );
    lines.join("\n")
}

fn card(place: Place, title: &str, left: f64, top: f64) -> Group {
    let (fill, edge, ink, sizes) = match place {
        Place::Centre => (INK, INK, "#ffffff", GOAL_SIZES),
        Place::Around(position) => (COLOURS[position].0, COLOURS[position].1, INK, TITLE_SIZES),
    };
    let frame = Rectangle::new()
        .set("width", CARD.0)
        .set("height", CARD.1)
        .set("rx", 16)
        .set("fill", fill)
        .set("stroke", edge)
        .set("stroke-width", 1.5);
    let group = Group::new().set("transform", format!("translate({left} {top})")).add(frame);
    let (group, room) = match place {
        Place::Centre => (group, CARD.1 - 2.0 * PADDING),
        Place::Around(position) => (number(group, position + 1, edge), CARD.1 - 2.0 * NUMBER_ROOM),
    };
    group.add(text(title, ink, place == Place::Centre, sizes, room))
}

/// A small disc with the number in the card's corner.
fn number(group: Group, number: usize, colour: &str) -> Group {
    let (x, y) = (24.0, 24.0);
    let label = Text::new(number.to_string())
        .set("x", x)
        .set("y", y + 4.5)
        .set("text-anchor", "middle")
        .set("font-family", FONTS)
        .set("font-size", 13)
        .set("font-weight", 700)
        .set("fill", "#ffffff");
    group.add(Circle::new().set("cx", x).set("cy", y).set("r", 12).set("fill", colour)).add(label)
}

/// The title in the middle of a card, in the largest size that fits.
fn text(title: &str, colour: &str, bold: bool, sizes: &[u8], room: f64) -> Text {
    let (size, lines) = fit(title, sizes, room);
    let pitch = size * LEADING;
    let block = height(&lines, size) - pitch;
    // A line's baseline lies about a third of the size below its middle.
    let mut y = CARD.1 / 2.0 - block / 2.0 + size * 0.36;
    let mut text = Text::new("")
        .set("text-anchor", "middle")
        .set("font-family", FONTS)
        .set("font-size", size)
        .set("font-weight", if bold { 700 } else { 600 })
        .set("fill", colour);
    for line in lines {
        text =
            text.add(TSpan::new(line).set("x", CARD.0 / 2.0).set("y", (y * 10.0).round() / 10.0));
        y += pitch;
    }
    text
}

/// How high a block of lines is.
fn height(lines: &[String], size: f64) -> f64 {
    lines.iter().map(|_| size * LEADING).sum()
}

/// The first size whose lines are no higher than `room`, or else the smallest.
fn fit(title: &str, sizes: &[u8], room: f64) -> (f64, Vec<String>) {
    let mut fitted = (0.0, Vec::new());
    for size in sizes {
        let size = f64::from(*size);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few dozen columns, never negative"
        )]
        let columns = ((CARD.0 - 2.0 * PADDING) / (size / 2.0 * LATIN_SLACK)).floor() as usize;
        let lines = wrap(title, columns);
        let fits = height(&lines, size) <= room;
        fitted = (size, lines);
        if fits {
            break;
        }
    }
    fitted
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    /// The texts of all `tspan`s, put together.
    fn shown(svg: &str) -> String {
        let spans = svg
            .split("<tspan")
            .skip(1)
            .filter_map(|span| span.split_once('>')?.1.split_once("</tspan>"));
        spans.map(|(text, _)| text.trim()).collect::<String>().replace(' ', "")
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace(' ', "")
    }

    #[test]
    fn no_title_is_lost() {
        for chart in samples::all() {
            let (titles, shown) = (Titles::of(&chart), shown(&render(&chart)));
            for place in BLOCK.iter().flatten() {
                assert!(
                    shown.contains(&escaped(titles.at(*place))),
                    "{}\n{shown}",
                    titles.at(*place)
                );
            }
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        let svg = render(&samples::awkward());
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;"), "{svg}");
        assert!(!svg.contains('\u{7}'));
    }

    #[test]
    fn a_reader_of_the_screen_hears_goal_and_sub_goals() {
        let svg = render(&samples::english());
        let description = svg.split_once("<desc").unwrap().1.split_once("</desc>").unwrap().0;
        assert!(
            svg.contains("role=\"img\"") && description.contains("1. Full marathon fundamentals"),
            "{svg}"
        );
    }

    #[test]
    fn the_smallest_size_holds_a_goal_of_two_hundred_characters() {
        let (size, lines) = fit(&"長".repeat(200), GOAL_SIZES, CARD.1 - 2.0 * PADDING);
        assert!(height(&lines, size) <= CARD.1 - 2.0 * PADDING, "{size} {lines:?}");
    }
}
