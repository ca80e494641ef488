//! What was built against what is deployed. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::super::account::Running;
use crate::manifest::{BuiltFunction, Manifest};

/// What was asked of AWS: its answer, or why there is none.
pub(super) type Asked<T> = Result<T, String>;

/// What is deployed.
#[derive(Debug, Clone)]
pub(super) struct Deployed {
    /// What stands in front of every deployed name.
    pub prefix: String,
    /// Whether calls go by the aliases.
    pub by_alias: bool,
    /// The functions by their names, without the prefix; each in the versions that are called.
    pub functions: BTreeMap<String, Asked<Vec<Version>>>,
    /// The state machine's definition.
    pub definition: Asked<Value>,
    /// The newest migration that the migrator knows.
    pub newest_migration: Asked<i64>,
}

/// A version of a function.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub running: Running,
    /// SHA-256 of its program, in hexadecimal; asked only where the zip is another.
    pub program: Option<Asked<String>>,
}

/// One thing that was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    /// A function's name, `stateMachine`, or `migrations`.
    pub what: String,
    /// Of a function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// How many of a hundred calls go to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a comparison has come to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(super) enum Outcome {
    /// It is what was built, to the byte.
    Same,
    /// The same program, in a zip that something else made: `sam build` packs by itself.
    SameProgram,
    /// It is not.
    Different { differences: Vec<Difference> },
    /// It could not be asked.
    Unknown { why: String },
}

/// What differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Difference {
    pub field: String,
    pub built: String,
    pub deployed: String,
}

/// What all of it comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    Same,
    Different,
    Unknown,
}

impl Difference {
    fn of(field: &str, built: &str, deployed: &str) -> Option<Self> {
        let (built, deployed) = (built.to_owned(), deployed.to_owned());
        (built != deployed).then(|| Self { field: field.to_owned(), built, deployed })
    }
}

/// One difference is enough to know that it is not what was built, whatever else was not asked.
pub(super) fn verdict(lines: &[Line]) -> Verdict {
    let any = |is: fn(&Outcome) -> bool| lines.iter().any(|line| is(&line.outcome));
    if any(|it| matches!(it, Outcome::Different { .. })) {
        Verdict::Different
    } else if lines.is_empty() || any(|it| matches!(it, Outcome::Unknown { .. })) {
        Verdict::Unknown
    } else {
        Verdict::Same
    }
}

/// Of several manifests, that of the architecture which is deployed; the first, where none is.
pub(super) fn of_architecture<'a>(
    manifests: &'a [Manifest],
    deployed: Option<&str>,
) -> Option<&'a Manifest> {
    let fits = |it: &&Manifest| Some(it.architecture.as_str()) == deployed;
    manifests.iter().find(fits).or_else(|| manifests.first())
}

/// Everything, in the manifest's order.
pub(super) fn compare(manifest: &Manifest, deployed: &Deployed) -> Vec<Line> {
    let mut lines = Vec::new();
    for (name, built) in &manifest.functions {
        let unknown = Err("it was not asked".to_owned());
        match deployed.functions.get(name).unwrap_or(&unknown) {
            Err(why) => lines.push(line(name, Outcome::Unknown { why: why.clone() })),
            Ok(versions) => lines.extend(versions.iter().map(|version| Line {
                version: Some(version.running.version.clone()),
                percent: Some(version.running.percent),
                ..line(name, function(manifest, built, version))
            })),
        }
    }
    lines.push(line("stateMachine", machine(manifest, deployed)));
    lines.push(line(
        "migrations",
        match &deployed.newest_migration {
            Err(why) => Outcome::Unknown { why: why.clone() },
            Ok(newest) => {
                let newest = newest.to_string();
                let built = manifest.newest_migration.to_string();
                judged(Difference::of("newest", &built, &newest).into_iter().collect())
            }
        },
    ));
    lines
}

fn line(what: &str, outcome: Outcome) -> Line {
    Line { what: what.to_owned(), version: None, percent: None, outcome }
}

fn judged(differences: Vec<Difference>) -> Outcome {
    if differences.is_empty() { Outcome::Same } else { Outcome::Different { differences } }
}

fn function(manifest: &Manifest, built: &BuiltFunction, version: &Version) -> Outcome {
    let Version { running, program } = version;
    let mut differences: Vec<Difference> = [
        Difference::of("architecture", &manifest.architecture, &running.architecture),
        Difference::of("runtime", &manifest.runtime, &running.runtime),
        Difference::of("handler", &manifest.handler, &running.handler),
        Difference::of("layers", "", &running.layers.join(" ")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let is_packed_alike = built.code_sha256 == running.code_sha256;
    let mut unasked = None;
    if !is_packed_alike {
        match program {
            Some(Ok(program)) => {
                differences.extend(Difference::of("program", &built.program_sha256, program));
            }
            Some(Err(why)) => unasked = Some(why.clone()),
            None => unasked = Some("its program was not asked".to_owned()),
        }
    }
    match (differences.is_empty(), unasked, is_packed_alike) {
        (false, _, _) => Outcome::Different { differences },
        (true, Some(why), _) => {
            Outcome::Unknown { why: format!("another zip than was built; what is in it: {why}") }
        }
        (true, None, true) => Outcome::Same,
        (true, None, false) => Outcome::SameProgram,
    }
}

/// The definition, once the functions' ARNs are put in place of their names.
fn machine(manifest: &Manifest, deployed: &Deployed) -> Outcome {
    let definition = match &deployed.definition {
        Err(why) => return Outcome::Unknown { why: why.clone() },
        Ok(definition) => definition,
    };
    let alias = |id: &str| {
        let function = manifest.functions.values().find(|function| function.id == id);
        function.and_then(|it| it.alias.clone()).filter(|_| deployed.by_alias)
    };
    let arn_of = |id: &str| {
        let (name, _) = manifest.functions.iter().find(|(_, it)| it.id == id)?;
        let alias = alias(id).map_or_else(String::new, |alias| format!(":{alias}"));
        Some(format!(":function:{}{name}{alias}", deployed.prefix))
    };
    let arns = BTreeMap::from([
        ("${WorkerArn}", arn_of("AiGenerationWorker")),
        ("${ReconcilerArn}", arn_of("Reconciler")),
    ]);
    let mut differences = Vec::new();
    differ("", &manifest.state_machine.definition, definition, &arns, &mut differences);
    judged(differences)
}

/// Adds what differs at `at` and below it.
fn differ(
    at: &str,
    built: &Value,
    deployed: &Value,
    arns: &BTreeMap<&str, Option<String>>,
    differences: &mut Vec<Difference>,
) {
    let mut add = |built: String, deployed: String| {
        let field = if at.is_empty() { "definition".to_owned() } else { at.to_owned() };
        differences.push(Difference { field, built, deployed });
    };
    match (built, deployed) {
        (Value::Object(built), Value::Object(deployed)) => {
            let absent = Value::Null;
            let names = built.keys().chain(deployed.keys().filter(|it| !built.contains_key(*it)));
            for name in names {
                let [built, deployed] = [built, deployed].map(|it| it.get(name).unwrap_or(&absent));
                differ(&format!("{at}/{name}"), built, deployed, arns, differences);
            }
        }
        (Value::Array(built), Value::Array(deployed)) if built.len() == deployed.len() => {
            for (number, (built, deployed)) in built.iter().zip(deployed).enumerate() {
                differ(&format!("{at}/{number}"), built, deployed, arns, differences);
            }
        }
        (Value::String(name), Value::String(arn)) if arns.contains_key(name.as_str()) => {
            match &arns[name.as_str()] {
                Some(end) if arn.ends_with(end.as_str()) => {}
                Some(end) => add(format!("…{end}"), arn.clone()),
                None => add(name.clone(), arn.clone()),
            }
        }
        // 2 and 2.0 are one number in JSON.
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => {}
        (built, deployed) if built == deployed => {}
        (built, deployed) => add(short(built), short(deployed)),
    }
}

/// A value in one line that a person can read.
fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = if value.is_null() { "–".to_owned() } else { value.to_string() };
    if text.chars().count() <= MOST {
        return text;
    }
    text.chars().take(MOST).chain(['…']).collect()
}

#[cfg(test)]
pub(super) mod tests;
