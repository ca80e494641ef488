//! Troubles that asking again does not mend.

use std::fmt::{self, Display};

/// The sentence of a trouble that lasts until a person has done something about it: credentials
/// that have ended, a right that is missing, a function that is not there. It stands as context in
/// an error; [`is`] finds it there.
#[derive(Debug)]
pub(super) struct Lasting(pub String);

impl Display for Lasting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether the same call would fail in the same way.
pub(super) fn is(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Lasting>().is_some()
}
