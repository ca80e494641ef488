//! The parts of a stack: each is one process.

use std::fmt;

/// A part of the stack that is a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Postgres,
    Model,
    Gateway,
}

impl Part {
    /// In the order in which they are started; they are ended in the other.
    pub(super) const ALL: [Self; 3] = [Self::Postgres, Self::Model, Self::Gateway];

    /// The name of its record and of its log.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Model => "model",
            Self::Gateway => "gateway",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Postgres => "PostgreSQL",
            Self::Model => "the model double",
            Self::Gateway => "the AWS gateway",
        })
    }
}
