//! The other interpreter: what it is told, what it reports, and how that differs from what has to
//! be.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use aigen::stack::{self, Reporter};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::expected;
use crate::table;

/// What happened in one execution.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub status: String,
    pub output: Value,
    pub error: Option<String>,
    pub cause: Option<String>,
    /// The machine's own states, in order.
    pub states: Vec<String>,
    /// The states of each batch, in order.
    pub batch_states: BTreeMap<String, Vec<String>>,
    pub calls: Vec<Call>,
    pub waits: Vec<Waited>,
    /// Where a call took longer than its state allows.
    pub timed_out: Vec<String>,
    /// The most batches that were in flight at once.
    pub at_once: usize,
}

/// A call of a Lambda.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Call {
    /// The state, and its batch if it has one.
    pub at: String,
    pub function: String,
    pub payload: Value,
}

/// A wait before a retry.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub struct Waited {
    /// The state, and its batch if it has one.
    pub at: String,
    #[serde(flatten)]
    pub how_long: HowLong,
}

/// Seconds.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum HowLong {
    /// Drawn from 0 up to them, so that not all processes come again at the same moment.
    UpTo(u64),
    /// These and no others.
    Exactly(u64),
}

/// How the paths go otherwise than the table says, a line each.
pub fn faults(definition: &str, paths: &[table::Path]) -> Vec<String> {
    let paths: Vec<_> = paths.iter().map(|path| path.clone().on_moto()).collect();
    let (scripts, expected): (Vec<_>, Vec<_>) = paths.iter().map(expected::of).unzip();
    let found = interpret(&json!({ "definition": definition, "runs": scripts }));
    assert_eq!(found.len(), paths.len());
    let judged = paths.iter().zip(expected).zip(found);
    judged.filter_map(|((path, expected), found)| fault(path, expected, found)).collect()
}

fn fault(path: &table::Path, expected: Report, mut found: Report) -> Option<String> {
    if expected.cause.is_none() {
        found.cause = None;
    }
    if path.at_once.is_none() {
        found.at_once = 0;
    }
    if path.settle_hears().is_some() {
        for call in found.calls.iter_mut().filter(|call| call.at == "Settle") {
            call.payload["cause"] = json!(expected::OWN_WORDS);
        }
    }
    let different = difference(&in_order(expected), &in_order(found))?;
    Some(format!("- {}\n{different}", path.fact))
}

/// Batches run side by side, so that only the order of each one's calls means something. Causes
/// that are JSON are compared as such: moto writes kanji as `\u6f22`, Lambda as they are.
fn in_order(mut report: Report) -> Report {
    report.calls.sort_by(|one, other| one.at.cmp(&other.at));
    report.waits.sort_by(|one, other| one.at.cmp(&other.at));
    report.cause = report.cause.map(|cause| plain(&cause));
    for call in &mut report.calls {
        for pointer in ["/cause", "/giveUp/Cause"] {
            if let Some(Value::String(cause)) = call.payload.pointer_mut(pointer) {
                *cause = plain(cause);
            }
        }
    }
    report
}

fn plain(cause: &str) -> String {
    serde_json::from_str::<Value>(cause).map_or_else(|_| cause.to_owned(), |json| json.to_string())
}

/// The first thing in which two reports differ.
fn difference(expected: &Report, found: &Report) -> Option<String> {
    let fields = [
        ("status", json!(expected.status), json!(found.status)),
        ("error", json!(expected.error), json!(found.error)),
        ("cause", json!(expected.cause), json!(found.cause)),
        ("states", json!(expected.states), json!(found.states)),
        ("states of batches", json!(expected.batch_states), json!(found.batch_states)),
        ("timed out", json!(expected.timed_out), json!(found.timed_out)),
        ("waits", json!(expected.waits), json!(found.waits)),
        ("output", expected.output.clone(), found.output.clone()),
        ("batches at once", json!(expected.at_once), json!(found.at_once)),
        ("number of calls", json!(expected.calls.len()), json!(found.calls.len())),
    ];
    let differs = |(name, expected, found): (&str, Value, Value)| {
        (expected != found).then(|| told(name, &expected.to_string(), &found.to_string()))
    };
    fields.into_iter().find_map(differs).or_else(|| {
        let mut calls = expected.calls.iter().zip(&found.calls);
        let (expected, found) = calls.find(|(expected, found)| expected != found)?;
        Some(told("a call", &format!("{expected:?}"), &format!("{found:?}")))
    })
}

fn told(name: &str, expected: &str, found: &str) -> String {
    format!("  {name}: expected {}\n  {name}: found    {}", cut(expected), cut(found))
}

/// Enough of a long text to see what is wrong with it.
fn cut(text: &str) -> String {
    let start: String = text.chars().take(600).collect();
    if start.len() < text.len() { format!("{start} …") } else { start }
}

/// Runs scripts on moto.
fn interpret(order: &Value) -> Vec<Report> {
    // One process for all tests: it takes longer to start than to run a hundred paths.
    static MOTO: OnceLock<Mutex<Moto>> = OnceLock::new();
    let mut moto = MOTO.get_or_init(|| Mutex::new(Moto::start())).lock().unwrap();
    let answer = moto.ask(&order.to_string());
    drop(moto);
    serde_json::from_str(&answer)
        .unwrap_or_else(|error| panic!("no report can be read: {error}\n{}", cut(&answer)))
}

/// `interpret.py`, which ends when its input does: with this process.
struct Moto {
    process: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Moto {
    fn start() -> Self {
        let mut command = program("interpret.py");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        Self {
            orders: process.stdin.take().unwrap(),
            reports: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    fn ask(&mut self, order: &str) -> String {
        let mut answer = String::new();
        let asked = writeln!(self.orders, "{order}");
        let is_answered = asked.is_ok() && self.reports.read_line(&mut answer).unwrap() > 0;
        assert!(is_answered, "the interpreter is gone: {}", self.process.wait().unwrap());
        answer
    }
}

/// A Python program beside this file, with the pinned interpreter at hand.
pub fn program(name: &str) -> Command {
    let mut command = python();
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("interpreter").join(name));
    command
}

/// The Python that has the interpreter, which the first call installs.
pub fn python() -> Command {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let python = runtime.block_on(stack::interpreter(&Reporter::to_stderr())).unwrap();
    let mut command = Command::new(python);
    command.env_remove("PYTHONPATH").env_remove("PYTHONHOME");
    command
}
