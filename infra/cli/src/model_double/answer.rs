//! A good answer: made from the tool's own schema, filled from the bank where a property's name
//! says what it is.
//!
//! The schema rules the shape (types, enums, array sizes, lengths, ranges). Where it is silent, the
//! limits of the product hold for the properties it knows ([`super::place`]), because some models
//! are given them in words only.

use std::{cell::RefCell, collections::HashSet};

use serde_json::{Map, Value, json};

use super::{
    bank::{self, Entry, Kind},
    chance::mix,
    place::{Place, array_bounds, choose, integer, kind_of, normal, size, type_of, usual_lengths},
    prompt::{Language, Prompt, as_seen},
    slips::{Lengths, Luck},
};

/// Schemas may refer to themselves; no answer needs to go deeper than this.
const DEEPEST: usize = 12;

/// An input for the tool that satisfies the schema.
pub fn answer(schema: &Value, prompt: &Prompt) -> Value {
    answer_with(schema, prompt, Luck::GOOD)
}

/// The same, but for the lengths of the texts that luck spoils.
pub fn answer_with(schema: &Value, prompt: &Prompt, luck: Luck) -> Value {
    let taken = RefCell::new(prompt.other_titles.clone());
    Writer { root: schema, prompt, luck, taken }.value(schema, Place::default(), 0)
}

struct Writer<'a> {
    root: &'a Value,
    prompt: &'a Prompt,
    luck: Luck,
    /// Titles that no other item may have, as people see them.
    taken: RefCell<HashSet<String>>,
}

impl Writer<'_> {
    fn value(&self, schema: &Value, place: Place<'_>, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(constant) = schema.get("const") {
            return constant.clone();
        }
        if let Some(choices) =
            schema.get("enum").and_then(Value::as_array).filter(|choices| !choices.is_empty())
        {
            return choose(choices, place);
        }
        for key in ["anyOf", "oneOf"] {
            let options = schema.get(key).and_then(Value::as_array).into_iter().flatten();
            let constants: Option<Vec<Value>> =
                options.map(|option| self.resolve(option).get("const").cloned()).collect();
            if let Some(choices) = constants.filter(|choices| !choices.is_empty()) {
                return choose(&choices, place);
            }
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let options = schema.get(key).and_then(Value::as_array).into_iter().flatten();
            if let Some(option) =
                options.map(|option| self.resolve(option)).find(|option| type_of(option) != "null")
            {
                return self.value(option, place, depth + 1);
            }
        }
        match type_of(schema) {
            "object" => self.object(schema, place, depth),
            "array" => self.array(schema, place, depth),
            "string" => Value::String(self.string(schema, place)),
            "integer" => json!(integer(schema, place)),
            "number" => json!(
                schema
                    .get("minimum")
                    .or_else(|| schema.get("maximum"))
                    .and_then(Value::as_f64)
                    .unwrap_or(1.0)
            ),
            "boolean" => Value::Bool(true),
            _ => Value::Null,
        }
    }

    fn object(&self, schema: &Value, place: Place<'_>, depth: usize) -> Value {
        let mut out = Map::new();
        for (property, inner) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            out.insert(property.clone(), self.value(inner, place.property(property), depth + 1));
        }
        Value::Object(out)
    }

    fn array(&self, schema: &Value, place: Place<'_>, depth: usize) -> Value {
        let (min, max) = array_bounds(schema, place.property);
        // Where there is a choice, between three and five: what a person would call a short list.
        let spread = usize::try_from(self.prompt.seed % 3).unwrap_or(0);
        let count = (3 + spread).clamp(min, max);
        let kind = kind_of(place.property);
        let picked = kind.map(|kind| self.pick(kind, count)).unwrap_or_default();
        let no_items = json!({"type": "string"});
        let items = schema.get("items").unwrap_or(&no_items);
        let item = |index: usize| {
            let (item, round) = match (kind, picked.len()) {
                (Some(kind), length @ 1..) => {
                    (Some((kind, picked[index % length])), index / length)
                }
                _ => (None, 0),
            };
            let own = schema.get("prefixItems").and_then(|own| own.get(index)).unwrap_or(items);
            let path = mix(place.path, index as u64);
            let place = Place { item, index, round, in_item: true, path, ..place };
            self.value(own, place, depth + 1)
        };
        Value::Array((0..count).map(item).collect())
    }

    /// Some of the bank's entries, other ones for other goals, in the bank's order. Those whose
    /// title stands elsewhere in the chart are left out, unless that leaves none.
    fn pick(&self, kind: Kind, count: usize) -> Vec<&'static Entry> {
        let entries = bank::entries(kind, self.prompt.language);
        let mut order: Vec<usize> = (0..entries.len()).collect();
        let mut state = self.prompt.seed | 1;
        for last in (1..order.len()).rev() {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let other = usize::try_from(state % (last as u64 + 1)).unwrap_or(0);
            order.swap(last, other);
        }
        let is_free = |index: &usize| {
            let Entry { title, plain_title, .. } = entries[*index];
            ![title, plain_title].iter().any(|title| self.is_taken(&self.weave(title)))
        };
        let free: Vec<usize> = order.iter().copied().filter(is_free).collect();
        let mut order = if free.is_empty() { order } else { free };
        order.truncate(count);
        order.sort_unstable();
        order.into_iter().map(|index| &entries[index]).collect()
    }

    fn string(&self, schema: &Value, place: Place<'_>) -> String {
        match schema.get("format").and_then(Value::as_str) {
            Some("date-time") => return "2030-01-01T00:00:00Z".to_owned(),
            Some("date") => return "2030-01-01".to_owned(),
            Some("uuid") => return format!("00000000-0000-4000-8000-{:012x}", place.index),
            Some("uri") => return format!("https://example.com/{}", place.index),
            _ => {}
        }
        let usual = usual_lengths(place);
        let (least, most) = usual.unwrap_or((0, 200));
        let max = size(schema, "maxLength").unwrap_or(most);
        let min = size(schema, "minLength").unwrap_or(least).min(max);
        let text = self.good_string(place, min, max);
        if !place.in_item {
            return text;
        }
        // The product's own lengths are limits only where it has told them in words.
        let told = usual.filter(|_| place.item.is_some());
        let lengths = Lengths {
            min: size(schema, "minLength").or(told.map(|(least, _)| least)),
            max: size(schema, "maxLength").or(told.map(|(_, most)| most)),
        };
        match self.luck.wrong_length(place.path, lengths) {
            Some(length) => self.resized(&text, length),
            None => text,
        }
    }

    fn good_string(&self, place: Place<'_>, min: usize, max: usize) -> String {
        let property = normal(place.property);
        match (place.item, property.as_str()) {
            (Some((_, entry)), "title") => self.title(entry, place.round, min, max),
            (Some((_, entry)), "description") => self.fit(&self.weave(entry.description), min, max),
            (Some((_, entry)), "background") if !entry.background.is_empty() => {
                self.fit(&self.weave(entry.background), min, max)
            }
            (Some((_, entry)), "type") => entry.nature.to_owned(),
            _ => self.fit(&self.plain(place), min, max),
        }
    }

    /// A title that no other item has: numbered where need be.
    fn title(&self, entry: &Entry, round: usize, min: usize, max: usize) -> String {
        let numbered = |number: usize| {
            let suffix = if number == 1 { String::new() } else { format!(" {number}") };
            let room = max.saturating_sub(suffix.chars().count());
            let title = self.plain_or_full_title(entry, room);
            self.fit(&title, min.min(room), room) + &suffix
        };
        // Every number up to here can be taken only if as many titles are.
        let last = round + 2 + self.taken.borrow().len();
        let titles = (round + 1..=last).map(numbered);
        let title = titles
            .into_iter()
            .find(|title| !self.is_taken(title))
            .unwrap_or_else(|| numbered(last));
        self.taken.borrow_mut().insert(as_seen(&title));
        title
    }

    /// With the topic, where that leaves it short enough.
    fn plain_or_full_title(&self, entry: &Entry, room: usize) -> String {
        let title = capital(&self.weave(entry.title));
        if title.chars().count() <= room { title } else { self.weave(entry.plain_title) }
    }

    fn is_taken(&self, title: &str) -> bool {
        self.taken.borrow().contains(&as_seen(title))
    }

    /// A text of exactly so many characters, none of them a blank at its end.
    fn resized(&self, text: &str, length: usize) -> String {
        let mut text = self.fit(text, length, length);
        if text.ends_with(char::is_whitespace) {
            text.pop();
            text.push(if self.prompt.language == Language::Japanese { '。' } else { '.' });
        }
        text
    }

    /// For a property that the bank does not know: a short line about the topic.
    fn plain(&self, place: Place<'_>) -> String {
        let (topic, property, number) = (&self.prompt.topic, place.property, place.index + 1);
        match self.prompt.language {
            Language::Japanese => format!("{topic}の{property} {number}"),
            Language::English => format!("{topic}: {property} {number}"),
        }
    }

    fn weave(&self, text: &str) -> String {
        text.replace("{t}", &self.prompt.topic).replace("{g}", &self.prompt.goal_topic)
    }

    /// Makes a text as long as it must be, in characters: more sentences, or fewer, or a plain cut
    /// where a sentence is too long.
    fn fit(&self, text: &str, min: usize, max: usize) -> String {
        let mut out = text.to_owned();
        let japanese = self.prompt.language == Language::Japanese;
        for filler in bank::fillers(self.prompt.language).iter().cycle() {
            if out.chars().count() >= min {
                break;
            }
            if !japanese && !out.is_empty() {
                out.push(' ');
            }
            out.push_str(filler);
        }
        if out.chars().count() <= max {
            return out;
        }
        let cut: String = out.chars().take(max).collect();
        let sentence = cut
            .rfind(if japanese { '。' } else { '.' })
            .map(|at| &cut[..at + if japanese { '。'.len_utf8() } else { 1 }]);
        match sentence.filter(|sentence| sentence.chars().count() >= min.max(1)) {
            Some(sentence) => sentence.to_owned(),
            None => cut,
        }
    }

    /// Follows `$ref` into the schema's own definitions, a few steps at most.
    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        let mut schema = schema;
        for _ in 0..DEEPEST {
            let target =
                schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
            match target.and_then(|path| self.root.pointer(path)) {
                Some(found) => schema = found,
                None => break,
            }
        }
        schema
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
