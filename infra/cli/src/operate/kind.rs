//! What a process generates, as a person names it.

/// A type such as `SUBGOAL_GENERATION`, in small letters or large. Which there are, the deployed
/// functions know, and name them where it is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind(String);

impl From<&str> for Kind {
    fn from(typed: &str) -> Self {
        Self(typed.trim().to_uppercase())
    }
}

impl From<Kind> for String {
    fn from(Kind(name): Kind) -> Self {
        name
    }
}

impl From<Kind> for serde_json::Value {
    fn from(Kind(name): Kind) -> Self {
        name.into()
    }
}
