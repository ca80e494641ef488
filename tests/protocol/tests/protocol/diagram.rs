//! The diagram of the states in the papers is what is reached, and what the product's transitions
//! allow.

use std::collections::BTreeSet;

use protocol::{Instance, Met, Protocol, Trouble, is_allowed};
use shared::process::Status;
use stateright::{Checker, Model};

use crate::paper::read;

type Moves = BTreeSet<(Status, Status)>;

/// The moves of the one diagram of states in `text`.
fn drawn(text: &str) -> Moves {
    let from = text.split_once("stateDiagram-v2").expect("there is a diagram of the states").1;
    let diagram = from.split_once("```").expect("it ends").0;
    let arrows = diagram.lines().filter_map(|line| line.split_once("-->"));
    let status = |name: &str| name.trim().parse::<Status>().ok();
    arrows
        .filter_map(|(from, to)| {
            let to = to.split_once(':').map_or(to, |(to, _)| to);
            Some((status(from)?, status(to)?))
        })
        .collect()
}

fn reached() -> Moves {
    let met = Met::default();
    for world in [
        Instance::new(&[Instance::ONE], 1, 2),
        Instance::new(&[Instance::TWO], 1, 1),
        Instance::new(&[Instance::ONE], 1, 6).only(&[Trouble::Crash, Trouble::Sweep]),
    ] {
        let model = Protocol::from(world);
        let seen = model.met.clone();
        let _ = model.checker().threads(2).spawn_bfs().join();
        met.add(&seen);
    }
    met.moves().into_iter().collect()
}

#[test]
fn the_diagram_has_the_moves_that_are_reached_and_no_others() {
    let reached = reached();
    for (file, text) in read("architecture") {
        assert_eq!(drawn(&text), reached, "docs/{file}");
    }
}

#[test]
fn the_diagram_has_the_moves_that_the_product_allows() {
    let pairs = Status::ALL.iter().flat_map(|from| Status::ALL.iter().map(|to| (*from, *to)));
    let allowed: Moves = pairs.filter(|(from, to)| is_allowed(*from, *to)).collect();
    for (file, text) in read("architecture") {
        assert_eq!(drawn(&text), allowed, "docs/{file}");
    }
}
