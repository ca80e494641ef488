//! A batch of requests: up to a hundred, sent together, each judged by itself as if it had been
//! sent alone, in their order.
//!
//! | file | decides |
//! |---|---|
//! | `parse` | what the body asks for, and whether two bodies ask for the same |
//! | `judge` | which of the requests are accepted, by what there is when they come |
//!
//! (A batch of a process's targets, which a worker writes, is another thing.)

mod judge;
mod parse;

pub use self::{
    judge::{Candidate, Obstacle, Room, Scope, Surroundings, Wish, judge},
    parse::{BATCH_SIZE, ParsedBatch, parse_batch},
};
