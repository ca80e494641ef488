//! The protocol explored: whole in small worlds, and broken in each way that a guard prevents. The
//! numbers are those of docs/protocol.md, which these tests compare: `-- --nocapture` shows them.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that meets the unexpected should stop at once, and the counts are shown"
)]

mod broken;
mod diagram;
mod paper;
mod whole;
