//! The museum: bugs that others had, and that their users wrote down, each forced on this product.
//!
//! | file | holds |
//! |---|---|
//! | `exhibits` | the list: where it was written down, what happened there, which test answers it |
//! | `takeover`, `repeats`, `limits` | the tests that need no engine |
//! | `paper` | `docs/museum.md`, made from the list |
//! | `proof` | whether what `docs/proof.md` names is there |
//!
//! Those that need an engine are in `functions/reconciler/src/tests/museum.rs`.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod exhibits;
mod kit;
mod limits;
mod paper;
mod proof;
mod repeats;
mod takeover;
