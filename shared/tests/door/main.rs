//! What comes through the door, against a real Postgres: the rate limit, what repeats a request,
//! and whether the published document says of a body what the functions say.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod agreeing;
mod rate_limit;
mod repeats;
mod shapes;
mod starts;
mod storms;
