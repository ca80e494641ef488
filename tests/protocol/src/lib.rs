//! The protocol between clients, Step Functions, workers, reconciler and database, as a model that
//! a checker explores state by state. What is modelled, what is not, and what was found by it
//! stands in docs/protocol.md.
//!
//! | module | holds |
//! |---|---|
//! | `instance` | how large a world is, and what may go wrong in it |
//! | `guard` | what holds the protocol together, to be switched off |
//! | `state` | what there is at one moment |
//! | `possible`, `action` | what may happen next, and what it does |
//! | `people`, `engine`, `worker`, `reconciler` | the actors: their steps |
//! | `store` | the database in memory, a function for each statement |
//! | `toy` | a kind of generation, for the product's own functions over kinds |
//! | `world`, `variant` | which worlds are explored, and what is broken in which |
//! | `judge`, `quiesce`, `model`, `met` | what must hold, and what was met |
//!
//! Whatever the product decides by a pure function is decided here by the same: how a status may
//! move, what the reconciler does, what the state machine retries, how an error ends a process,
//! whose turn it is, in which batches a process is written, and whether it is whole. What the
//! product decides by SQL is in `store`.

mod action;
mod engine;
mod guard;
mod instance;
mod judge;
mod met;
mod model;
mod people;
mod possible;
mod quiesce;
mod reconciler;
mod state;
mod store;
mod toy;
mod variant;
mod worker;
mod world;

pub use self::{
    action::Action,
    guard::{Guard, Guards},
    instance::{Instance, Request, Trouble},
    judge::is_allowed,
    met::Met,
    model::*,
    state::State,
    variant::{Variant, second_lines, variants},
    world::{World, deep, worlds},
};
