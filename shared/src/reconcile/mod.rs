//! What to do when a process and its execution disagree (section 9 of the design), decided purely:
//! [`plan`] takes what was seen of both and says what follows; the reconciler does it.
//! `docs/reconciler.md` holds the whole table, and a test proves that the table and this code say
//! the same.
//!
//! - **seen**: a row may have moved since it was read, so a plan holds only for what was seen, and
//!   whoever acts on it compares first.
//! - **fresh**: Step Functions may not know an execution yet that it has just started, so "not
//!   found" counts only after a while.
//! - **mend**: what is broken in the row alone, whatever its execution says (R12–R14).

mod facts;
mod limits;
mod plan;
mod rule;

pub use self::{
    facts::{Execution, ProcessFacts, StartTries},
    limits::Limits,
    plan::{CompletedAt, Mend, Plan, Repair, STOPPED_FOR_TIME, mends, plan, stopped_for},
    rule::Rule,
};
