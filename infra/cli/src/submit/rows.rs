//! The rows of a file, one after the other, never the whole file in memory.

use std::io::{BufReader, Read};

use anyhow::Result;
use serde_json::{Map, Value};

use super::csv_rows::CsvRows;
use super::json_lines::JsonLines;

/// Bytes of the longest row that is read; the API takes none that is a quarter as long.
pub(super) const LONGEST_ROW: usize = 1 << 20;
/// Characters of an unreadable row that are shown.
const SHOWN: usize = 2_000;

/// How a file holds its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    JsonLines,
    Csv,
}

/// One row.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// The line that it begins in, from 1.
    pub line: u64,
    pub content: Result<Map<String, Value>, Unreadable>,
}

/// A row that is none, as far as it can be shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub text: String,
    pub why: String,
}

impl Unreadable {
    pub(super) fn new(bytes: &[u8], why: impl Into<String>) -> Self {
        let text = String::from_utf8_lossy(bytes).chars().take(SHOWN).collect();
        Self { text, why: why.into() }
    }
}

/// The rows of a file. An error is the file's: there is nothing to be read behind it.
pub(super) enum Rows<R> {
    JsonLines(JsonLines<BufReader<R>>),
    Csv(CsvRows<R>),
}

impl<R: Read> Rows<R> {
    pub(super) fn of(form: Form, file: R) -> Result<Self> {
        Ok(match form {
            Form::JsonLines => Self::JsonLines(JsonLines::of(BufReader::new(file))),
            Form::Csv => Self::Csv(CsvRows::of(file)?),
        })
    }

    /// Goes past one row without looking into it; `false` at the end.
    pub(super) fn skip(&mut self) -> Result<bool> {
        match self {
            Self::JsonLines(rows) => rows.skip(),
            Self::Csv(rows) => rows.skip(),
        }
    }

    /// The next row; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Row>> {
        match self {
            Self::JsonLines(rows) => rows.next(),
            Self::Csv(rows) => rows.next(),
        }
    }
}
