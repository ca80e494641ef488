use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ChartType, Level, Params};
use crate::{
    chart::{Chart, Needs},
    language::Language,
    process::{InvalidRequest, ParsedRequest, ProcessType, parse_generate},
    validation::{Rule, Violation},
};

fn now() -> DateTime<Utc> {
    "2026-11-22T00:00:00Z".parse().unwrap()
}

fn valid() -> Value {
    json!({"type": "SUBGOAL_GENERATION", "params": {
        "goalId": "0193e4a0-0000-7000-8000-000000000001",
        "title": "TypeScriptのエキスパートになる",
        "description": "半年で実務に使えるようにする",
        "deadline": "2027-05-31T00:00:00+09:00",
        "background": "バックエンドの経験が3年",
    }})
}

fn parse(body: &str) -> Result<Params, InvalidRequest> {
    parse_generate::<Chart>(body, now()).and_then(ParsedRequest::in_time)
}

/// `params` once more, out of the row that keeps them.
fn stored_and_read(params: &Params) -> Params {
    let stored = params.to_stored().unwrap();
    Params::parse_stored(&params.chart_type().into(), &stored).unwrap()
}

/// The valid body with one field of `params` changed.
fn with(field: &str, value: Value) -> String {
    let mut body = valid();
    body["params"][field] = value;
    body.to_string()
}

fn violations(body: &str) -> Vec<Violation> {
    match parse(body) {
        Err(InvalidRequest::Fields(violations)) => violations,
        other => panic!("expected violations, got {other:?}"),
    }
}

#[test]
fn a_valid_body_is_read_whole() {
    let Params::SubGoals(goal) = parse(&valid().to_string()).unwrap() else {
        panic!("not sub-goals")
    };
    assert_eq!(goal.title, "TypeScriptのエキスパートになる");
    assert_eq!(goal.deadline.to_rfc3339(), "2027-05-30T15:00:00+00:00");
    assert_eq!((goal.constraints, goal.replace), (None, false));
}

#[test]
fn stored_params_read_back() {
    let params = parse(&with("constraints", json!("平日は1時間まで"))).unwrap();
    assert_eq!(stored_and_read(&params), params);
}

const ID: &str = "0193e4a0-0000-7000-8000-00000000000a";

fn part(process_type: &str, params: &Value) -> String {
    json!({"type": process_type, "params": params}).to_string()
}

#[test]
fn actions_and_tasks_are_for_one_target_or_for_a_goal() {
    let id: Uuid = ID.parse().unwrap();
    let needs = |body: &str| parse(body).unwrap().needs();
    assert_eq!(
        needs(&part("ACTION_GENERATION", &json!({"subGoalId": ID}))),
        Needs { sub_goals: vec![id], ..Needs::default() }
    );
    assert_eq!(
        needs(&part("ACTION_GENERATION", &json!({"goalId": ID}))),
        Needs { sub_goals_of: Some(id), ..Needs::default() }
    );
    assert_eq!(
        needs(&part("TASK_GENERATION", &json!({"actionId": ID}))),
        Needs { actions: vec![id], ..Needs::default() }
    );
    assert_eq!(
        needs(&part("TASK_GENERATION", &json!({"goalId": ID}))),
        Needs { actions_of: Some(id), ..Needs::default() }
    );
}

#[test]
fn neither_target_or_both_and_anothers_field_are_refused() {
    let rule = Rule::ExactlyOneOf { fields: "subGoalId, goalId" };
    for params in [json!({}), json!({"subGoalId": ID, "goalId": ID}), json!({"subGoalId": null})] {
        assert_eq!(
            violations(&part("ACTION_GENERATION", &params)),
            [Violation::new("params.subGoalId", rule.clone())]
        );
    }
    let foreign = violations(&part("TASK_GENERATION", &json!({"goalId": ID, "subGoalId": ID})));
    let rule = Rule::Unknown { known: "actionId, goalId, replace".to_owned() };
    assert_eq!(foreign, [Violation::new("params.subGoalId", rule)]);
    let only = violations(&part("TASK_GENERATION", &json!({"goalId": ID, "only": [ID]})));
    assert!(
        matches!(&only[..], [Violation { field, .. }] if field == "params.only"),
        "what only a retry says: {only:?}"
    );
    assert_eq!(
        violations(&part("TASK_GENERATION", &json!({"actionId": "42"}))),
        [Violation::new("params.actionId", Rule::Uuid)]
    );
}

fn chart(depth: &Value) -> String {
    let mut body = valid();
    body["type"] = json!("CHART_GENERATION");
    body["params"]["depth"] = depth.clone();
    body.to_string()
}

#[test]
fn a_chart_is_as_deep_as_is_asked_for() {
    for (asked, depth) in [
        (Value::Null, Level::Actions),
        (json!("subGoals"), Level::SubGoals),
        (json!("actions"), Level::Actions),
        (json!("tasks"), Level::Tasks),
    ] {
        let params = parse(&chart(&asked)).unwrap();
        assert_eq!((params.depth(), params.has_several_targets()), (depth, true));
        assert_eq!(stored_and_read(&params), params);
    }
    assert_eq!(
        violations(&chart(&json!("deep"))),
        [Violation::new("params.depth", Rule::OneOf { allowed: Level::NAMES })]
    );
}

#[test]
fn the_params_of_every_type_read_back() {
    for body in [
        part("ACTION_GENERATION", &json!({"subGoalId": ID, "replace": true})),
        part("ACTION_GENERATION", &json!({"goalId": ID})),
        part("TASK_GENERATION", &json!({"actionId": ID})),
        part("TASK_GENERATION", &json!({"goalId": ID})),
    ] {
        let params = parse(&body).unwrap();
        assert_eq!(stored_and_read(&params), params);
    }
}

#[test]
fn params_of_another_kind_or_another_type_cannot_be_read() {
    let goal = parse(&valid().to_string()).unwrap().to_stored().unwrap();
    assert!(Params::parse_stored(&ProcessType::new("POEM_GENERATION"), &goal).is_err());
    assert!(Params::parse_stored(&ChartType::TaskGeneration.into(), &json!({})).is_err());
}

#[test]
fn a_retry_after_a_partial_success_is_for_what_failed() {
    let id: Uuid = ID.parse().unwrap();
    let result = json!({"partial": true, "failedTargets": [{"targetId": ID}]});
    let tasks = parse(&part("TASK_GENERATION", &json!({"goalId": ID}))).unwrap();
    let retried = tasks.clone().for_retry_after(Some(&result));
    assert_eq!(retried.needs(), Needs { actions: vec![id], ..Needs::default() });
    assert_eq!(stored_and_read(&retried), retried);
    assert_eq!(tasks.clone().for_retry_after(Some(&json!({"failedTargets": []}))), tasks);
    assert_eq!(tasks.clone().for_retry_after(None), tasks);
    let chart = parse(&chart(&Value::Null)).unwrap().for_retry_after(Some(&result));
    assert_eq!((chart.new_goal(), chart.needs().sub_goals), (None, vec![id]));
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
        ("deadline", json!("9999-12-31T23:59:59-00:01"), Rule::Time),
        // World 19, security S15.
        ("title", json!("\u{200b}"), Rule::Blank),
        ("title", json!("\u{200b}\u{2060}\u{3164}"), Rule::Blank),
        ("description", json!("\u{feff}"), Rule::Blank),
        ("title", json!("a\u{2028}b"), Rule::ControlCharacter),
        ("title", json!("a\u{2029}b"), Rule::ControlCharacter),
        ("title", json!("a\u{202e}b"), Rule::HiddenFormat),
        ("background", json!("a\u{e0041}\u{e0042}"), Rule::HiddenFormat),
        ("constraints", json!("\u{2066}a"), Rule::HiddenFormat),
        ("background", json!("あ".repeat(2001)), Rule::Length { min: 1, max: 2000, actual: 2001 }),
        ("constraints", json!("あ".repeat(2001)), Rule::Length { min: 0, max: 2000, actual: 2001 }),
        ("replace", json!("yes"), Rule::Type { expected: "boolean" }),
    ] {
        assert_eq!(
            violations(&with(field, value)),
            [Violation::new(format!("params.{field}"), rule)]
        );
    }
}

#[test]
fn lengths_count_characters_not_bytes() {
    assert!(parse(&with("title", json!("🎯".repeat(200)))).is_ok());
}

#[test]
fn joined_emoji_and_their_variants_are_allowed() {
    assert!(parse(&with("title", json!("👨\u{200d}👩\u{200d}👧と❤\u{fe0f}を育てる"))).is_ok());
}

// World 17, protocol A15.
#[test]
fn a_deadline_that_has_passed_is_told_from_what_was_never_right() {
    let passed = with("deadline", json!("2026-11-22T00:00:00Z"));
    let late = parse_generate::<Chart>(&passed, now()).unwrap();
    assert_eq!(late.late, [Violation::new("params.deadline", Rule::Past)]);
    let before = now() - TimeDelta::seconds(1);
    let in_time = parse_generate::<Chart>(&passed, before).unwrap();
    assert_eq!((in_time.params, in_time.late), (late.params, Vec::new()));
    let mut blank = valid();
    blank["params"]["deadline"] = json!("2026-11-22T00:00:00Z");
    blank["params"]["title"] = json!("");
    assert_eq!(violations(&blank.to_string()).len(), 2);
}

// Security S9.
#[test]
fn of_many_unknown_fields_twenty_are_named_and_the_others_counted() {
    let mut body = valid();
    for number in 0..1_000 {
        body["params"][format!("{number:04}{}", "x".repeat(100))] = Value::Null;
    }
    let found = violations(&body.to_string());
    assert_eq!((found.len(), &found[20]), (21, &Violation::more(980)));
    assert_eq!(found[0].field, format!("params.0000{}…", "x".repeat(60)));
}

#[test]
fn several_lines_are_allowed_where_people_write_paragraphs() {
    assert!(parse(&with("description", json!("一行目\n二行目\r\n\t三行目"))).is_ok());
}

#[test]
fn every_violation_is_reported_at_once() {
    let params = json!({"goalId": "x", "title": "", "colour": "red"});
    let body = json!({"type": "SUBGOAL_GENERATION", "extra": 1, "params": params});
    let mut fields: Vec<_> =
        violations(&body.to_string()).into_iter().map(|violation| violation.field).collect();
    fields.sort();
    assert_eq!(
        fields,
        [
            "extra",
            "params.background",
            "params.colour",
            "params.deadline",
            "params.description",
            "params.goalId",
            "params.title"
        ]
    );
}

#[test]
fn an_unknown_field_is_named_together_with_the_known_ones() {
    let found = violations(&with("colour", json!("red")));
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .message(Language::English)
            .contains("goalId, title, description, deadline, background, constraints, replace")
    );
}

#[test]
fn an_unknown_type_is_its_own_refusal() {
    for name in [json!("POEM_GENERATION"), json!(3), json!("subgoal_generation")] {
        let mut body = valid();
        body["type"] = name;
        let refusal = parse(&body.to_string()).unwrap_err();
        let rule = Rule::OneOf { allowed: ChartType::NAMES };
        assert_eq!(refusal, InvalidRequest::ProcessType(Violation::new("type", rule)));
    }
}

#[test]
fn what_is_not_a_json_object_is_refused_as_the_body() {
    assert_eq!(
        violations("{\"type\":"),
        [Violation::new("body", Rule::Json { line: 1, column: 8 })]
    );
    assert_eq!(violations(""), [Violation::new("body", Rule::Json { line: 1, column: 0 })]);
    assert_eq!(violations("[]"), [Violation::new("body", Rule::Type { expected: "object" })]);
    assert_eq!(violations("{}").len(), 2);
}

proptest! {
    #[test]
    fn no_body_panics(body in "\\PC{0,200}") {
        let _ = parse(&body);
    }

    #[test]
    fn no_title_panics_and_what_is_accepted_has_1_to_200_characters(title in ".{0,220}") {
        if let Ok(Params::SubGoals(goal)) = parse(&with("title", json!(title))) {
            prop_assert!((1..=200).contains(&goal.title.chars().count()));
        }
    }
}
