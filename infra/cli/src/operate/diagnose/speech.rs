//! The two languages, and values as people read them.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::super::words;

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Lang {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Lang {
    /// The one that was asked for, or else that of the shell.
    pub(in super::super) fn chosen(asked: Option<Self>) -> Self {
        asked.unwrap_or_else(|| Self::of_shell(|name| std::env::var(name).ok()))
    }

    /// That of the shell.
    pub(in super::super) fn of_shell(variable: impl Fn(&str) -> Option<String>) -> Self {
        let named = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .into_iter()
            .filter_map(variable)
            .find(|value| !value.is_empty());
        if named.is_some_and(|value| value.starts_with("ja")) { Self::Ja } else { Self::En }
    }

    pub(in super::super) const fn tag(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }

    /// One of the two.
    pub(in super::super) const fn say(self, ja: &'static str, en: &'static str) -> &'static str {
        match self {
            Self::Ja => ja,
            Self::En => en,
        }
    }
}

/// The text of `name` in `value`; numbers and the like as JSON writes them.
pub(in super::super) fn text(value: &Value, name: &str) -> String {
    plain(&value[name])
}

/// A value without quotes.
pub(in super::super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The items of the array `name` in `value`.
pub(in super::super) fn items<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

fn time(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

/// A time by the clock, in UTC.
pub(in super::super) fn clock(value: &Value) -> String {
    time(value).map_or_else(String::new, |at| at.format("%m-%d %H:%M:%S").to_string())
}

/// The same to the millisecond.
pub(in super::super) fn moment(value: &Value) -> String {
    time(value).map_or_else(String::new, |at| at.format("%m-%d %H:%M:%S%.3f").to_string())
}

/// How long ago, in the unit that matters.
pub(in super::super) fn ago(value: &Value, now: DateTime<Utc>) -> String {
    time(value).map_or_else(String::new, |at| words::length(now - at))
}

/// Milliseconds as seconds.
pub(in super::super) fn seconds(millis: &Value) -> String {
    let millis = millis.as_i64().unwrap_or_default();
    format!("{}.{:03} s", millis / 1_000, (millis % 1_000).abs())
}
