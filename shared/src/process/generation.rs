//! The seam between a process and what it generates.
//!
//! The engine accepts, claims, retries, cancels and settles processes without knowing what they are
//! about. Whatever depends on that is asked of a [`Generation`]: read a request, plan its targets,
//! write a prompt, read an answer, put the result together. Its tables are the other half of the
//! seam ([`crate::store::StoredGeneration`]). The product has one kind, [`crate::chart::Chart`];
//! another one is a room beside it.
//!
//! - A **target** is what one model answer is written for.
//! - A target may bring forth further targets, so the work of a process is a forest. Its **roots**
//!   are what was asked for.
//! - The **weight** of a target is how many targets there are from it down, itself included.

use std::{collections::HashMap, fmt::Debug};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{ErrorCode, ModelUsage, ProcessError, ProcessType};
use crate::validation::{Reader, Violation};

/// One question to a model, whose answer must be the input of one tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// Who the model is and what rules hold.
    pub system: String,
    /// What is asked, with the data that questions about other targets of the process have too.
    pub context: String,
    /// What this question alone is about. It may be empty.
    pub question: String,
    /// Name of the tool that the model must call with its answer.
    pub tool: &'static str,
    /// What the tool is for.
    pub tool_description: &'static str,
    /// JSON Schema of the answer.
    pub schema: Value,
    /// Tokens the answer may have at most: above the longest valid answer, but not far above it,
    /// because Bedrock reserves them from the quota.
    pub max_tokens: i32,
    /// Whether other questions have the same schema. Bedrock compiles a schema that it is to
    /// enforce and has not met yet, which takes time, so that only such a one is worth it.
    pub schema_recurs: bool,
    /// Whether questions with the same system, tool, schema and context follow soon. Whoever plans
    /// the questions knows; to write a cache costs more than to read the same text once.
    pub context_recurs: bool,
}

/// An answer that cannot be taken as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection<D> {
    /// Every rule that it breaks, by field. They hold no word that the model wrote, because the
    /// next prompt and the log quote them.
    pub violations: Vec<Violation>,
    /// What of it is right, if anything: then a repair asks for the rest only.
    pub draft: Option<D>,
}

/// What a target has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Output<W> {
    /// Written.
    Written(W),
    /// Given up, with the error that its user is told.
    GivenUp(ProcessError),
}

/// What has been staged of a process, by target.
pub type Outputs<G> = HashMap<Uuid, Output<<G as Generation>::Written>>;

/// A target that got nothing, as the result of a partial success names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FailedTarget {
    /// Which target.
    pub target_id: Uuid,
    /// Its title, where it is known.
    pub title: String,
    /// What was to be written for it, by the name of its field in a result.
    pub missing: String,
    /// Why it got nothing.
    pub code: ErrorCode,
    /// The same in words for a person.
    pub message: String,
    /// Whether a retry may help.
    pub retryable: bool,
}

/// The part of a stored result that a retry goes by. Nothing else of it is read, so that a code
/// that this version does not know keeps no target from being retried.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredResult {
    #[serde(default)]
    failed_targets: Vec<StoredFailedTarget>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StoredFailedTarget {
    target_id: Uuid,
}

/// The targets that a stored result names as failed; none for what cannot be read as such.
#[must_use]
pub fn parse_failed_targets(result: &Value) -> Vec<Uuid> {
    let stored = StoredResult::deserialize(result).map(|result| result.failed_targets);
    stored.unwrap_or_default().iter().map(|target| target.target_id).collect()
}

/// Everything of a process with several targets, once each of them is settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Assembly<W> {
    /// What is to be stored: targets with what was written for them, parents before children.
    pub parts: Vec<(Uuid, W)>,
    /// The targets that get nothing.
    pub failed: Vec<FailedTarget>,
    /// For the status answer.
    pub result: Value,
    /// The first failure, when nothing at all was written.
    pub nothing_written: Option<ProcessError>,
}

/// The params in a row are not those of its type: only a foreign hand can have done that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored params cannot be read: {0}")]
pub struct UnreadableParams(pub String);

/// A kind of generation. All of it is pure.
pub trait Generation: Sized + 'static {
    /// What was asked for: the validated params of a request.
    type Params: Debug + Clone + PartialEq;
    /// What one answer is written for, with all that a prompt needs to know.
    type Target: Debug + Clone + PartialEq;
    /// What was written for one target.
    type Written: Debug + Clone + PartialEq + Serialize + DeserializeOwned;
    /// What is kept of an answer while the rest of it is repaired. A kind that asks for whole
    /// answers only has [`std::convert::Infallible`].
    type Draft: Debug + Clone + PartialEq;

    /// The names of the process types that belong to this kind.
    const TYPE_NAMES: &'static [&'static str];

    /// The field of a staged output that marks one from which nothing follows: its texts need not
    /// be read to go on. Such an output is then read as `{LEAF: []}`, so a [`Self::Written`] must
    /// read back from that; otherwise its target counts as not staged and is written again.
    const LEAF: &'static str;

    /// Reads the params of a request of the type `name`, and notes every violation in `reader`.
    /// Params that only time has made wrong ([`Violation::is_by_time`]) are read all the same.
    fn read_params(
        name: &str,
        reader: &mut Reader<'_>,
        params: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Option<Self::Params>;

    /// The params as the row keeps them.
    ///
    /// # Errors
    /// When they cannot be JSON, which is a defect of the kind.
    fn to_stored(params: &Self::Params) -> Result<Value, serde_json::Error>;

    /// Reads the params of a row.
    ///
    /// # Errors
    /// When the type is none of this kind, or the params are not those of the type.
    fn parse_stored(
        process_type: &ProcessType,
        stored: &Value,
    ) -> Result<Self::Params, UnreadableParams>;

    /// The type that the params belong to.
    fn process_type(params: &Self::Params) -> ProcessType;

    /// What the process is about, as its row names it.
    fn target_id(params: &Self::Params) -> Uuid;

    /// Whether the target must be there when the process is accepted; one that need not be is
    /// stored with what is generated for it.
    fn target_must_exist(params: &Self::Params) -> bool;

    /// Whether what the targets have already gives way.
    fn replace(params: &Self::Params) -> bool;

    /// Whether the process is for what an earlier one left open, so that targets which hold
    /// something by now are left out instead of standing in the way.
    fn only_what_is_open(params: &Self::Params) -> bool;

    /// Model calls that the process makes if every answer is right; at most so many where its
    /// targets are not known before. At least one.
    fn planned_calls(params: &Self::Params) -> i16;

    /// Whether there may be several targets, so that what is written is staged first.
    fn has_several_targets(params: &Self::Params) -> bool;

    /// The root that is written before all others are planned, because they follow from it.
    fn leading_root(params: &Self::Params) -> Option<Self::Target>;

    /// The params of a retry of a process that ended with `result`: after a partial success, only
    /// what it left open.
    fn params_for_retry(params: Self::Params, result: Option<&Value>) -> Self::Params;

    /// The id of a target.
    fn id(target: &Self::Target) -> Uuid;

    /// How many targets there are from `target` down, itself included.
    fn weight(params: &Self::Params, target: &Self::Target) -> i16;

    /// The targets that follow from what was written for `target`; none at the params' depth.
    fn children(
        params: &Self::Params,
        target: &Self::Target,
        written: &Self::Written,
    ) -> Vec<Self::Target>;

    /// The same by id and weight alone, for which nothing of the target itself need be known.
    fn planned_children(params: &Self::Params, written: &Self::Written) -> Vec<PlannedTarget>;

    /// What a model is asked to write for `target`.
    fn prompt(target: &Self::Target) -> Prompt;

    /// Asks again after an answer that was rejected: for what its draft leaves open, or without a
    /// draft for all. It says which rules were broken, and quotes nothing of the answer except what
    /// a new part must not repeat, as data.
    fn repair_prompt(target: &Self::Target, rejection: &Rejection<Self::Draft>) -> Prompt;

    /// Reads an answer and gives each of its rows an id. `draft` is that of the repair which was
    /// asked for; the answer fills what it leaves open.
    ///
    /// # Errors
    /// Every rule that the answer breaks, by field, and what is right: nothing is cut or filled in
    /// silently.
    fn read_answer(
        target: &Self::Target,
        answer: &Value,
        draft: Option<Self::Draft>,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<Self::Written, Rejection<Self::Draft>>;

    /// The result of a process with one target.
    ///
    /// # Errors
    /// When it cannot be JSON, which is a defect of the kind.
    fn single_result(
        target: &Self::Target,
        written: &Self::Written,
        usage: &[ModelUsage],
    ) -> Result<Value, serde_json::Error>;

    /// Puts together what was staged for `roots`. Those that have `gone` are named as failed.
    fn assemble(
        params: &Self::Params,
        roots: &[Self::Target],
        gone: &[PlannedTarget],
        outputs: &Outputs<Self>,
        usage: &[ModelUsage],
    ) -> Assembly<Self::Written>;
}

/// How many targets there are from `roots` down.
#[must_use]
pub fn total_weight<G: Generation>(params: &G::Params, roots: &[G::Target]) -> i16 {
    roots.iter().map(|root| G::weight(params, root)).fold(0, i16::saturating_add)
}

/// A target as the plan of a process has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedTarget {
    /// Which target.
    pub id: Uuid,
    /// How many targets there are from it down, itself included.
    pub weight: i16,
}

/// What each worker invocation writes: `roots` in at most `count` batches of about as much work
/// each, in their order.
#[must_use]
pub fn batches<G: Generation>(
    params: &G::Params,
    roots: &[G::Target],
    count: usize,
) -> Vec<Vec<PlannedTarget>> {
    let count = count.clamp(1, roots.len().max(1));
    let whole = usize::try_from(total_weight::<G>(params, roots)).unwrap_or_default().max(1);
    let mut batches = vec![Vec::new(); count];
    let mut done = 0;
    for root in roots {
        let planned = PlannedTarget { id: G::id(root), weight: G::weight(params, root) };
        let batch: usize = (done * count / whole).min(count - 1);
        batches[batch].push(planned);
        done += usize::try_from(planned.weight).unwrap_or_default();
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// What is planned and not settled yet, by id: neither staged nor given up, nor below what was
/// given up. Below what is not staged nothing is known, so that its own weight stands for all of
/// it. When nothing is open, a process is whole, whatever has become of its targets in the tables.
#[must_use]
pub fn open_in_plan<G: Generation>(
    params: &G::Params,
    planned: &[PlannedTarget],
    outputs: &Outputs<G>,
) -> Vec<PlannedTarget> {
    let mut open = Vec::new();
    for target in planned {
        match outputs.get(&target.id) {
            None => open.push(*target),
            Some(Output::Written(written)) => {
                let children = G::planned_children(params, written);
                open.extend(open_in_plan::<G>(params, &children, outputs));
            }
            Some(Output::GivenUp(_)) => {}
        }
    }
    open
}

/// The targets that can be written for next and are not staged yet.
#[must_use]
pub fn open_targets<G: Generation>(
    params: &G::Params,
    roots: &[G::Target],
    outputs: &Outputs<G>,
) -> Vec<G::Target> {
    let mut open = Vec::new();
    for root in roots {
        match outputs.get(&G::id(root)) {
            None => open.push(root.clone()),
            Some(Output::Written(written)) => {
                let children = G::children(params, root, written);
                open.extend(open_targets::<G>(params, &children, outputs));
            }
            Some(Output::GivenUp(_)) => {}
        }
    }
    open
}

/// Reads a staged row: what was written, or why it was given up.
#[must_use]
pub fn parse_output<W: DeserializeOwned>(
    payload: Option<&Value>,
    error: Option<&Value>,
) -> Option<Output<W>> {
    match (payload, error) {
        (Some(payload), _) => W::deserialize(payload).ok().map(Output::Written),
        (None, Some(error)) => Some(Output::GivenUp(ProcessError::parse_stored(error))),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests;
