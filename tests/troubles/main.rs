//! The fifty troubles that operators of such systems meet, each made for real on the local stack:
//! what was tried is impossible (**P**), heals without a person (**H**), or is named by one command
//! with the true cause and the next step (**N**). The tests bear the troubles' numbers, and the
//! table of `docs/troubles.md` is made from what stands above each of them here.
//!
//! A binary of its own: most of its tests break something that the whole stack has in common.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod database;
mod deployment;
mod door;
mod jobs;
mod models;
mod night;
mod operating;
mod paper;
mod places;
mod restoring;
