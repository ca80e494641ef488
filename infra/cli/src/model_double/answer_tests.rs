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
    let list = json!({"type": "array", "minItems": min, "maxItems": max, "items": items});
    json!({"type": "object", "required": [name], "properties": {name: list}})
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
    let properties = json!({
        "title": text(1, 50),
        "description": text(1, 200),
        "type": kind,
        "estimatedMinutes": minutes,
    });
    list("tasks", 1, 8, &properties)
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
    let text = json!({"type": "string"});
    let properties = json!({"title": text, "description": text, "background": text, "type": text});
    let actions = json!({"type": "array", "items": {"type": "object", "properties": properties}});
    let bare = json!({"type": "object", "properties": {"actions": actions}});
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
            "ok": {"type": "boolean"},
            "level": {"$ref": "#/$defs/level"},
            "score": {"type": "integer", "minimum": 5, "maximum": 6},
            "step": {"type": "integer", "minimum": 7, "multipleOf": 5},
            "note": {"type": ["null", "string"], "minLength": 120},
            "maybe": {"anyOf": [{"type": "null"}, {"const": 3}]},
            "tags": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string"}},
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

/// What a repair asks for: as many items as broke rules, each with the place that it takes.
fn repair_of(indexes: &[u64], index: &Value) -> Value {
    let properties = json!({
        "title": text(1, 30),
        "description": text(50, 200),
        "background": text(1, 100),
        "index": index,
    });
    list("subGoals", indexes.len(), indexes.len(), &properties)
}

fn indexes(answer: &Value) -> Vec<u64> {
    let items = answer["subGoals"].as_array().unwrap();
    items.iter().map(|item| item["index"].as_u64().unwrap()).collect()
}

#[test]
fn a_repair_gets_each_place_that_it_asks_for_once() {
    for wanted in [&[3][..], &[0, 7], &[1, 2, 5, 6], &[0, 1, 2, 3, 4, 5, 6, 7]] {
        let constants: Vec<Value> = wanted.iter().map(|index| json!({"const": index})).collect();
        for index in [json!({"type": "integer", "enum": wanted}), json!({"anyOf": constants})] {
            let answer = answer(&repair_of(wanted, &index), &goal("英語を話す"));
            assert_eq!(indexes(&answer), wanted);
        }
    }
}

#[test]
fn a_place_given_as_a_constant_of_each_item_is_kept() {
    let mut schema = repair_of(&[2, 6], &json!({"type": "integer"}));
    let array = &mut schema["properties"]["subGoals"];
    let own = |index: u64| {
        let mut item = array["items"].clone();
        item["properties"]["index"] = json!({"const": index});
        item
    };
    array["prefixItems"] = json!([own(2), own(6)]);
    assert_eq!(indexes(&answer(&schema, &goal("英語を話す"))), [2, 6]);
}

#[test]
fn a_repaired_title_is_none_of_those_that_stay() {
    for title in ["英語を話す", "Become a TypeScript expert"] {
        let first = answer(&sub_goals(), &goal(title));
        let all = titles(&first, "subGoals");
        for broken in 1..=8 {
            let keep = &all[broken..];
            let data = json!({"goal": {"title": title, "description": "d"}, "otherTitles": keep});
            let schema = repair_of(&vec![0; broken], &json!({"type": "integer"}));
            let repaired = answer(&schema, &prompt(&format!("<data>{data}</data>")));
            let mut seen: HashSet<String> = keep.iter().cloned().collect();
            for title in titles(&repaired, "subGoals") {
                assert!(title.chars().count() <= 30);
                assert!(seen.insert(title.clone()), "{title} is there already");
            }
        }
    }
}

#[test]
fn a_title_is_found_also_when_every_title_of_the_bank_stays() {
    let many = answer(&list("subGoals", 60, 60, &json!({"title": text(1, 30)})), &goal("英語"));
    let keep = titles(&many, "subGoals");
    let data = json!({"goal": {"title": "英語", "description": "d"}, "keep": keep});
    let schema = repair_of(&[0, 0, 0], &json!({"type": "integer"}));
    let repaired = titles(&answer(&schema, &prompt(&format!("<data>{data}</data>"))), "subGoals");
    assert_eq!(repaired.iter().collect::<HashSet<_>>().len(), 3);
    assert!(repaired.iter().all(|title| !keep.contains(title)), "{repaired:?}");
}

fn wrong(answer: &Value, property: &str, min: usize, max: usize) -> usize {
    let items = answer["subGoals"].as_array().unwrap();
    items.iter().filter(|item| !(min..=max).contains(&length(item, property))).count()
}

#[test]
fn texts_slip_only_where_they_have_a_limit_to_miss() {
    let short = Luck { short: 1.0, long: 0.0, state: 1 };
    for title in GOALS {
        let answer = answer_with(&sub_goals(), &goal(title), short);
        assert_eq!(wrong(&answer, "description", 50, 200), 8);
        assert_eq!(wrong(&answer, "title", 1, 30) + wrong(&answer, "background", 1, 100), 0);
        let long =
            answer_with(&sub_goals(), &goal(title), Luck { short: 0.0, long: 1.0, state: 1 });
        for (property, max) in [("title", 30), ("description", 200), ("background", 100)] {
            for item in long["subGoals"].as_array().unwrap() {
                let text = item[property].as_str().unwrap();
                // Blanks at the end would not count.
                assert!(
                    text.trim().chars().count() > max && length(item, property) <= max + max / 10
                );
            }
        }
    }
}

#[test]
fn texts_slip_also_where_the_limits_were_told_in_words_only() {
    let bare = json!({"type": "string"});
    let schema = list("subGoals", 8, 8, &json!({"title": bare, "description": bare, "note": bare}));
    let answer = answer_with(&schema, &goal("英語"), Luck { short: 1.0, long: 0.0, state: 1 });
    assert_eq!(wrong(&answer, "description", 50, 200), 8);
    let good = super::answer(&schema, &goal("英語"));
    assert_eq!(answer["subGoals"][0]["note"], good["subGoals"][0]["note"]);
}

#[test]
fn each_text_of_each_item_has_luck_of_its_own() {
    let one_in_four = |state| Luck { short: 0.25, long: 0.0, state };
    let broken: Vec<usize> = (0..1_000)
        .map(|state| answer_with(&sub_goals(), &goal("英語"), one_in_four(state)))
        .map(|answer| wrong(&answer, "description", 50, 200))
        .collect();
    let all: usize = broken.iter().sum();
    assert!((1_850..2_150).contains(&all), "{all} of 8000");
    // With a luck shared by an answer's texts it would be all of them or none.
    assert!((0..=5).all(|count| broken.contains(&count)));
}
