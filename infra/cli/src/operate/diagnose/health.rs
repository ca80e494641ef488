//! `health`, as it is told.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::speech::{Lang, ago, clock, items, plain, seconds, text};
use crate::page::{Page, coloured};

/// Tells it; whether a person is needed.
pub(super) fn tell(data: &Value, lang: Lang, now: DateTime<Utc>, page: &mut Page) -> bool {
    let verdict = text(data, "verdict");
    let checked = lang.say("確認", "checked");
    page.line(format!(
        "{}  {checked} {} UTC ({})",
        coloured(&verdict),
        clock(&data["checkedAt"]),
        seconds(&data["duration"]),
    ));
    for finding in items(data, "findings") {
        page.line("");
        tell_finding(finding, lang, now, page);
    }
    not_checked(data, lang, page);
    verdict != "well"
}

/// What could not be checked, and why.
pub(super) fn not_checked(data: &Value, lang: Lang, page: &mut Page) {
    let not_checked: Vec<_> = items(data, "notChecked").collect();
    if !not_checked.is_empty() {
        page.line("");
        page.line(lang.say("確認できなかったもの", "not checked"));
        for it in not_checked {
            page.aside(&format!("  {}: {}", text(it, "what"), text(it, "why")));
        }
    }
}

pub(super) fn tell_finding(finding: &Value, lang: Lang, now: DateTime<Utc>, page: &mut Page) {
    let severity = coloured(&text(finding, "severity"));
    page.line(format!("{severity}  {}  {}", text(finding, "code"), text(finding, "summary")));
    if finding["since"].is_string() {
        let (at, ago) = (clock(&finding["since"]), ago(&finding["since"], now));
        page.aside(&match lang {
            Lang::Ja => format!("    {at} UTC から（{ago}）"),
            Lang::En => format!("    since {at} UTC ({ago})"),
        });
    }
    for line in evidence(&finding["evidence"]) {
        page.aside(&format!("    {line}"));
    }
    steps(finding, page);
}

/// What to do next, with the command as it is to be typed.
pub(super) fn steps(of: &Value, page: &mut Page) {
    for step in items(of, "nextSteps") {
        page.line(format!("  → {}", text(step, "text")));
        if step["command"].is_string() {
            page.line(format!("      {}", text(step, "command")));
        }
    }
}

/// Facts, one line for all that are single and one for each item of a list.
fn evidence(value: &Value) -> Vec<String> {
    let single = |value: &Value| {
        let fields = value.as_object().into_iter().flatten();
        let shown = fields
            .filter(|(_, value)| !value.is_null() && !value.is_object() && !is_list(value))
            .map(|(name, value)| format!("{name}={}", plain(value)));
        shown.collect::<Vec<_>>().join(" ")
    };
    let lists: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        other => other
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| is_list(value))
            .flat_map(|(_, value)| value.as_array().into_iter().flatten())
            .collect(),
    };
    std::iter::once(single(value))
        .chain(lists.into_iter().map(single))
        .filter(|line| !line.is_empty())
        .collect()
}

/// Whether it holds things with fields of their own.
fn is_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}
