//! What the reconciler reads and writes. The scans stand in files of their own, so that a test can
//! ask Postgres for the plan of the very statement that runs: each goes by a partial index, and
//! costs by what is active or broken.
//!
//! | file | holds |
//! |---|---|
//! | `rows` | the scans, in pages, and what a sweep measures |
//! | `repairs` | how a process ends or is mended, from what was seen of it |
//! | `executions` | what is noted of executions that were started and stopped |
//! | `leftovers` | what ended processes have left |
//! | `retention` | what is deleted because the time for which it is kept is over |
//! | `lease` | one sweep at a time, and where the next goes on |

mod executions;
mod lease;
mod leftovers;
mod repairs;
mod retention;
mod rows;

pub use self::{
    lease::{Lease, Point, Resume},
    leftovers::{Leftovers, LeftoversPage},
    repairs::{EndingNote, Repaired},
    retention::DELETED_AT_ONCE,
    rows::Gauges,
};
