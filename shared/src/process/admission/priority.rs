//! How much a process presses.

use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// Whether a process is admitted before others of its user and of other users.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, IntoStaticStr, EnumString, VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for it.
    #[default]
    Normal,
    /// It has time: after what is normal, and yet at least one time in eight.
    Low,
}

impl Priority {
    /// Each of them.
    pub const ALL: &[Self] = Self::VARIANTS;
    /// Their names, as clients write them.
    pub const NAMES: &[&str] = &["normal", "low"];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reads_back_from_its_name() {
        let names: Vec<_> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
        assert_eq!(names, Priority::NAMES);
        assert!(Priority::ALL.iter().all(|one| one.as_str().parse() == Ok(*one)));
    }
}
