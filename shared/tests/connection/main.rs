//! The store behind an unkind network: what a caller hears, and that the next call is served.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod between;
mod concurrent;
mod crowded;
mod encrypted;
mod logging_in;
mod lost;
mod repeated;
mod secrets;
mod tokens;
