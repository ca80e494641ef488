//! Admission on a real Postgres: who is next, how much there is, and that no interleaving admits
//! more.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod ahead;
mod budget;
mod capacity;
mod held;
mod kit;
mod limit;
mod paused;
mod queue;
mod sharing;
mod turn;
