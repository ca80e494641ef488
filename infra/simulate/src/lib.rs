//! The product's own decisions under a simulated clock and quota: how a crowd fares at a load that
//! no machine at hand could make.
//!
//! Taken from `shared` as they are: who is next (`next_in_line`), how many calls may be in flight
//! (`in_force`, `lowered`), who comes again when (`MODEL_BUSY`), what a sweep mends
//! (`reconcile::plan`). Simulated: the clock, the quota, Step Functions and workers as durations.
//!
//! Simpler than the product: a job's calls follow each other (a chart's batches widen while nobody
//! waits, which is decided in the database), and admission itself takes no time (the lock of the
//! database bounds it: docs/scale.md).

mod chart;
mod line;
mod outcome;
mod quota;
mod run;
mod scenario;
#[cfg(test)]
mod tests;

pub use self::{chart::draw, outcome::Outcome, run::run, scenario::Scenario};
