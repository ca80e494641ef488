//! Batches of requests: up to a hundred processes that are asked for, accepted and cancelled
//! together.
//!
//! | file | operation |
//! |---|---|
//! | `look` | what is known of the user and the key, before the requests are judged |
//! | `accept` | what was judged is stored, all of it or nothing |
//! | `read` | a batch with its processes |
//! | `cancel` | its active processes are cancelled |
//!
//! What there is where each request wants to generate is asked of its kind
//! ([`super::StoredGeneration::look_around`]); it is judged by
//! [`crate::process::request_batch::judge`].

mod accept;
mod cancel;
mod look;
mod read;

pub use self::{
    accept::{NewBatch, NewProcess},
    cancel::BatchCancelling,
    look::{BatchLook, KnownBatch, Sender},
    read::RequestBatch,
};
