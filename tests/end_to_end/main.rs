//! The product on the local stack, as `sam build` made it and `sam deploy` deployed it: through
//! HTTP, the AWS command line and the database.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod batching;
mod cancelling;
mod charting;
mod forcing;
mod generating;
mod health;
mod history;
mod idempotency;
mod limiting;
mod logging;
mod model_faults;
mod polling;
mod refusing;
mod retrying;
mod several_targets;
mod speaking;
