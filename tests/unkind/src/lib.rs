//! A network that is as unkind as the real one, on order: for tests only.
//!
//! - A **connection** is one client's way through the forwarder to the server.
//! - A **request** is what the client sends up to where the server answers; an **answer** is what
//!   comes back.
//! - A **fault** is what happens to a connection.
//!
//! Faults at a statement, and read-only targets, need a connection in the clear
//! (`sslmode=disable`): inside TLS nobody sees a statement pass. The stack's server takes such
//! connections to the databases of `#[sqlx::test]`.

mod connection;
mod forwarder;
mod messages;

pub use connection::{Direction, Fault};
pub use forwarder::{Forwarder, Moment, Reached, Target};
