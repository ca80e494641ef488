//! What the reconciler reads and writes. The scans stand in files of their own, so that a test can
//! ask Postgres for the plan of the very statement that runs: each goes by a partial index, and
//! costs by what is active or broken.

mod lease;
mod repairs;
mod rows;

pub use self::{
    lease::{Lease, Point},
    repairs::{EndingNote, Repaired},
    rows::Gauges,
};
