//! The worlds that are explored whole. Each is as small as shows what it is for; together they have
//! every trouble at every step. `docs/protocol.md` tells how many states each has.

use crate::instance::{Instance, Trouble};

/// A world with the name that it has in the paper.
#[derive(Debug, Clone)]
pub struct World {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub instance: Instance,
}

const ONE: [crate::Request; 1] = [Instance::ONE];
const TWO: [crate::Request; 1] = [Instance::TWO];
const BOTH: [crate::Request; 2] = [Instance::ONE, Instance::TWO];

/// What every change is checked by.
#[must_use]
pub fn worlds() -> Vec<World> {
    let world = |name, instance| World { name, instance };
    vec![
        // Two users, two processes of which one has two targets, two attempts, one call.
        world("main", Instance::new(&BOTH, 1, 1)),
        world("sharing", Instance::new(&BOTH, 2, 1).with_calls_at_once(2)),
        world("queue", Instance::new(&Instance::THREE, 1, 0)),
        world("single", Instance::new(&ONE, 1, 2).with_retries(1)),
        world("batch", Instance::new(&TWO, 1, 2)),
        world("wide", Instance::new(&TWO, 2, 1).with_calls_at_once(2)),
        world("batches", Instance::new(&TWO, 2, 1)),
        world("starts", Instance::new(&ONE, 1, 6).only(&[Trouble::Crash, Trouble::Sweep])),
        world(
            "retries",
            Instance::new(&TWO, 1, 3).with_retries(1).only(&[
                Trouble::Refused,
                Trouble::Retry,
                Trouble::Cancel,
                Trouble::Crash,
            ]),
        ),
        world("kind", Instance::new(&BOTH, 1, 1).harmless()),
        world("kind-single", Instance::new(&ONE, 1, 3).harmless()),
        world("kind-batch", Instance::new(&TWO, 1, 2).harmless()),
        world("kind-batches", Instance::new(&TWO, 2, 1).harmless()),
    ]
}

/// What takes minutes: with `PROTOCOL_DEEP=1`.
#[must_use]
pub fn deep() -> Vec<World> {
    let world = |name, instance| World { name, instance };
    vec![
        world("deep-single", Instance::new(&ONE, 1, 3).with_retries(1)),
        world("deep-wide", Instance::new(&TWO, 2, 2).with_calls_at_once(2)),
        world("deep-retries", Instance::new(&TWO, 1, 2).with_retries(1)),
        world("deep-kind-wide", Instance::new(&TWO, 2, 2).with_calls_at_once(2).harmless()),
        world("deep-kind-batches", Instance::new(&TWO, 2, 2).harmless()),
    ]
}
