//! The chart in a terminal, as plain text: a grid of box-drawing lines with the goal in a heavy
//! frame.

use super::{
    BLOCK, Chart, Place, Titles,
    wrap::{width, wrap},
};

/// Below this many columns a grid has no room for words; a list is shown instead.
const NARROWEST_GRID: usize = 40;
/// Wider cells would only hold more air.
const WIDEST_CELL: usize = 36;
/// A cell is never lower than this many lines, so that the grid looks like one.
const LOWEST_CELL: usize = 3;

/// Draws the chart for a terminal of `columns` columns. Every line of a grid has the same width;
/// each ends with a newline.
pub fn render(chart: &Chart, columns: usize) -> String {
    let titles = Titles::of(chart);
    if columns < NARROWEST_GRID { list(&titles, columns) } else { grid(&titles, columns) }
}

/// A line per title, for what is too narrow for a grid.
fn list(titles: &Titles, columns: usize) -> String {
    let mut out = String::new();
    let mut entry = |mark: &str, title: &str| {
        let indent = width(mark);
        for (index, line) in wrap(title, columns.saturating_sub(indent).max(2)).iter().enumerate() {
            let lead = if index == 0 { mark.to_owned() } else { " ".repeat(indent) };
            out.extend([lead.as_str(), line, "\n"]);
        }
    };
    entry("◎ ", &titles.goal);
    for (position, title) in titles.around.iter().enumerate() {
        entry(&format!("{}. ", position + 1), title);
    }
    out
}

/// Four vertical lines and three cells.
fn grid(titles: &Titles, columns: usize) -> String {
    let cell = ((columns - 4) / 3).min(WIDEST_CELL);
    // A column of air on each side of the text.
    let texts = BLOCK.map(|row| row.map(|place| wrap(titles.at(place), cell - 2)));
    let heights =
        texts.each_ref().map(|row| row.iter().map(Vec::len).max().unwrap_or(0).max(LOWEST_CELL));
    // The rows above and below the goal are alike, however their texts differ.
    let outer = heights[0].max(heights[2]);
    let mut out = String::new();
    for (row, height) in [outer, heights[1], outer].into_iter().enumerate() {
        out.push_str(&rule(row, cell));
        for line in 0..height {
            out.push_str(&text_line(row, &texts[row], line, height, cell));
        }
    }
    out.push_str(&rule(3, cell));
    out
}

/// The horizontal line above row `row`; 3 is the one that closes the grid.
fn rule(row: usize, cell: usize) -> String {
    // The frame of the centre is heavy: its corners join heavy and light lines.
    let (left, inner_left, middle, inner_right, right) = match row {
        0 => ('┌', '┬', '─', '┬', '┐'),
        1 => ('├', '╆', '━', '╅', '┤'),
        2 => ('├', '╄', '━', '╃', '┤'),
        _ => ('└', '┴', '─', '┴', '┘'),
    };
    let line = |c: char| c.to_string().repeat(cell);
    let (light, middle) = (line('─'), line(middle));
    format!("{left}{light}{inner_left}{middle}{inner_right}{light}{right}\n")
}

/// One line of text through the three cells of a row.
fn text_line(
    row: usize,
    texts: &[Vec<String>; 3],
    line: usize,
    height: usize,
    cell: usize,
) -> String {
    let inner = if BLOCK[row][1] == Place::Centre { '┃' } else { '│' };
    let [left, middle, right] = texts.each_ref().map(|lines| {
        let above = (height - lines.len()) / 2;
        let text =
            line.checked_sub(above).and_then(|index| lines.get(index)).map_or("", String::as_str);
        centred(text, cell)
    });
    format!("│{left}{inner}{middle}{inner}{right}│\n")
}

fn centred(text: &str, columns: usize) -> String {
    let air = columns.saturating_sub(width(text));
    format!("{}{text}{}", " ".repeat(air / 2), " ".repeat(air - air / 2))
}

#[cfg(test)]
mod tests {
    use super::{super::samples, *};

    /// A picture without its lines and spaces, cell by cell, so that a wrapped title is whole
    /// again.
    fn cells(picture: &str) -> Vec<String> {
        let mut cells = vec![String::new(); 9];
        let mut row = 0;
        for line in picture.lines().skip(1) {
            if line.starts_with(['├', '└']) {
                row += 3;
                continue;
            }
            for (column, text) in line.trim_matches('│').split(['│', '┃']).enumerate() {
                cells[row + column].push_str(&text.replace(' ', ""));
            }
        }
        cells
    }

    #[test]
    fn every_line_of_a_grid_is_equally_wide_and_fits() {
        for chart in samples::all() {
            for columns in NARROWEST_GRID..130 {
                let picture = render(&chart, columns);
                let widths: Vec<usize> = picture.lines().map(width).collect();
                assert!(
                    widths.iter().all(|width| *width == widths[0] && *width <= columns),
                    "{columns}\n{picture}"
                );
            }
        }
    }

    #[test]
    fn no_title_is_lost_and_each_stands_in_its_place() {
        for chart in samples::all() {
            let titles = Titles::of(&chart);
            for columns in [40, 80, 120] {
                let cells = cells(&render(&chart, columns));
                for (index, place) in BLOCK.iter().flatten().enumerate() {
                    assert_eq!(cells[index], titles.at(*place).replace(' ', ""));
                }
            }
        }
    }

    #[test]
    fn eighty_columns_hold_the_usual_chart_in_few_lines() {
        let picture = render(&samples::japanese(), 80);
        assert_eq!(
            (picture.lines().count(), width(picture.lines().next().unwrap())),
            (13, 79),
            "\n{picture}"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_a_list_of_all_titles() {
        for chart in samples::all() {
            for columns in [1, 10, 20, 39] {
                let list = render(&chart, columns);
                let bare = |text: &str| text.replace([' ', '\n'], "");
                for sub_goal in &chart.sub_goals {
                    assert!(
                        bare(&list).contains(&bare(&super::super::one_line(&sub_goal.title))),
                        "{list}"
                    );
                }
                assert!(columns < 10 || list.lines().all(|line| width(line) <= columns), "{list}");
            }
        }
    }

    #[test]
    fn missing_sub_goals_leave_their_places_empty() {
        let chart = Chart { goal: "目標".to_owned(), sub_goals: Vec::new() };
        assert_eq!(cells(&render(&chart, 80)).concat(), "目標");
    }
}
