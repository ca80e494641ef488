//! `ai-generation-worker`: one attempt at one process, or at one batch of it, as the state machine
//! asks for it.

// The futures of an attempt nest deeper than the compiler looks by default.
#![recursion_limit = "256"]

mod ask;
mod attempt;
mod batch;
mod guard;
mod limits;
mod plan;
mod single;
mod slots;
mod step;
#[cfg(test)]
mod tests;
mod worker;

use shared::{chart::Chart, lambda, lambda::Setup};

use crate::worker::Worker;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let worker = Worker::<Chart>::new(&Setup::new(env!("CARGO_CRATE_NAME")).await).await;
    lambda::serve(worker, async |worker, invocation| worker.handle(invocation).await).await
}
