//! Answers that no schema allows: the ways in which a model goes wrong while HTTP says 200.

use serde_json::{Value, json};

use super::{
    answer::answer,
    place::array_bounds,
    prompt::{Language, Prompt},
    wire::{Reply, Tool},
};

/// A nonsense reply; `number` varies its kind, so that a test that asks for several meets several.
pub fn garbage(tool: Tool<'_>, id: &str, prompt: &Prompt, number: u64) -> Reply {
    let good = answer(tool.schema, prompt);
    let input = match number % 6 {
        0 => return Reply::text(excuse(prompt.language)),
        1 => wrong_count(tool.schema, good),
        2 => json!({"result": "ok", "items": 42}),
        3 => too_long(good),
        4 => Value::String(format!("```json\n{good}\n```")),
        _ => with_items(good, |item| {
            item.remove("title");
        }),
    };
    // A schema without lists or texts leaves some kinds nothing to spoil.
    let spoilt =
        if input == answer(tool.schema, prompt) { json!({"unexpected": true}) } else { input };
    Reply::tool_use(tool.name, id, &spoilt)
}

/// An answer that stops in the middle, as with `max_tokens`: half of each list, and the last text
/// cut off.
pub fn cut_off(good: &Value) -> Value {
    let mut cut = good.clone();
    for list in lists(&mut cut) {
        list.truncate((list.len() / 2).max(1));
        if let Some(Value::Object(last)) = list.last_mut() {
            let kept = last.iter_mut().next();
            let kept = kept.map(|(name, value)| {
                let text = value.as_str().unwrap_or_default();
                let half: String = text.chars().take(text.chars().count() / 2).collect();
                (name.clone(), Value::String(half))
            });
            *last = kept.into_iter().collect();
        }
    }
    if cut == *good { json!({}) } else { cut }
}

fn excuse(language: Language) -> &'static str {
    match language {
        Language::Japanese => {
            "申し訳ありませんが、この目標についてはもう少し詳しい情報が必要です。どのような成果を目指していますか？"
        }
        Language::English => {
            "I am sorry, but I need more information about this goal first. \
             What outcome are you hoping for?"
        }
    }
}

/// One item fewer than the schema allows, or one more where it allows few.
fn wrong_count(schema: &Value, mut good: Value) -> Value {
    for (name, list) in good.as_object_mut().into_iter().flatten() {
        let Value::Array(items) = list else { continue };
        let inner = schema
            .pointer("/properties")
            .and_then(|properties| properties.get(name))
            .unwrap_or(&Value::Null);
        let (min, max) = array_bounds(inner, name);
        if min > 1 {
            items.truncate(min - 1);
        } else if let Some(first) = items.first().cloned() {
            items.resize(max + 1, first);
        }
    }
    good
}

fn too_long(good: Value) -> Value {
    with_items(good, |item| {
        if let Some(Value::String(title)) = item.get_mut("title") {
            *title = format!("{title}、").repeat(40);
        }
    })
}

fn with_items(mut good: Value, change: impl Fn(&mut serde_json::Map<String, Value>)) -> Value {
    for list in lists(&mut good) {
        list.iter_mut().filter_map(Value::as_object_mut).for_each(&change);
    }
    good
}

/// The lists right under the answer's root.
fn lists(value: &mut Value) -> impl Iterator<Item = &mut Vec<Value>> {
    value
        .as_object_mut()
        .into_iter()
        .flat_map(serde_json::Map::values_mut)
        .filter_map(Value::as_array_mut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(min: usize, max: usize) -> Value {
        let text = json!({"type": "string"});
        let item = json!({"type": "object", "properties": {"title": text, "description": text}});
        let tasks = json!({"type": "array", "minItems": min, "maxItems": max, "items": item});
        json!({"type": "object", "properties": {"tasks": tasks}})
    }

    fn prompt() -> Prompt {
        Prompt::read(&["<goal>{\"title\":\"英語を話す\"}</goal>".to_owned()])
    }

    /// What a validator would check: the root is an object whose only list has an allowed size and
    /// complete, short items.
    fn is_valid(reply: &Reply, min: usize, max: usize) -> bool {
        let input = &reply.content[0]["toolUse"]["input"];
        let fine = |item: &Value| {
            item["title"].as_str().is_some_and(|title| title.chars().count() <= 50)
                && item["description"].is_string()
        };
        input["tasks"]
            .as_array()
            .is_some_and(|tasks| (min..=max).contains(&tasks.len()) && tasks.iter().all(fine))
    }

    #[test]
    fn no_kind_of_garbage_satisfies_the_schema() {
        for (min, max) in [(8, 8), (1, 8)] {
            let schema = schema(min, max);
            let tool = Tool { name: "save", schema: &schema };
            assert!(is_valid(
                &Reply::tool_use("save", "id", &answer(&schema, &prompt())),
                min,
                max
            ));
            for number in 0..6 {
                let reply = garbage(tool, "id", &prompt(), number);
                assert!(!is_valid(&reply, min, max), "{number}: {reply:?}");
            }
        }
    }

    #[test]
    fn garbage_differs_from_a_good_answer_for_any_schema() {
        let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}});
        for number in 0..6 {
            let reply = garbage(Tool { name: "save", schema: &schema }, "id", &prompt(), number);
            assert_ne!(reply.content[0]["toolUse"]["input"], json!({"ok": true}));
        }
    }

    #[test]
    fn a_cut_off_answer_is_short_and_its_last_item_incomplete() {
        let good = answer(&schema(8, 8), &prompt());
        let cut = cut_off(&good);
        let tasks = cut["tasks"].as_array().unwrap();
        assert_eq!((tasks.len(), tasks[3].as_object().unwrap().len()), (4, 1));
        assert_eq!(cut_off(&json!({"ok": true})), json!({}));
    }
}
