//! Reading the fields of one item of an answer.
//!
//! A slip that loses nothing is read for what it means: a value that arrives as its own JSON text,
//! or `30.0` for a whole number. Everything else that is wrong is noted with the field's path. No
//! word of the model goes into a violation, because a repair quotes them: what a model writes may
//! be what a user talked it into.

use std::{borrow::Cow, ops::RangeInclusive};

use serde_json::{Map, Value};

use crate::validation::{Rule, Text, Violation, check_text, text};

/// Reads one item, and notes what is wrong with it.
pub(super) struct Fields<'a> {
    path: String,
    object: Cow<'a, Map<String, Value>>,
    known: Vec<&'static str>,
    violations: Vec<Violation>,
}

impl<'a> Fields<'a> {
    /// The fields of `item`, which stands at `path`.
    pub(super) fn new(path: String, item: &'a Value) -> Result<Self, Violation> {
        let object = match unquoted(item) {
            Cow::Borrowed(Value::Object(object)) => Cow::Borrowed(object),
            Cow::Owned(Value::Object(object)) => Cow::Owned(object),
            other => return Err(Violation::new(path, kind("object", &other))),
        };
        Ok(Self { path, object, known: Vec::new(), violations: Vec::new() })
    }

    fn value(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        let value = self.object.get(name).filter(|value| !value.is_null()).cloned();
        if value.is_none() {
            self.violate(name, Rule::Required);
        }
        value
    }

    fn violate(&mut self, name: &str, rule: Rule) {
        self.violations.push(Violation::new(format!("{}.{name}", self.path), rule));
    }

    /// A text. One that breaks a rule is empty.
    pub(super) fn text(
        &mut self,
        name: &'static str,
        look: Text,
        length: RangeInclusive<usize>,
    ) -> String {
        match self.value(name) {
            None => String::new(),
            Some(Value::String(text)) => match check_written(&text, look, length) {
                None => text,
                Some(rule) => {
                    self.violate(name, rule);
                    String::new()
                }
            },
            Some(other) => {
                self.violate(name, kind("string", &other));
                String::new()
            }
        }
    }

    /// One of the `allowed` names.
    pub(super) fn one_of<T>(
        &mut self,
        name: &'static str,
        allowed: &'static [&'static str],
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        let parsed = value.as_str().and_then(parse);
        if parsed.is_none() {
            self.violate(name, Rule::OneOf { allowed });
        }
        parsed
    }

    /// A whole number.
    pub(super) fn whole(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(name)?;
        let Some(actual) = whole(&unquoted(&value)) else {
            self.violate(name, kind("integer", &value));
            return None;
        };
        if !range.contains(&actual) {
            let (min, max) = (*range.start(), *range.end());
            self.violate(name, Rule::Range { min, max, actual });
            return None;
        }
        Some(actual)
    }

    /// Ends the reading: a field that nobody asked for is wrong too.
    pub(super) fn finish(mut self) -> Vec<Violation> {
        if self.object.keys().any(|name| !self.known.contains(&name.as_str())) {
            let known = self.known.join(", ");
            self.violations.push(Violation::new(self.path, Rule::Unknown { known }));
        }
        self.violations
    }
}

/// What is wrong with a text that a model wrote, if anything.
fn check_written(written: &str, look: Text, length: RangeInclusive<usize>) -> Option<Rule> {
    check_text(written, look, length).or_else(|| {
        if text::shows_escapes(written) {
            Some(Rule::Escapes)
        } else if text::shows_tool_markup(written) {
            Some(Rule::ToolMarkup)
        } else {
            None
        }
    })
}

/// A whole number, however it is written: `30`, `30.0` and `3e1` are one.
pub(super) fn whole(value: &Value) -> Option<i64> {
    /// Up to here every whole number has a float of its own.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    value.as_i64().or_else(|| {
        let float = value.as_f64()?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
        (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
    })
}

/// The value that a text is the JSON of, or else the value itself. Where no text is wanted, this
/// loses nothing.
pub(super) fn unquoted(value: &Value) -> Cow<'_, Value> {
    match value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        Some(inner) => Cow::Owned(inner),
        None => Cow::Borrowed(value),
    }
}

/// The violation of a value that has another kind than `expected`.
pub(super) const fn kind(expected: &'static str, value: &Value) -> Rule {
    let actual = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    Rule::Kind { expected, actual }
}
