//! What comes through the door, against a real Postgres: the rate limit, and what repeats a
//! request.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod rate_limit;
mod repeats;
mod shapes;
mod starts;
mod storms;
