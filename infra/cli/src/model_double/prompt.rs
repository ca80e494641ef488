//! What the prompt is about: the titles of goal, sub-goal and action, their language, and a seed
//! made from them.
//!
//! The prompt's wording belongs to the worker and may change, so this looks for what must be there
//! in any wording: JSON objects with a `title`, under a key or in an XML-like block that says whose
//! it is. Failing that, it takes the first line.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::topic;

/// The language to answer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Any text with kana or kanji.
    Japanese,
    /// Everything else.
    English,
}

/// What was found in a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Of the goal's texts.
    pub language: Language,
    /// The same for the same titles and descriptions, whatever the rest of the prompt says (ids and
    /// dates change).
    pub seed: u64,
    /// What the goal is about, in a few words.
    pub goal_topic: String,
    /// What the nearest target (action, sub-goal or goal) is about, in a few words.
    pub topic: String,
    /// Titles that stay as they are when only some items are asked for again, [`as_seen`]: those of
    /// any list named `otherTitles` or `keep`.
    pub other_titles: HashSet<String>,
}

impl Prompt {
    /// Reads the user's messages, newest first: the newest that holds a title counts.
    pub fn read(messages: &[String]) -> Self {
        let all: Vec<Found> = messages.iter().map(|text| Found::read(text)).collect();
        let other_titles =
            all.iter().flat_map(|found| &found.others).map(|title| as_seen(title)).collect();
        let found = all.into_iter().find(|found| !found.titles.is_empty());
        let found =
            found.unwrap_or_else(|| Found::first_line(messages.first().map_or("", String::as_str)));
        let language = if found.texts.chars().any(is_japanese) {
            Language::Japanese
        } else {
            Language::English
        };
        let goal = found.title_of(Level::Goal).unwrap_or_default();
        let nearest = [Level::Action, Level::SubGoal]
            .into_iter()
            .find_map(|level| found.title_of(level))
            .unwrap_or(goal);
        Self {
            language,
            seed: fnv1a(found.texts.as_bytes()),
            goal_topic: topic::of(goal, language),
            topic: topic::of(nearest, language),
            other_titles,
        }
    }
}

/// A title as people see it: without blanks, and in small letters.
pub fn as_seen(title: &str) -> String {
    title.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn normal(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// FNV-1a: a hash that stays the same from build to build, which the standard library's does not
/// promise.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Goal,
    SubGoal,
    Action,
}

impl Level {
    /// `subGoal`, `sub_goal`, `sub-goal` and `SubGoal` are one name.
    fn named(name: &str) -> Option<Self> {
        match normal(name).as_str() {
            "goal" => Some(Self::Goal),
            "subgoal" => Some(Self::SubGoal),
            "action" => Some(Self::Action),
            _ => None,
        }
    }
}

#[derive(Debug, Default)]
struct Found {
    titles: Vec<(Option<Level>, String)>,
    /// Titles, descriptions and backgrounds in the order of the prompt.
    texts: String,
    /// Titles of the items that are not asked for.
    others: Vec<String>,
}

impl Found {
    fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let (before, from_brace) = rest.split_at(start);
            let mut values =
                serde_json::Deserializer::from_str(from_brace).into_iter::<Map<String, Value>>();
            if let Some(Ok(object)) = values.next() {
                found.take_object(&object, tag_before(before));
                rest = &from_brace[values.byte_offset()..];
            } else {
                rest = &from_brace[1..];
            }
        }
        found
    }

    fn first_line(text: &str) -> Self {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        Self {
            titles: vec![(Some(Level::Goal), line.to_owned())],
            texts: line.to_owned(),
            ..Self::default()
        }
    }

    fn take_object(&mut self, object: &Map<String, Value>, level: Option<Level>) {
        for key in ["title", "description", "background"] {
            if let Some(text) = object.get(key).and_then(Value::as_str) {
                self.texts.push_str(text);
                self.texts.push('\n');
                if key == "title" {
                    self.titles.push((level, text.to_owned()));
                }
            }
        }
        for (key, value) in object {
            match value {
                Value::Object(inner) => self.take_object(inner, Level::named(key)),
                Value::Array(items) if ["othertitles", "keep"].contains(&normal(key).as_str()) => {
                    let title = |item: &Value| {
                        item.as_str().or_else(|| item.get("title")?.as_str()).map(str::to_owned)
                    };
                    self.others.extend(items.iter().filter_map(title));
                }
                _ => {}
            }
        }
    }

    /// The title of a level, or for titles without a name: the first is the goal's, the second the
    /// sub-goal's, the third the action's.
    fn title_of(&self, level: Level) -> Option<&str> {
        let named = self.titles.iter().find(|(found, _)| *found == Some(level));
        let unnamed = || {
            let place = [Level::Goal, Level::SubGoal, Level::Action]
                .iter()
                .position(|other| *other == level)?;
            self.titles.get(place).filter(|(found, _)| found.is_none())
        };
        named.or_else(unnamed).map(|(_, title)| title.as_str())
    }
}

/// The level named by the tag that the text ends with: `…<goal>` or `…<sub_goal id="1">`.
fn tag_before(text: &str) -> Option<Level> {
    let tag = text.trim_end().strip_suffix('>')?;
    let name = tag[tag.rfind('<')? + 1..].split_whitespace().next()?;
    Level::named(name)
}

fn is_japanese(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
        || matches!(c, '\u{f900}'..='\u{faff}' | '\u{ff66}'..='\u{ff9d}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Prompt {
        Prompt::read(&[text.to_owned()])
    }

    #[test]
    fn the_goal_is_found_in_its_block() {
        let prompt = read(
            "次の目標を分解してください。\n\
             <goal>\n\
             {\"title\":\"TypeScriptのエキスパートになる\",\"description\":\"x\"}\n\
             </goal>",
        );
        assert_eq!((prompt.language, prompt.topic.as_str()), (Language::Japanese, "TypeScript"));
    }

    #[test]
    fn the_nearest_target_is_the_topic_and_the_goal_stays_known() {
        let blocks = read(
            "<goal>{\"title\":\"英語を話す\"}</goal><sub_goal>{\"title\":\"発音を磨く\"}</sub_goal>",
        );
        let nested = read(
            "<data>{\"goal\":{\"title\":\"英語を話す\"},\"subGoal\":{\"title\":\"発音を磨く\"}}</data>",
        );
        for prompt in [blocks, nested] {
            assert_eq!((prompt.goal_topic.as_str(), prompt.topic.as_str()), ("英語", "発音"));
        }
    }

    #[test]
    fn the_language_is_the_goals_and_not_the_prompts() {
        assert_eq!(
            read("次の目標を分解してください。<goal>{\"title\":\"Learn Rust\"}</goal>").language,
            Language::English
        );
    }

    #[test]
    fn ids_and_dates_do_not_change_the_seed_and_texts_do() {
        let seed = |id: u8, title: &str| {
            read(&format!("今日は{id}日です。<goal>{{\"id\":{id},\"title\":\"{title}\"}}</goal>"))
                .seed
        };
        assert_eq!(seed(1, "英語"), seed(2, "英語"));
        assert_ne!(seed(1, "英語"), seed(1, "料理"));
    }

    #[test]
    fn a_repair_message_leaves_the_goal_where_it_was() {
        let messages = [
            "7件しかありません。8件にしてください。".to_owned(),
            "<goal>{\"title\":\"料理を学ぶ\"}</goal>".to_owned(),
        ];
        assert_eq!(Prompt::read(&messages).topic, "料理");
    }

    #[test]
    fn titles_that_stay_are_found_in_any_list_of_that_name_and_change_nothing_else() {
        let plain = read("<data>{\"goal\":{\"title\":\"英語\"}}</data>");
        assert!(plain.other_titles.is_empty());
        for list in [
            "\"otherTitles\":[\"A b\",\"発音\"]",
            "\"keep\":[{\"index\":0,\"title\":\"A b\"},\"発音\",7]",
        ] {
            let repair = read(&format!("<data>{{\"goal\":{{\"title\":\"英語\"}},{list}}}</data>"));
            assert_eq!(repair.other_titles, HashSet::from(["ab".to_owned(), "発音".to_owned()]));
            assert_eq!(Prompt { other_titles: HashSet::new(), ..repair }, plain);
        }
    }

    #[test]
    fn a_prompt_without_json_is_about_its_first_line() {
        assert_eq!(read("\nping {not json}\nmore").topic, "ping {not json}");
        assert_eq!(Prompt::read(&[]).language, Language::English);
    }
}
