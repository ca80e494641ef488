//! JSON lines: an object a line; blank lines count as lines but not as rows.

use std::io::{BufRead, Read};

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::rows::{LONGEST_ROW, Row, Unreadable};

/// Where a file of JSON in UTF-8 may begin with a mark that is no JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads them.
pub(super) struct JsonLines<R> {
    reader: R,
    /// The number of the line in `bytes`.
    line: u64,
    bytes: Vec<u8>,
}

impl<R: BufRead> JsonLines<R> {
    pub(super) const fn of(reader: R) -> Self {
        Self { reader, line: 0, bytes: Vec::new() }
    }

    pub(super) fn skip(&mut self) -> Result<bool> {
        self.advance()
    }

    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        if !self.advance()? {
            return Ok(None);
        }
        let content = if self.bytes.len() > LONGEST_ROW {
            let why = format!("the line is longer than {LONGEST_ROW} bytes");
            Err(Unreadable::new(&self.bytes, why))
        } else {
            let text = self.bytes.trim_ascii();
            object(text).map_err(|why| Unreadable::new(text, why))
        };
        Ok(Some(Row { line: self.line, content }))
    }

    /// Reads up to the end of the next line that is not blank, and keeps no more of it than tells
    /// that it is too long; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        loop {
            self.bytes.clear();
            let most = LONGEST_ROW as u64 + 1;
            let read = (&mut self.reader)
                .take(most)
                .read_until(b'\n', &mut self.bytes)
                .with_context(|| format!("line {} cannot be read", self.line + 1))?;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 == most && !self.bytes.ends_with(b"\n") {
                self.reader
                    .skip_until(b'\n')
                    .with_context(|| format!("line {} cannot be read", self.line + 1))?;
            }
            self.line += 1;
            if self.line == 1 && self.bytes.starts_with(BYTE_ORDER_MARK) {
                self.bytes.drain(..BYTE_ORDER_MARK.len());
            }
            if !self.bytes.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }
}

fn object(text: &[u8]) -> Result<Map<String, Value>, String> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err("a row has to be a JSON object".to_owned()),
        // Each line is read by itself, so all are its line 1.
        Err(error) => {
            Err(format!("this is not JSON: {error}").replace(" at line 1 column ", " at column "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Vec<(u64, Result<Value, String>)> {
        let mut rows = JsonLines::of(text);
        std::iter::from_fn(|| rows.next().unwrap())
            .map(|row| (row.line, row.content.map(Value::Object).map_err(|bad| bad.why)))
            .collect()
    }

    #[test]
    fn blank_lines_and_a_byte_order_mark_are_no_rows() {
        let rows = rows(b"\xef\xbb\xbf{\"a\":1}\r\n\r\n  \n{\"b\":2}");
        let lines: Vec<u64> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 4]);
        assert!(rows.iter().all(|(_, row)| row.is_ok()));
    }

    #[test]
    fn a_broken_line_says_where_and_does_not_stop_the_rest() {
        let rows = rows(b"{\"a\":}\n[1]\n\xff\n{}\n");
        let bad = |index: usize| rows[index].1.clone().unwrap_err();
        assert_eq!(bad(0), "this is not JSON: expected value at column 6");
        assert_eq!(bad(1), "a row has to be a JSON object");
        assert!(bad(2).starts_with("this is not JSON"), "{}", bad(2));
        assert_eq!(rows[3], (4, Ok(Value::Object(Map::new()))));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let long = format!("{{\"a\":\"{}\"}}\n{{}}\n", "x".repeat(3 * LONGEST_ROW));
        let rows = rows(long.as_bytes());
        assert_eq!(rows[0].1.clone().unwrap_err(), "the line is longer than 1048576 bytes");
        assert_eq!(rows[1], (2, Ok(Value::Object(Map::new()))));
    }

    #[test]
    fn skipping_passes_over_the_same_rows_as_reading() {
        let mut rows = JsonLines::of(&b"\n{\"a\":1}\nnonsense\n\n{\"b\":2}\n"[..]);
        assert!(rows.skip().unwrap() && rows.skip().unwrap());
        assert_eq!(rows.next().unwrap().unwrap().line, 5);
        assert!(!rows.skip().unwrap());
    }
}
