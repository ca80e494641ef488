//! The content that answers are made of: areas of a plan, ways to act, steps of a task, in Japanese
//! and English.
//!
//! `{t}` is the topic of the nearest target, `{g}` that of the goal. Entries are in the order in
//! which a person would go about them; an answer takes some of them and keeps the order.

use super::prompt::Language;

/// What an item of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One of the eight around the goal.
    SubGoal,
    /// One of the eight around a sub-goal.
    Action,
    /// A step of an action.
    Task,
}

/// One item in the raw.
#[derive(Debug)]
pub struct Entry {
    /// With the topic, where that is short enough.
    pub title: &'static str,
    /// Without it.
    pub plain_title: &'static str,
    /// 50 to 200 characters with any topic.
    pub description: &'static str,
    /// At most 100 characters with any topic; empty where the kind has none.
    pub background: &'static str,
    /// `EXECUTION` or `HABIT`.
    pub nature: &'static str,
    /// How long a task takes, in minutes.
    pub minutes: i64,
}

/// The entries for a kind in a language.
pub fn entries(kind: Kind, language: Language) -> &'static [Entry] {
    use super::{bank_en as en, bank_ja as ja};
    match (kind, language) {
        (Kind::SubGoal, Language::Japanese) => ja::SUB_GOALS,
        (Kind::Action, Language::Japanese) => ja::ACTIONS,
        (Kind::Task, Language::Japanese) => ja::TASKS,
        (Kind::SubGoal, Language::English) => en::SUB_GOALS,
        (Kind::Action, Language::English) => en::ACTIONS,
        (Kind::Task, Language::English) => en::TASKS,
    }
}

/// Sentences that make a text long enough.
pub fn fillers(language: Language) -> &'static [&'static str] {
    match language {
        Language::Japanese => &[
            "小さく始めて、続けながら少しずつ広げます。",
            "進み具合は週に一度、数字で確かめます。",
            "うまくいかないときは、やり方を一つだけ変えて試します。",
        ],
        Language::English => &[
            "Start small and widen it step by step.",
            "Check the progress once a week with a number.",
            "When it does not work, change one thing and try again.",
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_keeps_the_limits_with_short_and_long_topics() {
        for language in [Language::Japanese, Language::English] {
            for kind in [Kind::SubGoal, Kind::Action, Kind::Task] {
                for entry in entries(kind, language) {
                    for topic in ["英語", "一二三四五六七八九十一二三四五六七八九十"]
                    {
                        let length = |text: &str| {
                            text.replace("{t}", topic).replace("{g}", topic).chars().count()
                        };
                        let shortest = if kind == Kind::Task { 1 } else { 50 };
                        assert!(
                            (shortest..=200).contains(&length(entry.description)),
                            "{}: {}",
                            length(entry.description),
                            entry.description
                        );
                        assert!(length(entry.background) <= 100, "{}", entry.background);
                        assert!(length(entry.plain_title) <= 30, "{}", entry.plain_title);
                        assert!(["EXECUTION", "HABIT"].contains(&entry.nature));
                        assert!((15..=120).contains(&entry.minutes));
                    }
                }
            }
        }
    }

    #[test]
    fn there_are_more_entries_than_an_answer_takes() {
        for language in [Language::Japanese, Language::English] {
            for (kind, taken) in [(Kind::SubGoal, 8), (Kind::Action, 8), (Kind::Task, 6)] {
                assert!(entries(kind, language).len() > taken);
            }
        }
    }
}
