//! Who makes a change.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};
use strum::VariantArray;

/// Who makes a change, as the history names them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Actor {
    /// The user whose process it is.
    User,
    /// A direct invocation, whom IAM has let through.
    Operator,
    /// The worker.
    Worker,
    /// The reconciler.
    Reconciler,
}

impl Actor {
    /// Every actor.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Its name in the history.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// Who makes a change: an operator also by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// In which part.
    pub actor: Actor,
    /// What an operator is called, which on AWS is the ARN of who has signed in; nobody checks it.
    pub name: Option<String>,
}

impl From<Actor> for Author {
    fn from(actor: Actor) -> Self {
        Self { actor, name: None }
    }
}

impl Author {
    /// Characters of a name.
    pub const NAME_LENGTH: RangeInclusive<usize> = 1..=700;

    /// What the history tells of a change that an operator made: by whom and why. The reason of a
    /// user is that user's own words, which are not for the history.
    #[must_use]
    pub fn note(&self, reason: Option<&str>) -> Option<Value> {
        if self.actor != Actor::Operator {
            return None;
        }
        let said = [("by", self.name.as_deref()), ("reason", reason)];
        let note: Map<_, _> = said
            .into_iter()
            .filter_map(|(field, text)| Some((field.to_owned(), text?.into())))
            .collect();
        (!note.is_empty()).then_some(Value::Object(note))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operator_is_noted_with_name_and_reason_and_a_user_is_not() {
        let operator = Author { actor: Actor::Operator, name: Some("hanako".to_owned()) };
        assert_eq!(operator.note(Some("quota")), Some(json!({"by": "hanako", "reason": "quota"})));
        assert_eq!(operator.note(None), Some(json!({"by": "hanako"})));
        assert_eq!(Author::from(Actor::Operator).note(None), None);
        assert_eq!(Author::from(Actor::User).note(Some("気が変わった")), None);
    }
}
