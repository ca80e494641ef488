//! CSV with a header that names params; cells are texts, and empty ones are left out.

use std::collections::BTreeSet;
use std::io::{self, Read};

use anyhow::{Context, Result, bail, ensure};
use csv::{ByteRecord, ReaderBuilder, Terminator, Trim};
use serde_json::{Map, Value};

use super::rows::{LONGEST_ROW, Row, Unreadable};

/// A header with none of these is no header.
const TELLING: [&str; 4] = ["title", "goalId", "subGoalId", "actionId"];

/// The record that [`Guard`] puts behind the last one.
const LAST: &[u8] = b"\x04";

/// Reads the records behind the header.
pub(super) struct CsvRows<R> {
    reader: csv::Reader<Guard<R>>,
    columns: Vec<String>,
    record: ByteRecord,
    /// Whether the last one was seen.
    is_over: bool,
}

impl<R: Read> CsvRows<R> {
    /// Reads the header.
    pub(super) fn of(file: R) -> Result<Self> {
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .trim(Trim::Headers)
            // With CRLF the reader would count a line only when it begins the next.
            .terminator(Terminator::Any(b'\n'))
            .from_reader(Guard::of(file));
        let header = reader.byte_headers().context("the header cannot be read")?;
        let columns = columns(header)?;
        reader.get_mut().left = LONGEST_ROW;
        Ok(Self { reader, columns, record: ByteRecord::new(), is_over: false })
    }

    pub(super) fn skip(&mut self) -> Result<bool> {
        self.advance()
    }

    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        if !self.advance()? {
            return Ok(None);
        }
        let content = params(&self.columns, &self.record).map_err(|why| {
            let cells: Vec<&[u8]> = self.record.iter().map(without_return).collect();
            Unreadable::new(&cells.join(&b','), why)
        });
        Ok(Some(Row { line: self.line(), content }))
    }

    /// Reads the next record in which something stands; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        while !self.is_over {
            let line = self.line();
            let behind = || format!("the row of line {line}, or the one behind it, cannot be read");
            let found = self.reader.read_byte_record(&mut self.record).with_context(behind)?;
            self.reader.get_mut().left = LONGEST_ROW;
            // That row has no end of a line behind it.
            ensure!(found, "a quote that opens in the row of line {} is not closed", line + 1);
            self.is_over = self.record.len() == 1 && &self.record[0] == LAST;
            if !self.is_over && !self.record.iter().all(is_blank) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Where the record begins. The reader's own word for it does not count blank lines in front.
    fn line(&self) -> u64 {
        let lines = self.record.as_slice().split(|byte| *byte == b'\n').count() as u64;
        self.reader.position().line().saturating_sub(lines)
    }
}

/// Of a line that ends with CRLF the last cell has the CR.
fn without_return(cell: &[u8]) -> &[u8] {
    cell.strip_suffix(b"\r").unwrap_or(cell)
}

fn is_blank(cell: &[u8]) -> bool {
    cell.trim_ascii().is_empty()
}

fn columns(header: &ByteRecord) -> Result<Vec<String>> {
    let columns: Vec<String> = header
        .iter()
        .map(|name| String::from_utf8(name.to_vec()))
        .collect::<Result<_, _>>()
        .context("the header is not UTF-8: save the file as \"CSV UTF-8\"")?;
    ensure!(
        columns.iter().any(|column| TELLING.contains(&column.as_str())),
        "the header has no column {}: the first line has to name params, divided by commas (it is \
         {})",
        TELLING.join(" or "),
        columns.join(",")
    );
    let mut seen = BTreeSet::new();
    if let Some(twice) = columns.iter().find(|name| !name.is_empty() && !seen.insert(*name)) {
        bail!("the header names {twice} twice");
    }
    Ok(columns)
}

fn params(columns: &[String], record: &ByteRecord) -> Result<Map<String, Value>, String> {
    let names = columns.iter().map(String::as_str);
    let surplus = record.len().saturating_sub(columns.len());
    if record.len() < columns.len() {
        return Err(format!("{} cells for {} columns", record.len(), columns.len()));
    }
    let mut params = Map::new();
    for (name, cell) in names.chain(std::iter::repeat_n("", surplus)).zip(record) {
        let cell = without_return(cell);
        if is_blank(cell) {
            continue;
        }
        let text = str::from_utf8(cell)
            .map_err(|_| format!("the cell {name} is not UTF-8: save the file as \"CSV UTF-8\""))?;
        if name.is_empty() {
            return Err(format!("{text:?} stands in a column without a name"));
        }
        params.insert(name.to_owned(), value(name, text));
    }
    Ok(params)
}

/// The one param that is no text is `replace`.
fn value(name: &str, text: &str) -> Value {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" if name == "replace" => true.into(),
        "false" if name == "replace" => false.into(),
        _ => text.into(),
    }
}

/// Stands before the file, for quotes that are never closed. It lets so many bytes through for each
/// record, or one record would hold all the rest; and it ends the file with a record of its own,
/// which such a quote would swallow.
struct Guard<R> {
    inner: R,
    left: usize,
    end: &'static [u8],
}

impl<R> Guard<R> {
    const fn of(inner: R) -> Self {
        Self { inner, left: LONGEST_ROW, end: b"\n\x04\n" }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if read == 0 {
            return self.end.read(buffer);
        }
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::other(format!(
                "it is longer than {LONGEST_ROW} bytes; is there a quote that is not closed?"
            ))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rows(text: &[u8]) -> Vec<(u64, Result<Value, Unreadable>)> {
        let mut rows = CsvRows::of(text).unwrap();
        std::iter::from_fn(|| rows.next().unwrap())
            .map(|row| (row.line, row.content.map(Value::Object)))
            .collect()
    }

    fn refusal(text: &[u8]) -> String {
        format!("{:#}", CsvRows::of(text).err().expect("a header that is refused"))
    }

    #[test]
    fn cells_become_params_and_empty_ones_are_left_out() {
        let text = "\u{feff}goalId, title,constraints,replace\r\n,英語を話す, ,TRUE\r\n\
                    ,\"a, \"\"b\"\"\nc\",平日,\r\n";
        assert_eq!(
            rows(text.as_bytes()),
            [
                (2, Ok(json!({"title": "英語を話す", "replace": true}))),
                (3, Ok(json!({"title": "a, \"b\"\nc", "constraints": "平日"}))),
            ]
        );
    }

    #[test]
    fn a_row_is_known_by_the_line_that_it_begins_in() {
        for newline in ["\n", "\r\n"] {
            let text = "title,goalId\na,\n\n\"two\nlines\",\n,\nb,".replace('\n', newline);
            for text in [text.clone(), text + newline] {
                let lines: Vec<u64> = rows(text.as_bytes()).iter().map(|row| row.0).collect();
                assert_eq!(lines, [2, 4, 7], "{text:?}");
            }
        }
    }

    #[test]
    fn a_row_of_another_width_is_unreadable_and_does_not_stop_the_rest() {
        let rows = rows(b"title,goalId\na\nb,1,2\nc,1,,\nd,\n");
        let why: Vec<_> =
            rows.iter().map(|row| row.1.as_ref().err().map(|bad| &*bad.why)).collect();
        assert_eq!(
            why,
            [
                Some("1 cells for 2 columns"),
                Some("\"2\" stands in a column without a name"),
                None,
                None
            ]
        );
        assert_eq!(rows[1].1.as_ref().unwrap_err().text, "b,1,2");
    }

    #[test]
    fn a_cell_in_another_encoding_is_told_how_to_be_saved() {
        let rows = rows(b"title\n\x83\x7d\nb\n");
        let bad = rows[0].1.as_ref().unwrap_err();
        assert!(bad.why.contains("cell title is not UTF-8"), "{}", bad.why);
        assert!(rows[1].1.is_ok());
    }

    #[test]
    fn what_is_no_header_is_refused() {
        assert!(refusal(b"").contains("no column title"));
        assert!(refusal(b"goalId;title\n1;a\n").contains("(it is goalId;title)"));
        assert!(refusal(b"title,title\na,b\n").contains("title twice"));
        assert!(refusal(b"title,\x83\x7d\na,b\n").contains("CSV UTF-8"));
    }

    #[test]
    fn a_quote_that_is_never_closed_is_an_error_and_not_a_row_of_all_the_rest() {
        let text = format!("title\na\n\"b\n{}", "c\n".repeat(LONGEST_ROW));
        let mut rows = CsvRows::of(text.as_bytes()).unwrap();
        assert!(rows.next().unwrap().is_some());
        let error = format!("{:#}", rows.next().unwrap_err());
        assert!(error.contains("line 2") && error.contains("quote"), "{error}");
    }

    #[test]
    fn a_quote_that_is_open_at_the_end_is_an_error_too() {
        let mut rows = CsvRows::of(&b"title\na\n\"b\nc\n"[..]).unwrap();
        assert!(rows.skip().unwrap() && rows.skip().unwrap());
        let error = rows.skip().unwrap_err().to_string();
        assert_eq!(error, "a quote that opens in the row of line 3 is not closed");
    }

    #[test]
    fn the_end_stays_the_end() {
        let mut rows = CsvRows::of(&b"title\na"[..]).unwrap();
        assert!(rows.skip().unwrap());
        assert!(!rows.skip().unwrap() && !rows.skip().unwrap() && rows.next().unwrap().is_none());
    }

    #[test]
    fn a_file_longer_than_the_longest_row_is_read() {
        let text = format!("title\n{}", "a title\n".repeat(LONGEST_ROW / 4));
        let mut rows = CsvRows::of(text.as_bytes()).unwrap();
        let mut count = 0;
        while rows.skip().unwrap() {
            count += 1;
        }
        assert_eq!(count, LONGEST_ROW / 4);
    }
}
