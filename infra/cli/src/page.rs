//! Lines, tables and colours. A character of East Asia takes two columns; colours are left out
//! where nobody sees them, and where `NO_COLOR` says so.

use console::Alignment::Left;
use console::{Style, Term, measure_text_width, pad_str, truncate_str};

/// What stands between two columns.
const GAP: &str = "  ";

/// What is printed.
pub(crate) struct Page {
    lines: Vec<String>,
    /// Columns of the terminal; `None`: nobody watches, and nothing is cut.
    width: Option<usize>,
}

impl Page {
    /// For standard output.
    pub(crate) fn of_terminal() -> Self {
        let width = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        Self { lines: Vec::new(), width }
    }

    /// One as wide as a test says.
    #[cfg(test)]
    pub(crate) fn of_width(width: Option<usize>) -> Self {
        Self { lines: Vec::new(), width }
    }

    /// A line as it is: sentences are never cut, and commands are copied.
    pub(crate) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// A line that is cut where the terminal ends.
    pub(crate) fn aside(&mut self, line: &str) {
        let line = self.cut(line);
        self.lines.push(dim(&line));
    }

    /// Names and values, one pair a line; a value that is empty is left out.
    pub(crate) fn pairs(&mut self, pairs: &[(&str, String)]) {
        let there: Vec<_> = pairs.iter().filter(|(_, value)| !value.is_empty()).collect();
        let widest = there.iter().map(|(name, _)| measure_text_width(name)).max().unwrap_or(0);
        for (name, value) in there {
            let name = dim(&pad_str(name, widest, Left, None));
            self.lines.push(format!("{name}{GAP}{value}"));
        }
    }

    /// A table: a head and its rows, each cut where the terminal ends.
    pub(crate) fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        for row in self.columns(head, rows) {
            let row = self.cut(&row);
            self.lines.push(row);
        }
    }

    /// A table whose last column holds sentences: they go on in the lines below, and are never
    /// cut.
    pub(crate) fn table_of_sentences(&mut self, head: &[&str], rows: &[Vec<String>]) {
        let rows = self.columns(head, rows);
        self.lines.extend(rows);
    }

    /// Adds the head of a table, and gives its rows.
    fn columns(&mut self, head: &[&str], rows: &[Vec<String>]) -> Vec<String> {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            let cells = cells.map(|cell| measure_text_width(cell));
            cells.chain(head.get(column).map(|name| measure_text_width(name))).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..head.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let cells = cells.zip(&widths).map(|(cell, width)| pad_str(cell, *width, Left, None));
            cells.collect::<Vec<_>>().join(GAP).trim_end().to_owned()
        };
        let names = self.cut(&line(&mut head.iter().copied()));
        self.lines.push(dim(&names));
        rows.iter().map(|row| line(&mut row.iter().map(String::as_str))).collect()
    }

    /// All of it.
    pub(crate) fn text(self) -> String {
        self.lines.join("\n")
    }

    fn cut(&self, line: &str) -> String {
        self.width
            .map_or_else(|| line.to_owned(), |width| truncate_str(line, width, "…").into_owned())
    }
}

/// What is beside the point.
pub(crate) fn dim(text: &str) -> String {
    Style::new().dim().apply_to(text).to_string()
}

/// A word by what it stands for: good, bad, or between.
pub(crate) fn coloured(word: &str) -> String {
    let style = Style::new().bold();
    let style = match word {
        "well" | "COMPLETED" | "SUCCEEDED" => style.green(),
        "down" | "critical" | "FAILED" | "TIMEOUT" | "TIMED_OUT" => style.red(),
        "degraded" | "warning" | "CANCELLED" | "ABORTED" => style.yellow(),
        _ => style.cyan(),
    };
    style.apply_to(word).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_whatever_is_written_in_them() {
        let mut page = Page::of_width(None);
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        page.table(&["名前", "n"], &[row(["東京", "1"]), row(["a", "22"])]);
        let text = console::strip_ansi_codes(&page.text()).into_owned();
        assert_eq!(text, "名前  n\n東京  1\na     22");
    }

    #[test]
    fn a_table_is_cut_where_the_terminal_ends_and_a_command_is_not() {
        let mut page = Page::of_width(Some(5));
        page.table(&["head"], &[vec!["目標を立てる".to_owned()]]);
        page.line("$ a long command");
        let text = console::strip_ansi_codes(&page.text()).into_owned();
        assert_eq!(text, "head\n目標…\n$ a long command");
    }

    #[test]
    fn a_sentence_in_a_table_is_not_cut() {
        let mut page = Page::of_width(Some(12));
        let sentence = "it has ended already";
        page.table_of_sentences(&["not done", "why"], &[vec!["7".to_owned(), sentence.to_owned()]]);
        let text = console::strip_ansi_codes(&page.text()).into_owned();
        assert_eq!(text, "not done  w…\n7         it has ended already");
    }

    #[test]
    fn a_pair_without_a_value_is_left_out() {
        let mut page = Page::of_width(None);
        page.pairs(&[("type", "X".to_owned()), ("none", String::new())]);
        assert_eq!(console::strip_ansi_codes(&page.text()), "type  X");
    }
}
