//! Without any one of its guards the protocol breaks, and the checker finds it: the model can fail.

use std::{collections::HashSet, num::NonZeroUsize};

use protocol::{Guard, Instance, Protocol, Variant, second_lines, variants};
use stateright::{Checker, HasDiscoveries, Model};

use crate::paper::unsaid;

/// Steps to where `property` is broken in `world`, no more than `most`.
fn steps_to(world: &Instance, property: &'static str, most: Option<usize>) -> Option<Vec<String>> {
    let checker = Protocol::from(world.clone())
        .checker()
        .finish_when(HasDiscoveries::AnyOf([property].into()));
    let checker = match most.and_then(|most| NonZeroUsize::new(most + 2)) {
        // A path of n steps has n + 1 states, and the checker stops before the last of these.
        Some(depth) => checker.target_max_depth(depth.get()),
        None => checker,
    };
    let path = checker.spawn_bfs().join().discovery(property)?;
    Some(path.into_actions().iter().map(|action| format!("{action:?}")).collect())
}

/// A shortest way to where `property` is broken.
fn shortest(world: &Instance, property: &'static str) -> Option<Vec<String>> {
    let mut found = steps_to(world, property, None)?;
    while let Some(shorter) = steps_to(world, property, Some(found.len() - 1)) {
        found = shorter;
    }
    Some(found)
}

/// What the papers do not say of it.
fn find(variant: &Variant) -> Vec<String> {
    let Variant { off, breaks, world } = variant;
    let steps = shortest(&world.clone().without(off), breaks)
        .unwrap_or_else(|| panic!("without {off:?} nothing breaks \"{breaks}\""));
    println!("without {off:?}: \"{breaks}\" is broken after {} steps", steps.len());
    for step in &steps {
        println!("    {step}");
    }
    let names: Vec<String> = off.iter().map(|guard| format!("`{guard:?}`")).collect();
    unsaid(&names.join(", "), &[(*breaks).to_owned(), steps.len().to_string()])
}

#[test]
fn without_any_one_guard_the_protocol_breaks() {
    let unsaid: Vec<String> = variants().iter().flat_map(find).collect();
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}

#[test]
fn without_both_of_two_lines_the_protocol_breaks() {
    let unsaid: Vec<String> = second_lines().iter().flat_map(find).collect();
    assert!(unsaid.is_empty(), "{unsaid:#?}");
}

/// The count only says when to look, and what is staged twice is fenced before.
#[test]
fn without_a_second_line_alone_nothing_breaks() {
    for guard in [Guard::CountSaysWhen, Guard::StagedOnce, Guard::PlanDecides] {
        let world = Instance::new(&[Instance::TWO], 2, 1).without(&[guard]);
        let checker = Protocol::from(world).checker().threads(2).spawn_bfs().join();
        checker.assert_properties();
    }
}

#[test]
fn every_guard_is_tried() {
    let tried = variants().into_iter().chain(second_lines()).flat_map(|variant| variant.off);
    let tried: HashSet<&Guard> = tried.collect();
    let all = Guard::ALL;
    assert_eq!(tried, all.iter().collect());
}
