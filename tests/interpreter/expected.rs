//! What a path means: what the Lambdas answer, and the report that has to follow.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::interpreter::{Call, HowLong, Report, Waited};
use crate::table::{Path, Step};

const PROCESS: &str = "p1";
const EXECUTION: &str = "arn:aws:states:us-east-1:123456789012:execution:ai-generation:run";
const WORKER: &str = "${WorkerArn}";
const RECONCILER: &str = "${ReconcilerArn}";
/// The error of a call that its state gives no more time.
const TIMEOUT: &str = "States.Timeout";
/// Stands for a cause that is the interpreter's own.
pub const OWN_WORDS: &str = "(in the interpreter's own words)";

/// What the interpreter is told of a path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Script {
    input: Value,
    answers: BTreeMap<String, Vec<Value>>,
    /// How many batches are to meet, and of how many.
    together: Option<(usize, usize)>,
    longest_waits: bool,
}

/// A state's calls, one after the other.
struct Visit {
    at: String,
    function: &'static str,
    payload: Value,
    answers: Vec<Value>,
    waits: Vec<u64>,
    /// With what it failed in the end: the error's name and its cause.
    failure: Option<(String, String)>,
}

/// The script of a path and what has to be reported of it.
pub fn of(path: &Path) -> (Script, Report) {
    let visits = visits(path);
    let together = path.at_once.map(|at_once| (at_once, path.batches));
    let answers = visits.iter().map(|visit| (visit.at.clone(), visit.answers.clone())).collect();
    let input = input(path);
    let script =
        Script { input: input.clone(), answers, together, longest_waits: path.longest_waits };
    (script, report(path, &visits, &input))
}

fn report(path: &Path, visits: &[Visit], input: &Value) -> Report {
    let (status, error) = path.ends.split_once(' ').unwrap_or((&path.ends, ""));
    let error = (!error.is_empty()).then(|| error.to_owned());
    // Where the machine itself stumbles, the words of its cause are the interpreter's.
    let cause = failure(visits).filter(|(name, _)| Some(name) == error.as_ref());
    let mut report = Report {
        status: status.to_owned(),
        output: Value::Null,
        cause: cause.map(|(_, cause)| cause.clone()),
        error,
        states: path.states.split(' ').map(str::to_owned).collect(),
        batch_states: BTreeMap::new(),
        calls: Vec::new(),
        waits: Vec::new(),
        timed_out: Vec::new(),
        at_once: path.at_once.unwrap_or_default(),
    };
    if status == "SUCCEEDED" {
        report.output = input.clone();
        report.output["next"] = next(path);
    }
    for visit in visits {
        if let Some((state, batch)) = visit.at.split_once(' ') {
            report.batch_states.entry(batch.to_owned()).or_default().push(state.to_owned());
        }
        if visit.failure.as_ref().is_some_and(|(name, _)| name == TIMEOUT) {
            report.timed_out.push(visit.at.clone());
        }
        report.calls.extend(visit.answers.iter().map(|_| Call {
            at: visit.at.clone(),
            function: visit.function.to_owned(),
            payload: visit.payload.clone(),
        }));
        report.waits.extend(
            visit
                .waits
                .iter()
                .map(|wait| Waited { at: visit.at.clone(), how_long: HowLong::UpTo(*wait) }),
        );
    }
    report
}

/// Every state that calls a Lambda in this path, with what it asks.
fn visits(path: &Path) -> Vec<Visit> {
    let mut visits = Vec::new();
    let input = input(path);
    if input.get("processId").is_some() {
        let payload = json!({ "processId": PROCESS, "executionArn": EXECUTION });
        visits.push(visit(path, "Generate", WORKER, payload, &plan(path)));
    }
    let started = |batch: &String| path.enters("Batches") && !path.not_started.contains(batch);
    // With a limit that is no number, the map starts none.
    let readable = next(path)["batchesAtOnce"].is_u64();
    for batch in path.batch_names().into_iter().filter(|batch| readable && started(batch)) {
        let payload = json!({ "processId": PROCESS, "batchId": batch });
        let tried = visit(path, &format!("Batch {batch}"), WORKER, payload, &Value::Null);
        let given_up = tried.failure.as_ref().map(|(error, cause)| {
            let give_up = json!({ "Error": error, "Cause": cause });
            let payload = json!({ "processId": PROCESS, "batchId": batch, "giveUp": give_up });
            visit(path, &format!("GiveUp {batch}"), WORKER, payload, &Value::Null)
        });
        visits.push(tried);
        visits.extend(given_up);
    }
    let on_moto = path.settle_hears().map(|error| (error.to_owned(), OWN_WORDS.to_owned()));
    let failure = on_moto.or_else(|| failure(&visits).cloned());
    if let Some((error, cause)) = failure.filter(|_| path.enters("Settle")) {
        let payload = json!({
            "processId": PROCESS, "executionArn": EXECUTION, "error": error, "cause": cause,
        });
        visits.push(visit(path, "Settle", RECONCILER, payload, &Value::Null));
    }
    visits
}

/// What the machine fails with: Generate's error, or that of giving the first batch up in vain.
fn failure(visits: &[Visit]) -> Option<&(String, String)> {
    let ends_it = |visit: &&Visit| visit.at == "Generate" || visit.at.starts_with("GiveUp ");
    visits.iter().filter(ends_it).find_map(|visit| visit.failure.as_ref())
}

/// The steps of a state, and a call that succeeds where none of them ends it.
fn visit(path: &Path, at: &str, function: &'static str, payload: Value, success: &Value) -> Visit {
    let mut visit = Visit {
        at: at.to_owned(),
        function,
        payload,
        answers: Vec::new(),
        waits: Vec::new(),
        failure: None,
    };
    let mut ended = false;
    for step in steps(path, at) {
        let waits = step.waits();
        for number in 0..waits.len().max(1) {
            visit.answers.push(answer(step, number, success));
        }
        ended = waits.is_empty();
        visit.waits.extend(waits);
        if step.fails_for_good() {
            visit.failure = Some((step.fails[0].clone(), cause(&step.fails[0], &step.message())));
        }
    }
    if !ended {
        visit.answers.push(json!({ "returns": success }));
    }
    visit
}

fn steps<'a>(path: &'a Path, at: &str) -> impl Iterator<Item = &'a Step> {
    let every = at.split_once(' ').map(|(state, _)| format!("{state} *"));
    path.steps.iter().filter(move |step| step.at == at || Some(&step.at) == every.as_ref())
}

/// What Lambda answers to one call of a step.
fn answer(step: &Step, number: usize, success: &Value) -> Value {
    if step.hangs {
        return json!({ "hangs": true });
    }
    match step.fails.get(number % step.fails.len().max(1)) {
        // The interpreter has to find out by itself.
        Some(name) if name == TIMEOUT => json!({ "returns": {}, "takes": step.takes }),
        Some(name) => json!({ "fails": name, "says": step.message(), "takes": step.takes }),
        None => {
            let returns = step.returns.as_ref().unwrap_or(success);
            json!({ "returns": returns, "takes": step.takes })
        }
    }
}

/// The cause of an error, as Step Functions words it.
fn cause(name: &str, message: &str) -> String {
    match name.strip_prefix("Lambda.") {
        _ if name == TIMEOUT => String::new(),
        Some(code) => {
            let status = match code {
                "TooManyRequestsException" => 429,
                "ServiceException" => 500,
                "ResourceNotFoundException" => 404,
                _ => 400,
            };
            format!(
                "{message} (Service: AWSLambda; Status Code: {status}; Error Code: {code}; \
                 Request ID: request; Proxy: null)"
            )
        }
        None => json!({ "errorType": name, "errorMessage": message }).to_string(),
    }
}

fn input(path: &Path) -> Value {
    path.input.clone().unwrap_or_else(|| json!({ "processId": PROCESS }))
}

/// What the worker plans.
fn plan(path: &Path) -> Value {
    let at_once = path.batches_at_once.unwrap_or(path.batches.max(1));
    json!({ "batches": path.batch_names(), "batchesAtOnce": at_once })
}

/// What is kept of the plan.
fn next(path: &Path) -> Value {
    let said = steps(path, "Generate").find_map(|step| step.returns.clone());
    let plan = said.unwrap_or_else(|| plan(path));
    json!({ "batches": plan["batches"], "batchesAtOnce": plan["batchesAtOnce"] })
}
