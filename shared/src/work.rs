//! A process with several targets, as a pure function of what has been staged: what is left to
//! write, in which batches, and what the status answer will say.
//!
//! What is written for a target may bring forth further targets (a sub-goal's actions have tasks),
//! down to the process's depth. So the work is a forest: its roots are what the process was asked
//! for, its leaves are at the depth.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    error_code::ErrorCode,
    generated::{Kind, Rows},
    model::Usage,
    process::ProcessError,
    prompt::Target,
};

/// What a target has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Written.
    Written(Rows),
    /// Given up.
    GivenUp(ProcessError),
}

/// What has been staged, by target.
pub type Outputs = HashMap<Uuid, Output>;

/// What one worker invocation writes: so many targets that as many calls as it makes at once are
/// enough for each level. A target that brings forth others is a batch of its own.
#[must_use]
pub fn batches(roots: &[Target], depth: Kind, size: usize) -> Vec<Vec<Uuid>> {
    let (deep, flat): (Vec<&Target>, Vec<&Target>) =
        roots.iter().partition(|root| root.kind < depth);
    let alone = deep.iter().map(|root| vec![root.id]);
    alone
        .chain(flat.chunks(size.max(1)).map(|chunk| chunk.iter().map(|root| root.id).collect()))
        .collect()
}

/// How many targets there are from these roots down to `depth`.
#[must_use]
pub fn count(roots: &[Target], depth: Kind) -> i16 {
    roots.iter().map(|root| root.kind.targets_to(depth)).fold(0, i16::saturating_add)
}

/// The targets that can be written for next and are not staged yet.
#[must_use]
pub fn open(roots: &[Target], depth: Kind, outputs: &Outputs) -> Vec<Target> {
    let mut open = Vec::new();
    for root in roots {
        match outputs.get(&root.id) {
            None => open.push(root.clone()),
            Some(Output::Written(rows)) if root.kind < depth => {
                open.extend(self::open(&root.children(rows), depth, outputs))
            }
            Some(_) => {}
        }
    }
    open
}

/// Everything of a process with several targets, once each is staged.
#[derive(Debug, Clone, PartialEq)]
pub struct Finished {
    /// What is to be stored: targets with their rows, in the order of the chart.
    pub parts: Vec<(Uuid, Rows)>,
    /// For the status answer.
    pub result: Value,
    /// The first failure, when nothing at all was written.
    pub nothing: Option<ProcessError>,
}

/// Puts together what was staged for `roots`. `goal`: which chart they are in.
#[must_use]
pub fn finish(
    goal: Uuid,
    roots: &[Target],
    depth: Kind,
    outputs: &Outputs,
    usage: &[Usage],
) -> Finished {
    let mut finished = Assembly { depth, outputs, parts: Vec::new(), failed: Vec::new() };
    let mut result = json!({ "goalId": goal });
    for root in roots {
        let written = finished.target(root);
        match (root.kind, written) {
            (_, None) => {}
            // A goal's own sub-goals stand at the top; other roots are listed by what they are.
            (Kind::SubGoals, Some(rows)) => result[Kind::SubGoals.field()] = rows,
            (kind, Some(rows)) => {
                let list = if kind == Kind::Actions { "subGoals" } else { "actions" };
                if result[list].is_null() {
                    result[list] = json!([]);
                }
                if let Some(list) = result[list].as_array_mut() {
                    list.push(json!({"id": root.id, "title": root.title(), kind.field(): rows}));
                }
            }
        }
    }
    let Assembly { parts, failed, .. } = finished;
    result["partial"] = json!(!failed.is_empty());
    result["failedTargets"] =
        failed.iter().map(|(target, error)| failed_target(target, error)).collect();
    result["usage"] = by_model(usage);
    let nothing = parts.is_empty().then(|| {
        failed.into_iter().next().map_or_else(
            || ProcessError::new(ErrorCode::TargetNotFound, "no target is left"),
            |(_, error)| error,
        )
    });
    Finished { parts, result, nothing }
}

fn failed_target(target: &Target, error: &ProcessError) -> Value {
    json!({
        "targetId": target.id, "title": target.title(), "missing": target.kind.field(),
        "code": error.code, "message": error.message, "retryable": error.code.retryable(),
    })
}

struct Assembly<'a> {
    depth: Kind,
    outputs: &'a Outputs,
    parts: Vec<(Uuid, Rows)>,
    failed: Vec<(Target, ProcessError)>,
}

impl Assembly<'_> {
    /// The rows of `target` as JSON, each with what was written for it in turn.
    fn target(&mut self, target: &Target) -> Option<Value> {
        match self.outputs.get(&target.id) {
            Some(Output::Written(rows)) => {
                self.parts.push((target.id, rows.clone()));
                let field = target.kind.field();
                let mut listed = serde_json::to_value(rows).unwrap_or_default()[field].take();
                if target.kind < self.depth {
                    for (index, child) in target.children(rows).iter().enumerate() {
                        if let Some(written) = self.target(child) {
                            listed[index][child.kind.field()] = written;
                        }
                    }
                }
                Some(listed)
            }
            Some(Output::GivenUp(error)) => {
                self.failed.push((target.clone(), error.clone()));
                None
            }
            None => {
                self.failed.push((
                    target.clone(),
                    ProcessError::new(ErrorCode::ResultMissing, "never staged"),
                ));
                None
            }
        }
    }
}

/// What the calls used, model by model.
#[must_use]
pub fn by_model(usage: &[Usage]) -> Value {
    let mut models: BTreeMap<&str, (i64, Usage)> = BTreeMap::new();
    for call in usage {
        let (calls, sum) = models.entry(&call.model_id).or_insert_with(|| {
            (
                0,
                Usage {
                    model_id: call.model_id.clone(),
                    input_tokens: 0,
                    output_tokens: 0,
                    latency_ms: 0,
                },
            )
        });
        *calls += 1;
        sum.input_tokens += call.input_tokens;
        sum.output_tokens += call.output_tokens;
        sum.latency_ms += call.latency_ms;
    }
    let models = models.into_values().map(|(calls, sum)| {
        let mut sum = serde_json::to_value(sum).unwrap_or_default();
        sum["calls"] = json!(calls);
        sum
    });
    models.collect()
}

/// Reads a staged row: its payload, or why it was given up.
#[must_use]
pub fn read_output(payload: Option<&Value>, error: Option<Value>) -> Option<Output> {
    match (payload, error) {
        (Some(payload), _) => Rows::deserialize(payload).ok().map(Output::Written),
        (None, Some(error)) => Some(Output::GivenUp(ProcessError::from_stored(&error))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
