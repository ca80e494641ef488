//! Every operation of the store in every status, with a token that is stale, current and of the
//! future: one table says what each of them answers, a fresh row is made for each cell, and what is
//! answered and what has changed are held against it. The table is printed into `docs/matrix.md`.
//!
//! | file | holds |
//! |---|---|
//! | `table` | the table: an operation with a token a line, a situation a column |
//! | `situation` | the columns, and how a process comes there by the store's own moves |
//! | `operation`, `token` | what the lines name |
//! | `doing/` | how each of them is done |
//! | `dump` | what a cell has changed |
//! | `paper` | the table as a paper, in two languages |
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod complete;
mod doing;
mod dump;
mod operation;
mod paper;
mod situation;
mod table;
mod token;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::Fixture;

use self::{
    dump::Dump,
    operation::Operation,
    situation::Situation,
    table::{Line, TABLE},
};

/// What a cell says when the operation is done, and what it writes is in the row's history.
const DONE: &str = "done";
/// The row has gone, with all that belongs to it.
const DELETED: &str = "deleted";
/// The batches of the process may have more calls in flight; no move is made.
const MORE_CALLS: &str = "more calls";
/// Another process is stored; this one stays as it is.
const ACCEPTED: &str = "accepted";

/// Takes away what a cell has left.
async fn clear(fixture: &Fixture) {
    fixture
        .sql(
            "DELETE FROM processing_state; DELETE FROM request_batch; DELETE FROM goals;
             DELETE FROM processing_queue; DELETE FROM processing_model; DELETE FROM rate_limit;
             DELETE FROM processing_capacity; INSERT INTO processing_capacity DEFAULT VALUES;
             UPDATE reconciler_sweep SET holder = NULL, held_since = NULL, held_until = NULL",
        )
        .await;
}

/// What is wrong with one cell; nothing, if it is as the table says.
async fn faults(
    fixture: &Fixture,
    statement: &str,
    (line, situation, cell): (&Line, Situation, &str),
) -> Vec<String> {
    situation.make(fixture).await;
    doing::arrange(fixture, line, situation).await;
    let before = Dump::of(fixture, statement).await;
    let answer = doing::perform(fixture, line, situation).await;
    let after = Dump::of(fixture, statement).await;
    let own_changed = before.own() != after.own();
    let answer = answer.unwrap_or(if own_changed { DONE } else { "nothing" });
    let mut faults = Vec::new();
    if answer != cell {
        faults.push(format!("answered {answer:?} and not {cell:?}"));
    }
    let changes = [DONE, DELETED, MORE_CALLS].contains(&cell);
    if own_changed != changes {
        faults.push(format!("changed: {own_changed}"));
    }
    if !changes && cell != ACCEPTED && !line.operation.is_global() && before != after {
        faults.push("it changed what is not the process's own".to_owned());
    }
    let new = after.history_since(&before);
    let (kinds, to) = line.operation.writes();
    let expected: &[&str] = if cell == DONE { kinds } else { &[] };
    if cell != DELETED && new != expected {
        faults.push(format!("it wrote {new:?} and not {expected:?}"));
    }
    let to = match (cell, to) {
        (DELETED, _) => None,
        (DONE, Some(status)) => Some(status.as_str().to_owned()),
        _ => before.status(),
    };
    if after.status() != to {
        faults.push(format!("it left {:?} and not {to:?}", after.status()));
    }
    clear(fixture).await;
    faults
}

/// Every cell of the lines that `is_chosen`.
async fn check(options: PgConnectOptions, is_chosen: impl Fn(Operation) -> bool) {
    // Nothing of it is worth waiting for the disk.
    let fixture = Fixture::new(options.options([("synchronous_commit", "off")])).await;
    let statement = Dump::statement(&fixture).await;
    let mut wrong = Vec::new();
    for line in TABLE.iter().filter(|line| is_chosen(line.operation)) {
        for (situation, cell) in Situation::ALL.into_iter().zip(line.cells) {
            for fault in faults(&fixture, &statement, (line, situation, cell)).await {
                let (operation, token) = (line.operation, line.token);
                wrong.push(format!("{operation:?} {token:?} × {situation:?}: {fault}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_begins_a_process_does_in_every_cell_what_the_table_says(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    check(options, |operation| operation.group() == operation::Group::Beginning).await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_a_worker_does_is_in_every_cell_what_the_table_says(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    check(options, |operation| operation.group() == operation::Group::Working).await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_ends_or_repairs_a_process_does_in_every_cell_what_the_table_says(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    check(options, |operation| operation.group() == operation::Group::Ending).await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_about_no_process_leaves_each_of_them_alone(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    check(options, |operation| operation.group() == operation::Group::Around).await;
}
