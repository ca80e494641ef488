//! Admission: when an accepted process may begin.
//!
//! A process is accepted at once and **waits** until there is capacity. Capacity is counted in
//! model calls in flight. A process is **admitted** with a **share** of one call; one with several
//! targets may be given more while nobody waits, and gives them back, call by call, when others do.
//! What has ended has no share, because the share stands in its own row.
//!
//! | file | decides |
//! |---|---|
//! | `turn`, `priority` | who is next |
//! | `limit` | how many calls may be in flight, after models have refused some for their quota |
//! | `waiting` | what a waiting process is told, and when it will probably be done |
//! | `terms` | what is configured |
//!
//! All of it is pure. What must be decided and done in one stroke is decided in the database
//! (migration 12), and tests compare the two.
//!
//! Promised: no interleaving admits more calls than the limit; a user with less in flight goes
//! before one with more; what waits is never forgotten. Not promised: a strict order between users
//! at the same moment, nor that a limit which is lowered ends calls that are in flight.

mod limit;
mod priority;
mod terms;
mod turn;
mod waiting;

pub use self::{
    limit::{LOWERED_AGAIN_AFTER, Lowered, MODEL_RESTS_FOR, Refused, in_force, lowered},
    priority::Priority,
    terms::{TOKENS_PER_CALL, Terms, request_weight},
    turn::{InLine, NORMALS_BEFORE_A_LOW, next_in_line},
    waiting::{Waiting, WaitingReason, completion_time},
};
