use serde_json::json;

use super::*;
use crate::manifest::{self, BuiltMachine, FORMAT};

fn built(id: &str, alias: Option<&str>) -> BuiltFunction {
    BuiltFunction {
        id: id.to_owned(),
        alias: alias.map(str::to_owned),
        file: format!("{id}.zip"),
        size: 1,
        sha256: manifest::hex(id.as_bytes()),
        code_sha256: manifest::base64(id.as_bytes()),
        program_sha256: "ab".to_owned(),
        program_size: 1,
        glibc: None,
    }
}

pub(in super::super) fn a_manifest() -> Manifest {
    Manifest {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        commit: Some("0123".to_owned()),
        architecture: "arm64".to_owned(),
        runtime: "provided.al2023".to_owned(),
        handler: "bootstrap".to_owned(),
        newest_migration: 14,
        tools: BTreeMap::new(),
        functions: BTreeMap::from([
            ("ai-generation-worker".to_owned(), built("AiGenerationWorker", Some("live"))),
            ("reconciler".to_owned(), built("Reconciler", None)),
        ]),
        state_machine: BuiltMachine {
            name: "AIGenerationStateMachine".to_owned(),
            definition: json!({"StartAt": "Generate", "TimeoutSeconds": 9000, "States": {
                "Generate": {"Parameters": {"FunctionName": "${WorkerArn}"}, "Next": "Settle"},
                "Settle": {"Parameters": {"FunctionName": "${ReconcilerArn}"}, "End": true},
                "Lists": [1, 2],
            }}),
        },
    }
}

fn definition(worker: &str) -> Value {
    let text = a_manifest().state_machine.definition.to_string();
    let arn = |name: &str| format!("arn:aws:lambda:eu-west-1:1:function:aigen-{name}");
    let text = text.replace("${WorkerArn}", &arn(worker));
    serde_json::from_str(&text.replace("${ReconcilerArn}", &arn("reconciler"))).unwrap()
}

fn version(number: &str, id: &str) -> Version {
    let running = Running::of_test(number, &manifest::base64(id.as_bytes()));
    Version { running, program: None }
}

/// What is deployed where all is as built, and called by aliases.
fn deployed() -> Deployed {
    Deployed {
        prefix: "aigen-".to_owned(),
        by_alias: true,
        functions: BTreeMap::from([
            ("ai-generation-worker".to_owned(), Ok(vec![version("7", "AiGenerationWorker")])),
            ("reconciler".to_owned(), Ok(vec![version("$LATEST", "Reconciler")])),
        ]),
        definition: Ok(definition("ai-generation-worker:live")),
        newest_migration: Ok(14),
    }
}

/// That, but for the reconciler.
fn with_reconciler(change: impl FnOnce(&mut Version)) -> Deployed {
    let mut deployed = deployed();
    let mut version = version("$LATEST", "Reconciler");
    change(&mut version);
    deployed.functions.insert("reconciler".to_owned(), Ok(vec![version]));
    deployed
}

fn outcome(deployed: &Deployed, what: &str) -> Outcome {
    let lines = compare(&a_manifest(), deployed);
    lines.into_iter().find(|line| line.what == what).unwrap().outcome
}

fn fields(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Different { differences } => differences.into_iter().map(|it| it.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn says(deployed: &Deployed) -> Verdict {
    verdict(&compare(&a_manifest(), deployed))
}

#[test]
fn what_is_as_built_is_the_same_to_the_last_line() {
    let lines = compare(&a_manifest(), &deployed());
    let names: Vec<_> = lines.iter().map(|line| line.what.as_str()).collect();
    assert_eq!(names, ["ai-generation-worker", "reconciler", "stateMachine", "migrations"]);
    assert!(lines.iter().all(|line| line.outcome == Outcome::Same), "{lines:?}");
    assert_eq!(verdict(&lines), Verdict::Same);
}

#[test]
fn each_setting_that_is_another_is_named() {
    let change = |version: &mut Version| {
        version.running.architecture = "x86_64".to_owned();
        version.running.runtime = "provided.al2".to_owned();
        version.running.handler = "other".to_owned();
        version.running.layers = vec!["arn:layer".to_owned()];
    };
    let deployed = with_reconciler(change);
    let found = fields(outcome(&deployed, "reconciler"));
    assert_eq!(found, ["architecture", "runtime", "handler", "layers"]);
    assert_eq!(says(&deployed), Verdict::Different);
}

#[test]
fn another_zip_is_judged_by_the_program_in_it() {
    let with_program = |program: Option<Asked<String>>| {
        with_reconciler(|version| {
            version.running.code_sha256 = "other".to_owned();
            version.program = program;
        })
    };
    let same = with_program(Some(Ok("ab".to_owned())));
    assert_eq!(outcome(&same, "reconciler"), Outcome::SameProgram);
    assert_eq!(says(&same), Verdict::Same);
    let other = with_program(Some(Ok("cd".to_owned())));
    assert_eq!(fields(outcome(&other, "reconciler")), ["program"]);
    for unasked in [with_program(Some(Err("HTTP 403".to_owned()))), with_program(None)] {
        assert!(matches!(outcome(&unasked, "reconciler"), Outcome::Unknown { .. }));
        assert_eq!(says(&unasked), Verdict::Unknown);
    }
}

#[test]
fn a_setting_that_differs_is_told_where_the_program_could_not_be_asked() {
    let deployed = with_reconciler(|version| {
        version.running.code_sha256 = "other".to_owned();
        version.running.handler = "other".to_owned();
        version.program = Some(Err("HTTP 403".to_owned()));
    });
    assert_eq!(fields(outcome(&deployed, "reconciler")), ["handler"]);
}

#[test]
fn while_an_alias_shifts_both_versions_are_compared() {
    let mut deployed = deployed();
    let mut versions = [version("7", "AiGenerationWorker"), version("8", "another")];
    versions[0].running.percent = 90;
    versions[1].running.percent = 10;
    versions[1].program = Some(Ok("cd".to_owned()));
    deployed.functions.insert("ai-generation-worker".to_owned(), Ok(versions.into()));
    let lines = compare(&a_manifest(), &deployed);
    let shares: Vec<_> = lines[..2].iter().map(|it| (it.version.as_deref(), it.percent)).collect();
    assert_eq!(shares, [(Some("7"), Some(90)), (Some("8"), Some(10))]);
    assert_eq!(lines[0].outcome, Outcome::Same);
    assert_eq!(fields(lines[1].outcome.clone()), ["program"]);
}

#[test]
fn the_machine_has_to_call_what_is_called() {
    let mut deployed = deployed();
    deployed.definition = Ok(definition("ai-generation-worker"));
    let at = "/States/Generate/Parameters/FunctionName";
    assert_eq!(fields(outcome(&deployed, "stateMachine")), [at]);
    deployed.by_alias = false;
    assert_eq!(outcome(&deployed, "stateMachine"), Outcome::Same);
    deployed.prefix = "other-".to_owned();
    assert_eq!(fields(outcome(&deployed, "stateMachine")).len(), 2);
}

#[test]
fn a_definition_is_compared_value_by_value() {
    for (pointer, value, field) in [
        ("/TimeoutSeconds", json!(3600), "/TimeoutSeconds"),
        ("/States/Settle/End", json!(false), "/States/Settle/End"),
        ("/States/Lists", json!([1]), "/States/Lists"),
        ("/States/Lists/1", json!(3), "/States/Lists/1"),
        ("/StartAt", Value::Null, "/StartAt"),
        ("/States", json!("text"), "/States"),
    ] {
        let mut deployed = deployed();
        *deployed.definition.as_mut().unwrap().pointer_mut(pointer).unwrap() = value;
        assert_eq!(fields(outcome(&deployed, "stateMachine")), [field]);
    }
    let mut deployed = deployed();
    deployed.definition.as_mut().unwrap()["Added"] = json!("new");
    assert_eq!(fields(outcome(&deployed, "stateMachine")), ["/Added"]);
    deployed.definition = Ok(json!([]));
    assert_eq!(fields(outcome(&deployed, "stateMachine")), ["definition"]);
}

#[test]
fn numbers_are_compared_as_json_knows_them() {
    let mut deployed = deployed();
    deployed.definition.as_mut().unwrap()["TimeoutSeconds"] = json!(9000.0);
    assert_eq!(outcome(&deployed, "stateMachine"), Outcome::Same);
}

#[test]
fn an_older_or_newer_migrator_differs() {
    for newest in [13, 15] {
        let deployed = Deployed { newest_migration: Ok(newest), ..deployed() };
        assert_eq!(fields(outcome(&deployed, "migrations")), ["newest"]);
    }
}

#[test]
fn one_difference_outweighs_what_could_not_be_asked() {
    let unasked = || "no connection".to_owned();
    let mut deployed =
        Deployed { definition: Err(unasked()), newest_migration: Err(unasked()), ..deployed() };
    assert_eq!(says(&deployed), Verdict::Unknown);
    deployed.functions.insert("reconciler".to_owned(), Err(unasked()));
    assert_eq!(says(&deployed), Verdict::Unknown);
    deployed.newest_migration = Ok(1);
    assert_eq!(says(&deployed), Verdict::Different);
    deployed.functions.clear();
    deployed.newest_migration = Ok(14);
    assert_eq!(says(&deployed), Verdict::Unknown);
    assert_eq!(verdict(&[]), Verdict::Unknown);
}

#[test]
fn of_two_manifests_that_of_the_deployed_architecture_is_taken() {
    let mut other = a_manifest();
    other.architecture = "x86_64".to_owned();
    let both = [a_manifest(), other];
    let name = |deployed| of_architecture(&both, deployed).unwrap().architecture.as_str();
    assert_eq!(name(Some("x86_64")), "x86_64");
    assert_eq!(name(Some("arm64")), "arm64");
    assert_eq!(name(None), "arm64");
    assert!(of_architecture(&[], None).is_none());
}
