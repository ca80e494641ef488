//! Reads the fields of a JSON object and notes every violation on the way, so that a caller hears
//! of all of them at once.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    text::{breaks_line, is_invisible, misleads},
    time::parse_time,
    violation::{Rule, Violation},
};

/// Unknown fields that are named; of further ones only the number is told, so that a body of many
/// thousands makes no answer, and no memory, of many megabytes.
const MAX_UNKNOWN: usize = 20;

/// How a text may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// One line: no control characters and no line separators.
    Line,
    /// Several lines: line feeds, carriage returns and tabs are allowed.
    Lines,
}

/// What is wrong with `text`, if anything. Lengths count Unicode characters.
#[must_use]
pub fn check_text(text: &str, kind: Text, length: RangeInclusive<usize>) -> Option<Rule> {
    let actual = text.chars().count();
    let several_lines = kind == Text::Lines;
    let refused = |c: char| c.is_control() && !(several_lines && matches!(c, '\n' | '\r' | '\t'));
    if !length.contains(&actual) {
        Some(Rule::Length { min: *length.start(), max: *length.end(), actual })
    } else if text.chars().any(refused) || (!several_lines && breaks_line(text)) {
        Some(Rule::ControlCharacter)
    } else if misleads(text) {
        Some(Rule::HiddenFormat)
    } else if *length.start() > 0 && is_invisible(text) {
        Some(Rule::Blank)
    } else {
        None
    }
}

/// The UUID that `text` is, in the form with hyphens only: the parser would also take braces, URNs
/// and bare digits, and one id would have several spellings.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    const HYPHENATED: usize = 36;
    if text.len() == HYPHENATED { Uuid::try_parse(text).ok() } else { None }
}

/// A JSON object under validation.
#[derive(Debug)]
pub struct Reader<'a> {
    path: String,
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl<'a> Reader<'a> {
    /// Reads `object`, which stands at `path` (empty for the body itself).
    pub fn new(path: impl Into<String>, object: &'a Map<String, Value>) -> Self {
        Self { path: path.into(), object, known: Vec::new(), violations: Vec::new() }
    }

    fn path_of(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    /// Notes that `field` breaks `rule`.
    pub fn violate(&mut self, field: &str, rule: Rule) {
        self.violations.push(Violation::new(self.path_of(field), rule));
    }

    /// The value of `field`; JSON null counts as missing.
    pub fn optional(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.object.get(field).filter(|value| !value.is_null())
    }

    /// The value of `field`, which must be there.
    pub fn required(&mut self, field: &'static str) -> Option<&'a Value> {
        let value = self.optional(field);
        if value.is_none() {
            self.violate(field, Rule::Required);
        }
        value
    }

    /// The text of `field`, which must be there.
    pub fn text(
        &mut self,
        field: &'static str,
        kind: Text,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let value = self.required(field)?;
        self.checked_text(field, value, kind, length)
    }

    /// The text of `field`, if it is there.
    pub fn optional_text(
        &mut self,
        field: &'static str,
        kind: Text,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let value = self.optional(field)?;
        self.checked_text(field, value, kind, length)
    }

    fn checked_text(
        &mut self,
        field: &'static str,
        value: &Value,
        kind: Text,
        length: RangeInclusive<usize>,
    ) -> Option<String> {
        let text = self.typed(field, value.as_str(), "string")?;
        match check_text(text, kind, length) {
            Some(rule) => {
                self.violate(field, rule);
                None
            }
            None => Some(text.to_owned()),
        }
    }

    /// The UUID of `field`, which must be there.
    pub fn uuid(&mut self, field: &'static str) -> Option<Uuid> {
        let value = self.required(field)?;
        self.checked_uuid(field, value)
    }

    /// The UUID of `field`, if it is there.
    pub fn optional_uuid(&mut self, field: &'static str) -> Option<Uuid> {
        let value = self.optional(field)?;
        self.checked_uuid(field, value)
    }

    fn checked_uuid(&mut self, field: &'static str, value: &Value) -> Option<Uuid> {
        let text = self.typed(field, value.as_str(), "string")?;
        let id = parse_uuid(text);
        if id.is_none() {
            self.violate(field, Rule::Uuid);
        }
        id
    }

    /// The time of `field`, which must be there and lie after `now`. One that has passed is noted,
    /// and read all the same: it may have been right when the same request was first made.
    pub fn future_time(
        &mut self,
        field: &'static str,
        now: DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let value = self.required(field)?;
        let text = self.typed(field, value.as_str(), "string")?;
        let time = parse_time(text);
        match time {
            None => self.violate(field, Rule::Time),
            Some(time) if time <= now => self.violate(field, Rule::Past),
            Some(_) => {}
        }
        time
    }

    /// The truth of `field`; `false` when it is missing.
    pub fn flag(&mut self, field: &'static str) -> bool {
        let Some(value) = self.optional(field) else { return false };
        self.typed(field, value.as_bool(), "boolean").unwrap_or(false)
    }

    /// `value` if it had the wanted type.
    pub fn typed<T>(&mut self, field: &str, value: Option<T>, expected: &'static str) -> Option<T> {
        if value.is_none() {
            self.violate(field, Rule::Type { expected });
        }
        value
    }

    /// Ends the reading: fields that nobody asked for are violations too.
    #[must_use]
    pub fn finish(mut self) -> Vec<Violation> {
        let object = self.object;
        let mut unknown = object.keys().filter(|field| !self.known.contains(&field.as_str()));
        let known = self.known.join(", ");
        let named: Vec<_> = unknown
            .by_ref()
            .take(MAX_UNKNOWN)
            .map(|field| Violation::unknown(&self.path, field, &known))
            .collect();
        let more = unknown.count();
        self.violations.extend(named);
        if more > 0 {
            self.violations.push(Violation::more(more));
        }
        self.violations
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_form_with_hyphens_is_a_uuid() {
        let id = "0193e4a0-0000-7000-8000-00000000000a";
        assert_eq!(parse_uuid(id).unwrap().to_string(), id);
        assert!(parse_uuid(&id.to_uppercase()).is_some());
        for text in [
            id.replace('-', ""),
            format!("{{{id}}}"),
            format!("urn:uuid:{id}"),
            id.replace('0', "g"),
            String::new(),
            "あ".repeat(12),
        ] {
            assert_eq!(parse_uuid(&text), None, "{text}");
        }
    }
}
