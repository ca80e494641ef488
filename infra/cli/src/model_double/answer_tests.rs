//! Facts about good answers.

use std::collections::HashSet;

use super::*;

fn prompt(block: &str) -> Prompt {
    Prompt::read(&[block.to_owned()])
}

fn goal(title: &str) -> Prompt {
    prompt(&format!("<goal>{}</goal>", json!({"title": title, "description": "d"})))
}

fn text(min: usize, max: usize) -> Value {
    json!({"type": "string", "minLength": min, "maxLength": max})
}

fn list(name: &str, min: usize, max: usize, properties: &Value) -> Value {
    let items = json!({"type": "object", "properties": properties, "additionalProperties": false});
    json!({"type": "object", "required": [name], "properties": {name: {"type": "array", "minItems": min, "maxItems": max, "items": items}}})
}

fn sub_goals() -> Value {
    list(
        "subGoals",
        8,
        8,
        &json!({"title": text(1, 30), "description": text(50, 200), "background": text(1, 100)}),
    )
}

fn tasks() -> Value {
    let kind = json!({"type": "string", "enum": ["EXECUTION", "HABIT"]});
    let minutes = json!({"type": "integer", "minimum": 15, "maximum": 120});
    list(
        "tasks",
        1,
        8,
        &json!({"title": text(1, 50), "description": text(1, 200), "type": kind, "estimatedMinutes": minutes}),
    )
}

fn length(item: &Value, property: &str) -> usize {
    item[property].as_str().unwrap().chars().count()
}

fn titles(answer: &Value, list: &str) -> Vec<String> {
    answer[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap().to_owned())
        .collect()
}

const GOALS: &[&str] = &[
    "TypeScriptのエキスパートになる",
    "英語",
    "東京でカフェを開く",
    "とても長い目標の題名でありながら区切りがどこにもないまま続いていく文章",
    "Become a TypeScript expert",
    "Run a full marathon in under 4 hours",
    "👩‍👩‍👧 family time",
    "",
    "a\u{0}b\nc \"quoted\" <tag>",
];

#[test]
fn sub_goals_satisfy_their_schema_for_any_goal() {
    for title in GOALS {
        let answer = answer(&sub_goals(), &goal(title));
        let items = answer["subGoals"].as_array().unwrap();
        assert_eq!(items.len(), 8, "{title}");
        for item in items {
            assert!((1..=30).contains(&length(item, "title")), "{item}");
            assert!((50..=200).contains(&length(item, "description")), "{item}");
            assert!((1..=100).contains(&length(item, "background")), "{item}");
        }
        assert_eq!(titles(&answer, "subGoals").iter().collect::<HashSet<_>>().len(), 8, "{title}");
    }
}

#[test]
fn without_limits_in_the_schema_the_limits_of_the_product_hold() {
    let bare = json!({"type": "object", "properties": {"actions": {"type": "array", "items": {"type": "object", "properties":
        {"title": {"type": "string"}, "description": {"type": "string"}, "background": {"type": "string"}, "type": {"type": "string"}}}}}});
    for title in GOALS {
        let answer = answer(&bare, &goal(title));
        let items = answer["actions"].as_array().unwrap();
        assert_eq!(items.len(), 8);
        for item in items {
            assert!(
                length(item, "title") <= 30
                    && (50..=200).contains(&length(item, "description"))
                    && length(item, "background") <= 100
            );
            assert!(["EXECUTION", "HABIT"].contains(&item["type"].as_str().unwrap()));
        }
    }
}

#[test]
fn tasks_keep_count_type_and_minutes() {
    for title in GOALS {
        let block = format!(
            "<goal>{}</goal><action>{}</action>",
            json!({"title": "英語を話す"}),
            json!({"title": title})
        );
        let answer = answer(&tasks(), &prompt(&block));
        let items = answer["tasks"].as_array().unwrap();
        assert!((1..=8).contains(&items.len()));
        for item in items {
            assert!(
                (1..=50).contains(&length(item, "title"))
                    && (1..=200).contains(&length(item, "description"))
            );
            assert!(["EXECUTION", "HABIT"].contains(&item["type"].as_str().unwrap()));
            assert!((15..=120).contains(&item["estimatedMinutes"].as_i64().unwrap()));
        }
    }
}

#[test]
fn the_same_goal_gets_the_same_answer_and_another_goal_another_one() {
    let (one, other) = (goal("英語を話す"), goal("料理を学ぶ"));
    assert_eq!(answer(&sub_goals(), &one), answer(&sub_goals(), &one));
    assert_ne!(
        titles(&answer(&sub_goals(), &one), "subGoals"),
        titles(&answer(&sub_goals(), &other), "subGoals")
    );
}

#[test]
fn the_words_of_the_goal_are_woven_in_and_its_language_is_kept() {
    let japanese = answer(&sub_goals(), &goal("TypeScriptのエキスパートになる"));
    assert!(
        titles(&japanese, "subGoals").iter().any(|title| title.starts_with("TypeScriptの")),
        "{japanese}"
    );
    let english = answer(&sub_goals(), &goal("Become a TypeScript expert")).to_string();
    assert!(english.is_ascii() && english.contains("TypeScript"), "{english}");
}

#[test]
fn more_items_than_the_bank_holds_still_have_titles_of_their_own() {
    let answer = answer(&list("tasks", 40, 40, &json!({"title": text(1, 30)})), &goal("英語"));
    assert_eq!(titles(&answer, "tasks").iter().collect::<HashSet<_>>().len(), 40);
}

#[test]
fn a_schema_of_another_shape_is_answered_from_the_schema_alone() {
    let schema = json!({
        "$defs": {"level": {"enum": ["low", "high"]}},
        "type": "object",
        "properties": {
            "ok": {"type": "boolean"}, "level": {"$ref": "#/$defs/level"}, "score": {"type": "integer", "minimum": 5, "maximum": 6},
            "step": {"type": "integer", "minimum": 7, "multipleOf": 5}, "note": {"type": ["null", "string"], "minLength": 120},
            "maybe": {"anyOf": [{"type": "null"}, {"const": 3}]}, "tags": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string"}},
        },
    });
    let answer = answer(&schema, &goal("英語"));
    assert_eq!(
        (&answer["ok"], &answer["level"], &answer["score"]),
        (&json!(true), &json!("low"), &json!(5))
    );
    assert_eq!((&answer["step"], &answer["maybe"]), (&json!(10), &json!(3)));
    assert!(length(&answer, "note") >= 120);
    assert_ne!(answer["tags"][0], answer["tags"][1]);
}

#[test]
fn a_schema_that_refers_to_itself_ends() {
    let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
    assert!(answer(&schema, &goal("英語")).is_object());
}
