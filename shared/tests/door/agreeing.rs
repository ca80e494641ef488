//! What the functions take, the published document allows, and the other way round: but for what
//! its descriptions say and no schema can. A case that fails is kept in
//! `shared/proptest-regressions/agreeing.txt`.

use std::sync::OnceLock;

use boon::{Compiler, SchemaIndex, Schemas};
use chrono::{DateTime, Utc};
use proptest::{
    collection,
    prelude::*,
    sample::{self, Index},
    test_runner::{Config, FileFailurePersistence, RngSeed, TestCaseResult},
};
use serde_json::{Map, Value, json};
use shared::{
    chart::Chart,
    process::{InvalidRequest, parse_generate, request_batch::parse_batch},
    validation::{Rule, Violation},
};
use yaml_rust2::{Yaml, YamlLoader};

use crate::shapes::any_json;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proptest-regressions/agreeing.txt");
const DOCUMENT: &str = "https://example.com/openapi.json";

/// The moment of every request.
fn now() -> DateTime<Utc> {
    "2026-11-27T00:00:00Z".parse().unwrap()
}

fn to_json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Hash(fields) => {
            let fields = fields.iter();
            let named = fields.map(|(name, value)| {
                let name = name.as_str().map_or_else(|| to_json(name).to_string(), str::to_owned);
                (name, to_json(value))
            });
            Value::Object(named.collect())
        }
        Yaml::Array(items) => items.iter().map(to_json).collect(),
        Yaml::String(text) => json!(text),
        Yaml::Integer(number) => json!(number),
        Yaml::Real(_) => json!(yaml.as_f64()),
        Yaml::Boolean(truth) => json!(truth),
        Yaml::Null => Value::Null,
        Yaml::Alias(_) | Yaml::BadValue => panic!("{yaml:?}"),
    }
}

/// The schemas of the published document: of a body of `generate`, and of one of `batch`.
fn schemas() -> &'static (Schemas, SchemaIndex, SchemaIndex) {
    static SCHEMAS: OnceLock<(Schemas, SchemaIndex, SchemaIndex)> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let document = include_str!("../../../infra/openapi.yaml");
        let document = to_json(&YamlLoader::load_from_str(document).unwrap()[0]);
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.enable_format_assertions();
        compiler.add_resource(DOCUMENT, document).unwrap();
        let mut compile = |name: &str| {
            let place = format!("{DOCUMENT}#/components/schemas/{name}");
            compiler.compile(&place, &mut schemas).unwrap()
        };
        let (generate, batch) = (compile("GenerateRequest"), compile("BatchRequest"));
        (schemas, generate, batch)
    })
}

/// What the descriptions say, and the schemas cannot: of texts what they show, of the deadline when
/// it is.
fn is_said_in_words(violation: &Violation) -> bool {
    match violation.rule {
        Rule::Blank | Rule::ControlCharacter | Rule::HiddenFormat | Rule::Past => true,
        // A year after 9999, or none.
        Rule::Time => violation.field.ends_with("deadline"),
        _ => false,
    }
}

/// Nothing but what is said in words is wrong with a request, and that a schema lets through.
fn is_only_said(invalid: &InvalidRequest) -> bool {
    match invalid {
        InvalidRequest::ProcessType(_) => false,
        InvalidRequest::Fields(violations) => violations.iter().all(is_said_in_words),
    }
}

fn agree_on_generate(body: &Value) -> TestCaseResult {
    let (schemas, generate, _) = schemas();
    let allowed = schemas.validate(body, *generate).is_ok();
    match parse_generate::<Chart>(&body.to_string(), now()) {
        Ok(_) => prop_assert!(allowed, "it is taken, and the document does not allow it"),
        Err(invalid) => {
            prop_assert!(!allowed || is_only_said(&invalid), "it is allowed, and: {invalid:?}");
        }
    }
    Ok(())
}

fn agree_on_batch(body: &Value) -> TestCaseResult {
    let (schemas, _, batch) = schemas();
    let allowed = schemas.validate(body, *batch).is_ok();
    match parse_batch::<Chart>(&body.to_string(), now()) {
        Ok(parsed) => {
            let wrong: Vec<_> =
                parsed.requests.iter().filter_map(|request| request.as_ref().err()).collect();
            prop_assert!(allowed || !wrong.is_empty(), "it is taken, and not allowed");
            let said = wrong.iter().all(|invalid| is_only_said(invalid));
            prop_assert!(!allowed || said, "it is allowed, and: {wrong:?}");
        }
        Err(violations) => prop_assert!(!allowed, "it is allowed, and: {violations:?}"),
    }
    Ok(())
}

const ID: &str = "0193e4a0-0000-7000-8000-00000000000A";

/// A body of each type in which nothing is wrong.
fn valid() -> impl Strategy<Value = Value> {
    let goal = json!({
        "goalId": ID, "title": "完走する", "description": "半年後", "background": "運動の習慣がない",
        "deadline": "2030-01-01T09:00:00+09:00", "constraints": "平日のみ", "replace": true,
    });
    let mut chart = goal.clone();
    chart["depth"] = json!("tasks");
    let body = |name: &str, params: Value| json!({"type": name, "params": params});
    sample::select(vec![
        body("SUBGOAL_GENERATION", goal),
        json!({"type": "CHART_GENERATION", "params": chart, "priority": "low"}),
        body("ACTION_GENERATION", json!({"subGoalId": ID})),
        body("ACTION_GENERATION", json!({"goalId": ID, "replace": false})),
        body("TASK_GENERATION", json!({"actionId": ID, "goalId": null})),
        body("TASK_GENERATION", json!({"goalId": ID})),
    ])
}

/// Times as people and programs write them, and others.
fn time() -> impl Strategy<Value = String> {
    let two = |most: u32| (0..=most).prop_map(|number| format!("{number:02}"));
    let year = prop_oneof![Just("2030"), Just("9999"), Just("0000"), Just("10000"), Just("-001")];
    let between = sample::select(vec!["T", "t", " ", "_", ""]);
    let fraction = sample::select(vec!["", ".5", ".123456789", ".", ",5"]);
    let zone = sample::select(vec![
        "Z", "z", "+09:00", "-23:59", "+24:00", "+9", "+0900", "", "-00:00", " UTC",
    ]);
    (year, two(13), two(32), between, (two(24), two(60), two(61)), fraction, zone).prop_map(
        |(year, month, day, between, (hour, minute, second), fraction, zone)| {
            format!("{year}-{month}-{day}{between}{hour}:{minute}:{second}{fraction}{zone}")
        },
    )
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[ \u{200b}\u{3000}あ\u{202e}\n\t]{0,4}",
        (0..2_100_usize).prop_map(|length| "あ".repeat(length)),
        sample::select(vec![
            "SUBGOAL_GENERATION",
            "TASK_GENERATION",
            "chart_generation",
            "subGoals",
            "actions",
            "Tasks",
            "normal",
            "LOW",
            ID,
            "0193e4a0000070008000000000000001",
            "{0193e4a0-0000-7000-8000-000000000001}",
            "urn:uuid:0193e4a0-0000-7000-8000-000000000001",
            "0193e4a0-0000-7000-8000-00000000000g",
            "",
            "2030-01-01",
            "2020-01-01T00:00:00Z",
        ])
        .prop_map(str::to_owned),
        time(),
    ];
    prop_oneof![
        6 => text.prop_map(Value::from),
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        1 => any_json(),
    ]
}

/// A change of a body: of one field of it, or of its params.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, Value),
    Remove(Index),
    Add(&'static str, Value),
    Outside(&'static str, Value),
}

fn change() -> impl Strategy<Value = Change> {
    let fields = || {
        sample::select(vec![
            "goalId",
            "subGoalId",
            "actionId",
            "title",
            "depth",
            "replace",
            "only",
            "constraints",
            "x",
            "",
        ])
    };
    let outside = sample::select(vec!["type", "params", "priority", "userId"]);
    prop_oneof![
        6 => (any::<Index>(), any_value()).prop_map(|(field, value)| Change::Set(field, value)),
        1 => any::<Index>().prop_map(Change::Remove),
        2 => (fields(), any_value()).prop_map(|(field, value)| Change::Add(field, value)),
        2 => (outside, any_value()).prop_map(|(field, value)| Change::Outside(field, value)),
    ]
}

fn changed(mut body: Value, changes: Vec<Change>) -> Value {
    let field = |params: &Map<String, Value>, index: Index| {
        (!params.is_empty()).then(|| params.keys().nth(index.index(params.len())).unwrap().clone())
    };
    for change in changes {
        if let Change::Outside(name, value) = change {
            body[name] = value;
            continue;
        }
        let Some(params) = body["params"].as_object_mut() else { continue };
        match change {
            Change::Set(index, value) => {
                if let Some(name) = field(params, index) {
                    params.insert(name, value);
                }
            }
            Change::Remove(index) => {
                if let Some(name) = field(params, index) {
                    params.remove(&name);
                }
            }
            Change::Add(name, value) => drop(params.insert(name.to_owned(), value)),
            Change::Outside(..) => {}
        }
    }
    body
}

fn request() -> impl Strategy<Value = Value> {
    (valid(), collection::vec(change(), 0..4)).prop_map(|(body, changes)| changed(body, changes))
}

fn config() -> Config {
    let failure_persistence: Option<Box<dyn proptest::test_runner::FailurePersistence>> =
        Some(Box::new(FileFailurePersistence::Direct(KEPT)));
    let mut config = Config { failure_persistence, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        (config.cases, config.rng_seed) = (1_000, RngSeed::Fixed(13));
    }
    config
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_body_at_all_is_judged_as_the_document_judges_it(body in any_json()) {
        agree_on_generate(&body)?;
        agree_on_batch(&body)?;
    }

    #[test]
    fn a_body_that_is_almost_right_is_judged_as_the_document_judges_it(body in request()) {
        agree_on_generate(&body)?;
    }

    #[test]
    fn a_batch_that_is_almost_right_is_judged_as_the_document_judges_it(
        requests in collection::vec(prop_oneof![6 => request(), 1 => any_json()], 0..4),
        dry_run in prop_oneof![3 => Just(None), 1 => any_json().prop_map(Some)],
        repeated in prop_oneof![6 => Just(1_usize), 1 => 90..110_usize],
    ) {
        let requests: Vec<_> = requests.iter().cycle().take(requests.len() * repeated).collect();
        let mut body = json!({"requests": requests});
        if let Some(dry_run) = dry_run {
            body["dryRun"] = dry_run;
        }
        agree_on_batch(&body)?;
    }
}

#[test]
fn the_requests_that_the_others_begin_with_are_right() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..50 {
        let body = proptest::strategy::ValueTree::current(&valid().new_tree(&mut runner).unwrap());
        assert!(parse_generate::<Chart>(&body.to_string(), now()).is_ok(), "{body}");
        let (schemas, generate, _) = schemas();
        assert!(schemas.validate(&body, *generate).is_ok(), "{body}");
    }
}
