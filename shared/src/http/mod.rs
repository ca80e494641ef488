//! The HTTP edge, which is also the edge of a direct invocation: one envelope, one mapping from errors to answers.

mod answer;
mod call;
mod view;

pub use self::{
    answer::{Problem, Refusal, Reply, answer},
    call::{Call, Caller},
    view::ProcessView,
};
