//! The time of every test, and ids and users.

use chrono::{DateTime, TimeDelta, Utc};
use shared::process::{ProcessId, UserId};
use uuid::Uuid;

/// The time of every test, plus `seconds`, which may be negative. It is a whole minute.
#[must_use]
pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

/// The UUID with this number.
#[must_use]
pub const fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// The process with this number.
#[must_use]
pub const fn id(number: u128) -> ProcessId {
    ProcessId(uuid(number))
}

/// The user with this name.
#[must_use]
pub fn user(name: &str) -> UserId {
    UserId(name.to_owned())
}
