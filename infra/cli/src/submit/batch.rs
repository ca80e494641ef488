//! Which rows are sent together, and what becomes of each of them.

use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::api::Verdicts;
use super::refused::{Refused, What};
use super::request::Defaults;
use super::rows::{Row, Rows};
use super::state::Held;
use crate::envelope::Refusal;

/// Bytes of the largest body. The API reads 1 MiB.
const LARGEST_BODY: usize = 1000 * 1024;
/// Codes that say nothing of the row: it is sent again until its time has come.
const QUEUED: [&str; 3] = ["TOO_MANY_WAITING", "RATE_LIMIT_EXCEEDED", "BUDGET_EXCEEDED"];
/// How often a row is sent that is refused for now for another reason.
const TRIES: u32 = 5;

/// A row on its way.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its number, from 1.
    pub row: u64,
    pub line: u64,
    /// How often it was refused for now.
    pub tries: u32,
    pub request: Value,
}

/// Rows that are sent together.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Batch {
    pub items: Vec<Item>,
    /// Those met on the way that cannot be sent.
    pub unreadable: Vec<Refused>,
}

impl Batch {
    /// Whether the file has come to its end.
    pub(super) const fn is_empty(&self) -> bool {
        self.items.is_empty() && self.unreadable.is_empty()
    }

    pub(super) fn body(&self, dry_run: bool) -> Value {
        let requests: Vec<&Value> = self.items.iter().map(|item| &item.request).collect();
        json!({"requests": requests, "dryRun": dry_run})
    }
}

/// Makes batches of a file's rows.
pub(super) struct Batches<R> {
    rows: Rows<R>,
    defaults: Defaults,
    size: usize,
    /// How many rows are in batches.
    taken: u64,
    /// One that was read and did not fit in.
    next: Option<Item>,
    held: Vec<Item>,
}

impl<R: Read> Batches<R> {
    /// Goes on behind the first `taken` rows, of which those in `held` are sent again.
    pub(super) fn behind(
        mut rows: Rows<R>,
        defaults: Defaults,
        size: usize,
        taken: u64,
        held: &[Held],
    ) -> Result<Self> {
        let again: BTreeSet<u64> = held.iter().map(|held| held.row).collect();
        let mut items = Vec::new();
        for row in 1..=taken {
            if !again.contains(&row) {
                ensure!(rows.skip()?, "the file has fewer rows than were sent of it");
            } else if let Some(Ok(item)) = read(&mut rows, &defaults, row)? {
                let tries = held.iter().find(|held| held.row == row).map_or(0, |held| held.tries);
                items.push(Item { tries, ..item });
            }
        }
        Ok(Self { rows, defaults, size, taken, next: None, held: items })
    }

    /// How many rows are in batches so far.
    pub(super) const fn taken(&self) -> u64 {
        self.taken
    }

    /// Has rows sent again, before all others.
    pub(super) fn hold(&mut self, items: Vec<Item>) {
        self.held = items;
    }

    /// The next batch; an empty one at the end.
    pub(super) fn next(&mut self) -> Result<Batch> {
        let mut batch = Batch { items: std::mem::take(&mut self.held), unreadable: Vec::new() };
        let mut bytes = batch.items.iter().map(size_of).sum::<usize>();
        // Unreadable rows take their place, so that a file of nothing else is not read at once.
        while batch.items.len() + batch.unreadable.len() < self.size {
            let next = match self.next.take() {
                Some(item) => Some(Ok(item)),
                None => read(&mut self.rows, &self.defaults, self.taken + 1)?,
            };
            match next {
                None => break,
                Some(Err(refused)) => batch.unreadable.push(*refused),
                Some(Ok(item)) if bytes + size_of(&item) > LARGEST_BODY => {
                    self.next = Some(item);
                    break;
                }
                Some(Ok(item)) => {
                    bytes += size_of(&item);
                    batch.items.push(item);
                }
            }
            self.taken += 1;
        }
        Ok(batch)
    }
}

/// With the comma behind it.
fn size_of(item: &Item) -> usize {
    item.request.to_string().len() + 1
}

/// The next row, or why it cannot be sent; `None` at the end.
fn read<R: Read>(
    rows: &mut Rows<R>,
    defaults: &Defaults,
    number: u64,
) -> Result<Option<Result<Item, Box<Refused>>>> {
    Ok(rows.next()?.map(|row| item(row, defaults, number)))
}

fn item(row: Row, defaults: &Defaults, number: u64) -> Result<Item, Box<Refused>> {
    let line = row.line;
    let refused = |code: &str, message: String, what| {
        let error = Refusal { code: code.to_owned(), message, ..Refusal::default() };
        Box::new(Refused { line, what, error })
    };
    let content =
        row.content.map_err(|bad| refused("UNREADABLE", bad.why, What::Text(bad.text)))?;
    let text = content.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let request = defaults
        .request(number, content)
        .map_err(|why| refused("UNREADABLE", why.to_owned(), What::Text(text)))?;
    let item = Item { row: number, line, tries: 0, request };
    let bytes = size_of(&item);
    if bytes > LARGEST_BODY {
        let message = format!("{bytes} bytes are more than a request may have");
        return Err(refused("TOO_LARGE", message, What::Request(item.request)));
    }
    Ok(item)
}

/// What has become of a batch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub accepted: u64,
    pub refused: Vec<Refused>,
    /// To be sent again.
    pub held: Vec<Item>,
    /// When, if somebody said so.
    pub wait: Option<Duration>,
}

/// Sorts the rows of a batch by what was said of each. A dry run holds none: what has to wait for
/// its time would wait for ever.
pub(super) fn sort(items: Vec<Item>, verdicts: &Verdicts, dry_run: bool) -> Result<Outcome> {
    let errors = verdicts.by_index(items.len())?;
    let mut outcome = Outcome { wait: verdicts.retry_after, ..Outcome::default() };
    for (item, error) in items.into_iter().zip(errors) {
        match error {
            None => outcome.accepted += 1,
            Some(error) if !dry_run && is_for_now(&error, item.tries) => {
                let asked = error.retry_after.map(Duration::from_secs);
                outcome.wait = outcome.wait.max(asked);
                outcome.held.push(Item { tries: item.tries + 1, ..item });
            }
            Some(error) => {
                let what = What::Request(item.request);
                outcome.refused.push(Refused { line: item.line, what, error });
            }
        }
    }
    Ok(outcome)
}

fn is_for_now(error: &Refusal, tries: u32) -> bool {
    error.retryable && (QUEUED.contains(&error.code.as_str()) || tries + 1 < TRIES)
}

#[cfg(test)]
mod tests {
    use super::super::rows::Form;
    use super::*;

    fn batches<'a>(text: &'a str, size: usize, taken: u64, held: &[Held]) -> Batches<&'a [u8]> {
        let rows = Rows::of(Form::JsonLines, text.as_bytes()).unwrap();
        let defaults =
            Defaults { kind: "TASK_GENERATION".to_owned(), priority: None, digest: "d".to_owned() };
        Batches::behind(rows, defaults, size, taken, held).unwrap()
    }

    fn file(rows: u64) -> String {
        let rows = (1..=rows).map(|row| json!({"goalId": row.to_string()}).to_string());
        rows.collect::<Vec<_>>().join("\n")
    }

    fn numbers(items: &[Item]) -> Vec<u64> {
        items.iter().map(|item| item.row).collect()
    }

    fn error(code: &str, retryable: bool) -> Value {
        json!({"code": code, "message": "", "retryable": retryable})
    }

    fn verdicts(results: &Value) -> Verdicts {
        serde_json::from_value(json!({"results": results})).unwrap()
    }

    #[test]
    fn all_rows_are_sent_once_and_in_order() {
        let text = file(5);
        let mut batches = batches(&text, 2, 0, &[]);
        let sent: Vec<Vec<u64>> = std::iter::from_fn(|| {
            Some(numbers(&batches.next().unwrap().items)).filter(|rows| !rows.is_empty())
        })
        .collect();
        assert_eq!(sent, [vec![1, 2], vec![3, 4], vec![5]]);
        assert_eq!(batches.taken(), 5);
    }

    #[test]
    fn held_rows_go_first_and_new_ones_fill_the_batch() {
        let text = file(6);
        let mut batches = batches(&text, 3, 0, &[]);
        let first = batches.next().unwrap();
        batches.hold(vec![first.items[1].clone()]);
        assert_eq!(numbers(&batches.next().unwrap().items), [2, 4, 5]);
    }

    #[test]
    fn a_run_that_was_cut_off_makes_the_same_batch_again() {
        let text = file(6);
        let mut first = batches(&text, 3, 0, &[]);
        let held = Item { tries: 2, ..first.next().unwrap().items[1].clone() };
        first.hold(vec![held]);
        let mut second = batches(&text, 3, 3, &[Held { row: 2, tries: 2 }]);
        assert_eq!(second.next().unwrap(), first.next().unwrap());
    }

    #[test]
    fn unreadable_rows_take_their_place_and_keep_their_number() {
        let text = "nonsense\n{}\nnonsense\n{}\n";
        let mut batches = batches(text, 3, 0, &[]);
        let batch = batches.next().unwrap();
        let lines: Vec<u64> = batch.unreadable.iter().map(|refused| refused.line).collect();
        assert_eq!((numbers(&batch.items), lines), (vec![2], vec![1, 3]));
        assert_eq!(batch.unreadable[0].error.code, "UNREADABLE");
        assert_eq!(numbers(&batches.next().unwrap().items), [4]);
    }

    #[test]
    fn a_body_is_never_larger_than_the_api_reads() {
        let long = "x".repeat(LARGEST_BODY / 2);
        let text =
            format!("{{\"a\":\"{long}\"}}\n{{\"a\":\"{long}\"}}\n{{\"a\":\"{long}{long}\"}}");
        let mut batches = batches(&text, 100, 0, &[]);
        let first = batches.next().unwrap();
        assert_eq!((numbers(&first.items), batches.taken()), (vec![1], 1));
        assert!(first.body(false).to_string().len() < 1024 * 1024);
        let second = batches.next().unwrap();
        assert_eq!(numbers(&second.items), [2]);
        assert_eq!(second.unreadable[0].error.code, "TOO_LARGE");
    }

    #[test]
    fn each_row_is_sorted_by_what_was_said_of_it() {
        let text = file(3);
        let items = batches(&text, 3, 0, &[]).next().unwrap().items;
        let results = json!([
            {"index": 2, "error": error("TOO_MANY_WAITING", true)},
            {"index": 0, "processId": "p"},
            {"index": 1, "error": error("VALIDATION_ERROR", false)},
        ]);
        let outcome = sort(items, &verdicts(&results), false).unwrap();
        assert_eq!((outcome.accepted, outcome.refused[0].line), (1, 2));
        assert_eq!((outcome.held[0].row, outcome.held[0].tries), (3, 1));
    }

    #[test]
    fn a_row_waits_for_the_queue_for_ever_and_for_a_broken_database_five_times() {
        let error =
            |code: &str| Refusal { code: code.to_owned(), retryable: true, ..Refusal::default() };
        assert!(is_for_now(&error("TOO_MANY_WAITING"), 1_000));
        assert!(is_for_now(&error("DATABASE_ERROR"), 3));
        assert!(!is_for_now(&error("DATABASE_ERROR"), 4));
    }

    #[test]
    fn the_longest_wait_that_was_asked_for_holds() {
        let text = file(2);
        let items = batches(&text, 3, 0, &[]).next().unwrap().items;
        let mut late = error("TOO_MANY_WAITING", true);
        late["retryAfter"] = json!(30);
        let results = json!([
            {"index": 0, "error": late},
            {"index": 1, "error": error("TOO_MANY_WAITING", true)},
        ]);
        let outcome = sort(items, &verdicts(&results), false).unwrap();
        assert_eq!((outcome.held.len(), outcome.wait), (2, Some(Duration::from_secs(30))));
    }

    #[test]
    fn a_dry_run_holds_nothing() {
        let text = file(1);
        let items = batches(&text, 3, 0, &[]).next().unwrap().items;
        let results = json!([{"index": 0, "error": error("TOO_MANY_WAITING", true)}]);
        let outcome = sort(items, &verdicts(&results), true).unwrap();
        assert_eq!((outcome.held.len(), outcome.refused.len()), (0, 1));
    }
}
