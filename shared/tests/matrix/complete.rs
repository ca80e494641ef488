//! The table has every operation of the store that writes, and a line is about no other.

use std::{collections::BTreeSet, fs, path::Path};

use crate::table::TABLE;

/// What only reads.
const READING: [&str; 33] = [
    "active_page",
    "all_staged",
    "broken_completed_at_page",
    "broken_progress_page",
    "budgets",
    "candidates",
    "capacity",
    "count_ended",
    "export",
    "failures",
    "failures_by_code",
    "find",
    "find_batch",
    "find_roots",
    "find_targets",
    "flow",
    "gauges",
    "history",
    "last_sweep",
    "leftovers_page",
    "list",
    "look_around",
    "look_at_batch",
    "oldest_ended",
    "outputs_to_go_on_from",
    "poll",
    "rows_of",
    "staged",
    "standing",
    "survey",
    "timeline",
    "watch",
    "where_it_waits",
];
/// What the schema's owner does, or is about the server and not about what is stored.
const OF_THE_DATABASE: [&str; 12] = [
    "adopt",
    "let_in",
    "migrate",
    "plan",
    "plan_adoption",
    "schema",
    "schema_version",
    "server",
    "sessions_of_note",
    "statements",
    "table_reads",
    "warm_up",
];
/// What is in the table and is no method of the store: a use case of several.
const USE_CASES: [&str; 1] = ["finish"];

/// Every public async method in the sources of the store.
fn methods() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            // Below it is no operation: how a connection is had.
            if path.is_dir() && !path.ends_with("connection") {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                let names = source.lines().filter_map(|line| {
                    let name = line.trim_start().strip_prefix("pub async fn ")?;
                    name.split(['(', '<']).next().map(str::to_owned)
                });
                found.extend(names);
            }
        }
    }
    found
}

#[test]
fn every_operation_of_the_store_that_writes_is_in_the_table() {
    let written: BTreeSet<String> =
        TABLE.iter().map(|line| line.operation.method().to_owned()).collect();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let (reading, database, use_cases): (BTreeSet<_>, BTreeSet<_>, BTreeSet<_>) =
        (names(&READING), names(&OF_THE_DATABASE), names(&USE_CASES));
    let there = methods();
    let known: BTreeSet<_> = &(&written | &reading) | &database;
    let missing: Vec<_> = there.difference(&known).collect();
    assert!(missing.is_empty(), "give each a line in the table, or say that it reads: {missing:?}");
    let may_be_known = &there | &use_cases;
    let gone: Vec<_> = known.difference(&may_be_known).collect();
    assert!(gone.is_empty(), "there are no such operations any more: {gone:?}");
}
