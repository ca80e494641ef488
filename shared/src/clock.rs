//! Where time and randomness come from. Everything below the edge takes them as arguments, so that
//! a test can choose them.

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// A source of the present time and of new ids.
pub trait Clock: Send + Sync {
    /// The present time, to the microsecond: what Postgres can store, so that a value read back
    /// equals the one written.
    fn now(&self) -> DateTime<Utc>;
    /// A new id that has never been given out.
    fn new_id(&self) -> Uuid;
}

/// The system's clock and random source.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that reads the system's clock and random source"
)]
impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }

    /// Version 7: ids made later sort later, which keeps the primary-key index dense.
    fn new_id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
