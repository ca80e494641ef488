//! The job on the SDK's local runner: what it keeps, what it costs, and what cannot be seen there.

mod cancel;
mod completes;
mod cost;
mod double;
mod fails;
mod progress;
mod replay;
