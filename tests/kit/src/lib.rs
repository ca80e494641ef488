//! What the database tests of every crate share: a fixed clock, ids, a goal with what is generated
//! for it, and a store on the test's own database.
//!
//! | file | holds |
//! |---|---|
//! | `fixed` | the time of every test, and ids and users by number and name |
//! | `chart` | a goal, params, and rows of each level |
//! | `double` | a configuration of AWS whose calls a double answers |
//! | `engine` | Step Functions as far as starting and stopping goes |
//! | `model` | Bedrock that answers every question alike |
//! | `fixture` | a store, processes in any status, and a dump of all tables |
//! | `paper` | papers that are made from what the tests know |
//! | `role` | the roles that functions have in production |
//!
//! It is a crate of its own, so that the tests of `shared` and those of the functions use the same
//! one. Unit tests inside `shared/src` cannot: for them `shared` is another crate than the one that
//! this kit was built with.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once and say where"
)]

mod chart;
mod double;
mod engine;
mod fixed;
mod fixture;
mod model;
mod paper;
mod role;

pub use self::{
    chart::{
        GOAL, actions, goal, goal_numbered, part, planned, plenty, sub_goals, submission, tasks,
        usage,
    },
    double::answered_by,
    engine::Engine,
    fixed::{at, id, user, uuid},
    fixture::Fixture,
    model::models_that_answer,
    paper::is_written,
    role::{as_role, superuser},
};
