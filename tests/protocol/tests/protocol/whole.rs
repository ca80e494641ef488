//! Nothing is broken in any state that can be reached, and each of them ends well if it is left
//! alone.

use std::{
    collections::HashSet,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use protocol::{Met, Protocol, World, deep, worlds};
use shared::reconcile::Rule;
use stateright::{Checker, Model};

use crate::paper::{unsaid, with_commas};

/// One world at a time has all the processors.
static ALONE: Mutex<()> = Mutex::new(());

/// Explores `world`, and gives what was met in it.
pub fn explore(world: World) -> Arc<Met> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let began = Instant::now();
    let model = Protocol::from(world.instance);
    let met = Arc::clone(&model.met);
    let checker = model.checker().threads(2).spawn_bfs().join();
    // Not by `println`, of which a test that passes shows nothing.
    let _ = writeln!(
        std::io::stdout(),
        "{}: {} states, {} steps, at most {} in a row, {:.1} s",
        world.name,
        with_commas(checker.unique_state_count()),
        with_commas(checker.state_count()),
        checker.max_depth() - 1,
        began.elapsed().as_secs_f64()
    );
    checker.assert_properties();
    let states = with_commas(checker.unique_state_count());
    let unsaid = unsaid(&format!("`{}`", world.name), &[states]);
    assert!(unsaid.is_empty(), "{unsaid:#?}");
    met
}

fn explore_named(name: &str) -> Arc<Met> {
    let world = worlds().into_iter().find(|world| world.name == name);
    explore(world.expect("there is such a world"))
}

#[test]
fn two_users_two_processes_and_one_call_meet_every_trouble_and_nothing_breaks() {
    explore_named("main");
}

#[test]
fn what_is_shared_out_and_asked_back_never_comes_to_more_than_there_is() {
    explore_named("sharing");
    explore_named("queue");
}

#[test]
fn two_troubles_at_once_break_no_single_process_and_no_batch() {
    let met = Met::default();
    for name in ["single", "batch", "wide", "batches", "starts", "retries"] {
        met.add(&explore_named(name));
    }
    // R8 is for histories that have expired, and R12 to R17 are no matter of an execution: see the
    // paper.
    let rules: HashSet<Rule> = met.rules().into_iter().collect();
    let wanted = [
        Rule::R1,
        Rule::R3,
        Rule::R4,
        Rule::R5,
        Rule::R6,
        Rule::R7,
        Rule::R9,
        Rule::R10,
        Rule::R11,
    ];
    assert_eq!(rules, HashSet::from(wanted));
}

#[test]
fn what_passes_keeps_no_process_from_completing() {
    for name in ["kind", "kind-single", "kind-batch", "kind-batches"] {
        explore_named(name);
    }
}

/// Minutes, so that it is for whoever changes the protocol: `PROTOCOL_DEEP=1`.
#[test]
fn larger_worlds_are_explored_on_demand() {
    if std::env::var_os("PROTOCOL_DEEP").is_some() {
        for world in deep() {
            explore(world);
        }
    }
}
