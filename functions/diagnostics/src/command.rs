//! What an operator asks for, read from the payload.

use serde_json::{Map, Value};
use shared::{
    http::Refusal,
    language::Language,
    validation::{Reader, Rule, Violation},
};

use crate::words::Words;

/// The checks that there are.
const CHECKS: &[&str] = &["health"];
/// The languages that there are.
const LANGUAGES: &[&str] = &["ja", "en"];

/// A check, and the language of its texts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) check: Check,
    pub(crate) language: Language,
}

/// What is checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    /// Everything at once.
    Health,
}

impl Command {
    /// Reads it from `payload`.
    ///
    /// # Errors
    /// `VALIDATION_ERROR` that names every field that is wrong or unknown.
    pub(crate) fn read(payload: &Map<String, Value>) -> Result<Self, Refusal> {
        let mut reader = Reader::new("", payload);
        let language = match reader.optional("lang").map(Value::as_str) {
            None | Some(Some("ja")) => Language::Japanese,
            Some(Some("en")) => Language::English,
            Some(_) => {
                reader.violate("lang", Rule::OneOf { allowed: LANGUAGES });
                Language::default()
            }
        };
        let Some("health") = reader.optional("check").and_then(Value::as_str) else {
            // Which fields there are depends on it.
            return Err(Violation::new("check", Rule::OneOf { allowed: CHECKS }).into());
        };
        let check = Check::Health;
        let details = reader.finish();
        if details.is_empty() {
            Ok(Self { check, language })
        } else {
            Err(Refusal::invalid(details))
        }
    }

    pub(crate) const fn words(&self) -> Words {
        Words(self.language)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(payload: &Value) -> Result<Command, Vec<String>> {
        Command::read(payload.as_object().unwrap())
            .map_err(|refusal| refusal.details.into_iter().map(|detail| detail.field).collect())
    }

    #[test]
    fn a_check_is_told_in_japanese_unless_english_is_asked_for() {
        let of = |language| Ok(Command { check: Check::Health, language });
        assert_eq!(read(&json!({"check": "health"})), of(Language::Japanese));
        assert_eq!(read(&json!({"check": "health", "lang": "ja"})), of(Language::Japanese));
        assert_eq!(read(&json!({"check": "health", "lang": "en"})), of(Language::English));
    }

    #[test]
    fn what_is_unknown_is_named() {
        for payload in [json!({}), json!({"check": "weather", "x": 1}), json!({"check": 7})] {
            assert_eq!(read(&payload), Err(vec!["check".to_owned()]), "{payload}");
        }
        let wrong = json!({"check": "health", "lang": "fr", "hours": 1});
        assert_eq!(read(&wrong), Err(vec!["lang".to_owned(), "hours".to_owned()]));
    }
}
