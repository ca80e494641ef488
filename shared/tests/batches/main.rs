//! Batches of requests on a real Postgres: each request is judged as if it had been sent alone, all
//! of the batch is stored or nothing, and it is cancelled as a whole.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod accepting;
mod alike;
mod bodies;
mod cancelling;
mod kit;
mod limits;
mod racing;
mod repeating;
