//! The store against a real Postgres, a fresh database per test (`DATABASE_URL` says where; `cargo
//! aigen test` sets it).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod adopting;
mod candidates;
mod completion;
mod failures;
mod history;
mod idempotency;
mod letting_in;
mod migrating;
mod poll;
mod racing;
mod reconciling;
mod role;
mod schema;
mod several;
mod submission;
mod sweep_lease;
mod sweep_scans;
mod transitions;
