//! A second opinion on the state machine: its definition on another interpreter than the local
//! stack's, moto's, path by path.
//!
//! - A **path** is one execution: what the Lambdas answer, and what has to follow. The table of
//!   them is in `paths/`; `table` says how to read it. It expects what the definition is meant to
//!   do and what AWS documents, not what an interpreter happens to do. Where moto is known to
//!   differ from AWS, the path says so (`onMoto`).
//! - `expected` works out what a path means, call by call.
//! - `interpret.py` runs paths in moto, in a process of its own, and `interpreter` drives it.
//! - `broken` has wrong copies of the definition, each of which has to be noticed.
//! - `coverage` holds the table against the list of what is retried.
//! - `test_state.py` asks AWS itself about the same paths, state by state, for who has an account;
//!   `test_state_checked.py` is as much as can be tried without one.
//!
//! No stack is needed, nothing is waited for, and the interpreter is pinned like every tool
//! (`infra/requirements/interpreter.txt`): the first run installs it below `.local/`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod broken;
mod coverage;
mod expected;
mod interpreter;
mod table;

use interpreter::faults;

pub const DEFINITION: &str = include_str!("../../infra/statemachine/ai-generation.asl.json");

#[test]
fn what_succeeds_ends_as_the_table_says() {
    holds("success");
}

#[test]
fn generate_retries_and_fails_as_the_table_says() {
    holds("generate");
}

#[test]
fn a_batch_is_retried_and_given_up_as_the_table_says() {
    holds("batch");
}

#[test]
fn giving_up_is_retried_and_aborts_the_map_as_the_table_says() {
    holds("give_up");
}

#[test]
fn settle_never_changes_how_an_execution_ends() {
    holds("settle");
}

#[test]
fn each_time_limit_ends_what_the_table_says() {
    holds("time");
}

#[test]
fn a_field_that_is_missing_or_wrong_ends_the_execution_as_the_table_says() {
    holds("fields");
}

#[test]
fn the_table_has_sixty_paths_and_more_each_with_a_fact_of_its_own() {
    let mut facts: Vec<_> = table::all().into_iter().map(|path| path.fact).collect();
    assert!(facts.len() >= 60, "{}", facts.len());
    facts.sort_unstable();
    let repeated = facts.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(repeated, None);
}

#[test]
fn what_aws_would_be_asked_is_what_its_api_takes() {
    let output = interpreter::program("test_state_checked.py").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let questions: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert!(questions >= 200, "{questions}");
}

#[test]
fn the_interpreters_packages_are_complete() {
    let output = interpreter::python().args(["-m", "pip", "check"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Every path of a part of the table.
fn holds(part: &str) {
    let faults = faults(DEFINITION, &table::part(part));
    assert!(faults.is_empty(), "{} paths of {part}:\n{}", faults.len(), faults.join("\n"));
}
