//! Never silently wrong: what happens when processes meet each other, the app, an operator's hand,
//! or a message that comes late. Each test forces its order by locks; the ids in comments are the
//! rows of the case file that describe the interleaving.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

mod kit;
mod leftovers;
mod meeting_the_app;
mod overlap;
mod repeating;
mod retrying;
mod wholeness;
