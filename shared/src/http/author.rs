//! Who an operator says to be, and why something is done.

use std::ops::RangeInclusive;

use super::Caller;
use crate::{
    language::Language,
    process::Author,
    validation::{Reader, Rule, Text},
};

/// Characters of a reason.
pub const REASON_LENGTH: RangeInclusive<usize> = 0..=500;

impl Caller {
    /// Who makes the change that `reader` reads of: an operator may say a name as `by`, and in
    /// which `lang` to be answered. Users are who they are, and have headers for it.
    #[must_use]
    pub fn author(&self, reader: &mut Reader<'_>) -> Author {
        let name = match self {
            Self::Operator => {
                let _ = read_language(reader);
                reader.optional_text("by", Text::Line, Author::NAME_LENGTH)
            }
            Self::User(_) => None,
        };
        Author { actor: self.actor(), name }
    }
}

/// The `lang` of what `reader` reads of; Japanese where it says none.
pub fn read_language(reader: &mut Reader<'_>) -> Language {
    let Some(value) = reader.optional("lang") else { return Language::default() };
    value.as_str().and_then(Language::of_tag).unwrap_or_else(|| {
        reader.violate("lang", Rule::OneOf { allowed: Language::TAGS });
        Language::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::process::{Actor, UserId};

    fn read(caller: &Caller, body: &Value) -> (Author, Vec<String>) {
        let mut reader = Reader::new("", body.as_object().unwrap());
        let author = caller.author(&mut reader);
        (author, reader.finish().into_iter().map(|violation| violation.field).collect())
    }

    #[test]
    fn an_operator_may_say_a_name_and_a_user_may_not() {
        let body = json!({"by": "hanako"});
        let named = Author { actor: Actor::Operator, name: Some("hanako".to_owned()) };
        assert_eq!(read(&Caller::Operator, &body), (named, vec![]));
        assert_eq!(read(&Caller::Operator, &json!({})), (Actor::Operator.into(), vec![]));
        let user = Caller::User(UserId("taro".to_owned()));
        assert_eq!(read(&user, &body), (Actor::User.into(), vec!["by".to_owned()]));
        let (_, wrong) = read(&Caller::Operator, &json!({"by": "", "lang": "fr"}));
        assert_eq!(wrong, ["lang", "by"]);
        assert_eq!(read(&Caller::Operator, &json!({"lang": "en"})).1, [""; 0]);
    }
}
