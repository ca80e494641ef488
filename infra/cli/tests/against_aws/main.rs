//! The operator's verbs against AWS: the program itself, run as a person runs it, with a double of
//! the services on loopback. Each trouble on the way to a function is told with what to do next.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod double;
mod person;
mod signing_in;
mod troubles;
mod verbs;
