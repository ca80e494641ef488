//! Where a process stands.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// Where a process stands. Active: PENDING and PROCESSING; terminal: the others.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
    strum::VariantNames,
)]
#[serde(rename_all = "UPPERCASE")]
#[strum(
    serialize_all = "UPPERCASE",
    parse_err_ty = super::UnknownName,
    parse_err_fn = super::UnknownName::status
)]
pub enum Status {
    /// Accepted and stored; no worker has claimed it.
    Pending,
    /// A worker has claimed it.
    Processing,
    /// Done; what it generated is in the tables of its kind.
    Completed,
    /// Ended by an error; nothing has changed.
    Failed,
    /// Ended by a time limit; nothing has changed.
    Timeout,
    /// Ended by a person; nothing has changed.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: &[Self] = Self::VARIANTS;
    /// The name of every status.
    pub const NAMES: &[&str] = <Self as strum::VariantNames>::VARIANTS;

    /// Its name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the process may still change.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Pending | Self::Processing)
    }

    /// Whether the status is final.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !self.is_active()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_ne!(status.is_active(), status.is_terminal());
        }
        assert_eq!(
            "DONE".parse::<Status>().unwrap_err().to_string(),
            r#""DONE" is not a known status"#
        );
    }
}
