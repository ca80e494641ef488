//! A goal's eight sub-goals, each given its actions: the product's commonest job of several model
//! calls, written for AWS Lambda's durable functions instead of Step Functions and a table of
//! batches. It is for comparison only ([docs/why.md](../../../docs/why.md)) and is not shipped.
//!
//! What is asked, what an answer must be like, and which error is tried again come from `shared`;
//! the engine alone differs. The world behind it (models, tables) is a trait: the tests have a
//! double of it, because what is compared is the engine.

mod ask;
mod job;
mod world;

pub use self::{
    job::{Ended, Job, generate, settled},
    world::{Standing, World},
};
