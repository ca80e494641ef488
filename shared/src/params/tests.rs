use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{InvalidRequest, Params, parse_generate};
use crate::{
    language::Language,
    validation::{Rule, Violation},
};

fn now() -> DateTime<Utc> {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn valid() -> Value {
    json!({"type": "SUBGOAL_GENERATION", "params": {
        "goalId": "0193e4a0-0000-7000-8000-000000000001", "title": "TypeScriptのエキスパートになる", "description": "半年で実務に使えるようにする",
        "deadline": "2027-05-31T00:00:00+09:00", "background": "バックエンドの経験が3年"}})
}

/// The valid body with one field of `params` changed.
fn with(field: &str, value: Value) -> String {
    let mut body = valid();
    body["params"][field] = value;
    body.to_string()
}

fn violations(body: &str) -> Vec<Violation> {
    match parse_generate(body, now()) {
        Err(InvalidRequest::Fields(violations)) => violations,
        other => panic!("expected violations, got {other:?}"),
    }
}

#[test]
fn a_valid_body_is_read_whole() {
    let Params::SubGoals(goal) = parse_generate(&valid().to_string(), now()).unwrap();
    assert_eq!(goal.title, "TypeScriptのエキスパートになる");
    assert_eq!(goal.deadline.to_rfc3339(), "2027-05-30T15:00:00+00:00");
    assert_eq!((goal.constraints, goal.replace), (None, false));
}

#[test]
fn stored_params_read_back() {
    let params = parse_generate(&with("constraints", json!("平日は1時間まで")), now()).unwrap();
    assert_eq!(Params::from_stored(params.process_type(), &params.to_stored().unwrap()), Ok(params));
}

#[test]
fn each_broken_rule_names_its_field() {
    let long = "あ".repeat(201);
    for (field, value, rule) in [
        ("title", json!(long), Rule::Length { min: 1, max: 200, actual: 201 }),
        ("title", json!(""), Rule::Length { min: 1, max: 200, actual: 0 }),
        ("title", json!(" \u{3000}"), Rule::Blank),
        ("title", json!("a\u{0}b"), Rule::ControlCharacter),
        ("title", json!("two\nlines"), Rule::ControlCharacter),
        ("title", json!(7), Rule::Type { expected: "string" }),
        ("title", Value::Null, Rule::Required),
        ("goalId", json!("42"), Rule::Uuid),
        ("deadline", json!("2026-11-22T00:00:00Z"), Rule::Past),
        ("deadline", json!("tomorrow"), Rule::Time),
        ("background", json!("あ".repeat(2001)), Rule::Length { min: 1, max: 2000, actual: 2001 }),
        ("constraints", json!("あ".repeat(2001)), Rule::Length { min: 0, max: 2000, actual: 2001 }),
        ("replace", json!("yes"), Rule::Type { expected: "boolean" }),
    ] {
        assert_eq!(violations(&with(field, value)), [Violation::new(format!("params.{field}"), rule)]);
    }
}

#[test]
fn lengths_count_characters_not_bytes() {
    assert!(parse_generate(&with("title", json!("🎯".repeat(200))), now()).is_ok());
}

#[test]
fn several_lines_are_allowed_where_people_write_paragraphs() {
    assert!(parse_generate(&with("description", json!("一行目\n二行目\r\n\t三行目")), now()).is_ok());
}

#[test]
fn every_violation_is_reported_at_once() {
    let body = json!({"type": "SUBGOAL_GENERATION", "extra": 1, "params": {"goalId": "x", "title": "", "colour": "red"}});
    let mut fields: Vec<_> = violations(&body.to_string()).into_iter().map(|violation| violation.field).collect();
    fields.sort();
    assert_eq!(
        fields,
        ["extra", "params.background", "params.colour", "params.deadline", "params.description", "params.goalId", "params.title"]
    );
}

#[test]
fn an_unknown_field_is_named_together_with_the_known_ones() {
    let found = violations(&with("colour", json!("red")));
    assert_eq!(found.len(), 1);
    assert!(found[0].message(Language::English).contains("goalId, title, description, deadline, background, constraints, replace"));
}

#[test]
fn an_unknown_type_is_its_own_refusal() {
    for name in [json!("POEM_GENERATION"), json!(3), json!("subgoal_generation")] {
        let mut body = valid();
        body["type"] = name;
        let refusal = parse_generate(&body.to_string(), now()).unwrap_err();
        assert!(matches!(refusal, InvalidRequest::ProcessType(Violation { ref field, .. }) if field == "type"), "{refusal:?}");
    }
}

#[test]
fn what_is_not_a_json_object_is_refused_as_the_body() {
    assert_eq!(violations("{\"type\":"), [Violation::new("body", Rule::Json { line: 1, column: 8 })]);
    assert_eq!(violations(""), [Violation::new("body", Rule::Json { line: 1, column: 0 })]);
    assert_eq!(violations("[]"), [Violation::new("body", Rule::Type { expected: "object" })]);
    assert_eq!(violations("{}").len(), 2);
}

proptest! {
    #[test]
    fn no_body_panics(body in "\\PC{0,200}") {
        let _ = parse_generate(&body, now());
    }

    #[test]
    fn no_title_panics_and_what_is_accepted_has_1_to_200_characters(title in ".{0,220}") {
        if let Ok(Params::SubGoals(goal)) = parse_generate(&with("title", json!(title)), now()) {
            prop_assert!((1..=200).contains(&goal.title.chars().count()));
        }
    }
}
