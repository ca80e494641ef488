//! The whole Mandala chart, 81 cells: nine blocks of nine. The block in the middle is the small
//! chart; each around it has a sub-goal in its own middle and that sub-goal's actions around it.

use std::fmt::Write;

use svg::{
    Document,
    node::element::{Group, Rectangle, TSpan, Text, Title},
};

use super::{
    BLOCK, Chart, Place, one_line,
    svg::{COLOURS, FONTS, INK, PAPER},
    wrap::{width, wrap},
};

/// What a cell stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Goal,
    SubGoal(usize),
    Action(usize),
}

/// One of the 81.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    role: Role,
    title: String,
}

/// The cell at a place of a place: what stands at `inner` in the block at `outer`.
fn cell(chart: &Chart, outer: Place, inner: Place) -> Cell {
    let sub_goal = |position: usize| {
        chart.sub_goals.get(position).map(|sub_goal| one_line(&sub_goal.title)).unwrap_or_default()
    };
    match (outer, inner) {
        (Place::Centre, Place::Centre) => Cell { role: Role::Goal, title: one_line(&chart.goal) },
        (Place::Centre, Place::Around(position)) | (Place::Around(position), Place::Centre) => {
            Cell { role: Role::SubGoal(position), title: sub_goal(position) }
        }
        (Place::Around(block), Place::Around(position)) => {
            let action =
                chart.sub_goals.get(block).and_then(|sub_goal| sub_goal.actions.get(position));
            Cell {
                role: Role::Action(block),
                title: action.map(|title| one_line(title)).unwrap_or_default(),
            }
        }
    }
}

/// Nine rows of nine, as they stand on paper.
fn rows(chart: &Chart) -> Vec<Vec<Cell>> {
    let places = |row: usize| (BLOCK[row / 3], BLOCK[row % 3]);
    (0..9)
        .map(|row| {
            let (outer, inner) = places(row);
            outer
                .iter()
                .flat_map(|outer| inner.iter().map(|inner| cell(chart, *outer, *inner)))
                .collect()
        })
        .collect()
}

/// Whether any sub-goal has actions, so that there is a whole chart to show.
pub fn is_whole(chart: &Chart) -> bool {
    chart.sub_goals.iter().any(|sub_goal| !sub_goal.actions.is_empty())
}

/// The narrowest cell that holds words; nine of them and ten lines need 100 columns.
const NARROWEST_CELL: usize = 10;
const WIDEST_CELL: usize = 22;

/// Draws all cells for a terminal of `columns` columns; `None`: it is too narrow. Double lines
/// stand between the blocks.
pub fn terminal(chart: &Chart, columns: usize) -> Option<String> {
    let cell = (columns.saturating_sub(10) / 9).min(WIDEST_CELL);
    if cell < NARROWEST_CELL {
        return None;
    }
    let mut out = String::new();
    for (index, row) in rows(chart).iter().enumerate() {
        out.push_str(&rule(index, cell));
        let texts: Vec<Vec<String>> = row.iter().map(|each| wrap(&each.title, cell)).collect();
        let height = texts.iter().map(Vec::len).max().unwrap_or(1).max(2);
        for line in 0..height {
            for (column, text) in texts.iter().enumerate() {
                out.push(if column % 3 == 0 { '║' } else { '│' });
                let above = (height - text.len()) / 2;
                let shown =
                    line.checked_sub(above).and_then(|at| text.get(at)).map_or("", String::as_str);
                let air = cell.saturating_sub(width(shown));
                let _ = write!(out, "{}{shown}{}", " ".repeat(air / 2), " ".repeat(air - air / 2));
            }
            out.push_str("║\n");
        }
    }
    out.push_str(&rule(9, cell));
    Some(out)
}

/// The line above row `row`; 9 closes the grid.
fn rule(row: usize, cell: usize) -> String {
    let (left, line, light, heavy, right) = match row {
        0 => ('╔', '═', '╤', '╦', '╗'),
        9 => ('╚', '═', '╧', '╩', '╝'),
        row if row % 3 == 0 => ('╠', '═', '╪', '╬', '╣'),
        _ => ('╟', '─', '┼', '╫', '╢'),
    };
    let mut out = String::from(left);
    for column in 0..9 {
        out.extend(std::iter::repeat_n(line, cell));
        out.push(if column == 8 {
            right
        } else if column % 3 == 2 {
            heavy
        } else {
            light
        });
    }
    out.push('\n');
    out
}

/// All lengths are in pixels of the picture.
const CELL: (f64, f64) = (148.0, 104.0);
const GAP: f64 = 4.0;
const BLOCK_GAP: f64 = 18.0;
const MARGIN: f64 = 28.0;
const PADDING: f64 = 9.0;
const LEADING: f64 = 1.32;
/// Latin letters of these fonts are a little wider than half the size.
const LATIN_SLACK: f64 = 1.1;
const SIZES: [f64; 9] = [16.0, 15.0, 14.0, 13.0, 12.0, 11.0, 10.0, 9.0, 8.0];

/// Where the row or column `index` begins, for cells of this `size`.
fn offset(index: u8, size: f64) -> f64 {
    MARGIN + f64::from(index) * (size + GAP) + f64::from(index / 3) * (BLOCK_GAP - GAP)
}

/// Fill, edge and ink of a cell.
const fn colours(role: Role) -> (&'static str, &'static str, &'static str) {
    match role {
        Role::Goal => (INK, INK, "#ffffff"),
        Role::SubGoal(position) => (COLOURS[position].1, COLOURS[position].1, "#ffffff"),
        Role::Action(position) => (COLOURS[position].0, COLOURS[position].1, INK),
    }
}

/// The picture of all cells as the text of an SVG file.
pub fn svg(chart: &Chart) -> String {
    let side = |size: f64| offset(8, size) + size + MARGIN;
    let (whole_width, whole_height) = (side(CELL.0), side(CELL.1));
    let mut document = Document::new()
        .set("viewBox", (0, 0, whole_width, whole_height))
        .set("width", whole_width)
        .set("height", whole_height)
        .set("role", "img")
        .set("aria-labelledby", "chart-title")
        .add(Title::new(one_line(&chart.goal)).set("id", "chart-title"))
        .add(
            Rectangle::new()
                .set("width", whole_width)
                .set("height", whole_height)
                .set("fill", PAPER),
        );
    for (row, cells) in (0_u8..).zip(rows(chart)) {
        for (column, cell) in (0_u8..).zip(cells) {
            document = document.add(card(&cell, offset(column, CELL.0), offset(row, CELL.1)));
        }
    }
    document.to_string()
}

fn card(cell: &Cell, left: f64, top: f64) -> Group {
    let (fill, edge, ink) = colours(cell.role);
    let frame = Rectangle::new()
        .set("width", CELL.0)
        .set("height", CELL.1)
        .set("rx", 8)
        .set("fill", fill)
        .set("stroke", edge)
        .set("stroke-width", 1);
    let (size, lines) = fit(&cell.title);
    let mut text = Text::new("")
        .set("text-anchor", "middle")
        .set("font-family", FONTS)
        .set("font-size", size)
        .set("font-weight", if matches!(cell.role, Role::Action(_)) { 500 } else { 700 })
        .set("fill", ink);
    let pitch = size * LEADING;
    // A line's baseline lies about a third of the size below its middle.
    let mut y = CELL.1 / 2.0 - (height(&lines, size) - pitch) / 2.0 + size * 0.36;
    for line in lines {
        text =
            text.add(TSpan::new(line).set("x", CELL.0 / 2.0).set("y", (y * 10.0).round() / 10.0));
        y += pitch;
    }
    Group::new().set("transform", format!("translate({left} {top})")).add(frame).add(text)
}

fn height(lines: &[String], size: f64) -> f64 {
    lines.iter().map(|_| size * LEADING).sum()
}

/// The largest size in which the title fits into a cell, or else the smallest.
fn fit(title: &str) -> (f64, Vec<String>) {
    let mut fitted = (0.0, Vec::new());
    for size in SIZES {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few dozen columns, never negative"
        )]
        let columns = ((CELL.0 - 2.0 * PADDING) / (size / 2.0 * LATIN_SLACK)).floor() as usize;
        let lines = wrap(title, columns);
        let fits = height(&lines, size) <= CELL.1 - 2.0 * PADDING;
        fitted = (size, lines);
        if fits {
            break;
        }
    }
    fitted
}

/// The chart as a page of its own: text that can be selected, read aloud and printed. On a narrow
/// screen the blocks stand below one another, the goal's first.
pub fn html(chart: &Chart) -> String {
    let mut blocks = String::new();
    for (index, outer) in BLOCK.iter().flatten().enumerate() {
        let middle = *outer == Place::Centre;
        let name = escaped(&cell(chart, *outer, Place::Centre).title);
        let _ = write!(
            blocks,
            "<section class=\"block{}\" style=\"--order:{index}\" aria-label=\"{name}\">",
            if middle { " middle" } else { "" }
        );
        for inner in BLOCK.iter().flatten() {
            let each = cell(chart, *outer, *inner);
            let (fill, edge, ink) = colours(each.role);
            let strong =
                if matches!(each.role, Role::Action(_)) { "" } else { " class=\"strong\"" };
            let _ = write!(
                blocks,
                "<div{strong} style=\"background:{fill};border-color:{edge};color:{ink}\">{}</div>",
                escaped(&each.title)
            );
        }
        blocks.push_str("</section>\n");
    }
    let title = escaped(&one_line(&chart.goal));
    let language = if title.is_ascii() { "en" } else { "ja" };
    format!(
        "<!doctype html>\n<html lang=\"{language}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
         <body>\n<h1>{title}</h1>\n<main>\n{blocks}</main>\n</body>\n</html>\n"
    )
}

const STYLE: &str = "\
body { margin: 0; padding: 24px; background: #f6f4ef; color: #22252b;
  font-family: 'Hiragino Sans', 'Noto Sans JP', 'Noto Sans CJK JP', Meiryo, system-ui, sans-serif; }
h1 { font-size: 22px; margin: 0 auto 20px; max-width: 1400px; }
main { display: grid; grid-template-columns: repeat(3, 1fr); gap: 16px; max-width: 1400px;
  margin: auto; }
.block { display: grid; grid-template-columns: repeat(3, 1fr); gap: 4px; order: var(--order); }
.block div { border: 1px solid; border-radius: 8px; min-height: 84px; padding: 6px;
  box-sizing: border-box; display: flex; align-items: center; justify-content: center;
  text-align: center; font-size: 13px; line-height: 1.35;
  overflow-wrap: anywhere; word-break: auto-phrase; text-wrap: balance; }
.strong { font-weight: 700; }
@media (max-width: 900px) { main { grid-template-columns: 1fr; } .middle { order: -1; } }
@media print { body { padding: 0; background: none; }
  .block div { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
";

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    /// Sample charts with eight numbered actions under each sub-goal.
    fn charts() -> Vec<Chart> {
        let mut charts = Vec::from(samples::all());
        for chart in &mut charts {
            for (at, sub_goal) in chart.sub_goals.iter_mut().enumerate() {
                sub_goal.actions = (0..8).map(|n| format!("行動{at}-{n} <b>&</b> step")).collect();
            }
        }
        charts
    }

    #[test]
    fn there_are_81_cells_and_each_sub_goal_stands_twice() {
        for chart in charts() {
            let cells: Vec<Cell> = rows(&chart).concat();
            assert_eq!(cells.len(), 81);
            assert_eq!(cells.iter().filter(|cell| cell.role == Role::Goal).count(), 1);
            for position in 0..8 {
                assert_eq!(
                    cells.iter().filter(|cell| cell.role == Role::SubGoal(position)).count(),
                    2
                );
                assert_eq!(
                    cells.iter().filter(|cell| cell.role == Role::Action(position)).count(),
                    8
                );
            }
            assert_eq!(rows(&chart)[4][4].role, Role::Goal);
            assert_eq!(
                (rows(&chart)[3][4].role, rows(&chart)[1][4].role),
                (Role::SubGoal(1), Role::SubGoal(1))
            );
        }
    }

    #[test]
    fn every_line_in_a_terminal_is_equally_wide_and_fits() {
        for chart in charts() {
            assert_eq!(terminal(&chart, 99), None);
            for columns in [100, 120, 160, 240] {
                let picture = terminal(&chart, columns).unwrap();
                let widths: Vec<usize> = picture.lines().map(width).collect();
                assert!(
                    widths.iter().all(|width| *width == widths[0] && *width <= columns),
                    "{columns}\n{picture}"
                );
            }
        }
    }

    #[test]
    fn no_title_can_become_markup_and_none_is_lost() {
        for chart in charts() {
            let (svg, html) = (svg(&chart), html(&chart));
            assert!(!svg.contains("<b>") && !html.contains("<b>") && !html.contains("<script"));
            for cell in rows(&chart).concat() {
                assert!(html.contains(&escaped(&cell.title)), "{}", cell.title);
            }
            assert_eq!((svg.matches("<rect").count(), html.matches("<div").count()), (82, 81));
        }
    }
}
