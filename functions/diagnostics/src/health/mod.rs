//! `{"check":"health"}`: whether work is flowing, jobs succeed, and the evidence for both is fresh.
//! Every part is really asked; what is wrong is named with its cause and the next step, what could
//! not be asked is named too, and the others are asked all the same.
//!
//! | file | holds |
//! |---|---|
//! | this one | the answer |
//! | `gather` | asking every part, each within its time |
//! | `deployed` | asking how the other functions and the rules are deployed |
//! | `facts` | what they answered, or why not |
//! | `findings` | what follows: pure |
//! | `database` | the database that cannot be used: which trouble it is |

mod database;
mod deployed;
mod facts;
mod findings;
mod gather;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    clock::Clock,
    http::{CapacityView, Problem, Reply},
    process::{ErrorCode, Failure},
};

use self::{
    facts::{Facts, Look, not_checked},
    findings::findings,
};
use crate::{
    diagnostics::Diagnostics,
    finding::{Finding, NotChecked, Verdict},
    words::Words,
};

/// What the check found.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Health<'a> {
    verdict: Verdict,
    checked_at: DateTime<Utc>,
    /// The most likely cause first.
    findings: Vec<Finding>,
    not_checked: Vec<NotChecked>,
    /// Whether all parts let us in.
    healthy: bool,
    parts: Vec<PartHealth>,
    /// Limits, queue and pause; `None`: the database did not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    capacity: Option<CapacityView<'a>>,
    /// Milliseconds that the check took.
    duration: i64,
}

/// One part.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct PartHealth {
    part: &'static str,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_version: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

impl PartHealth {
    fn of(part: &'static str, failure: Option<Failure>) -> Self {
        let ok = failure.is_none();
        let (code, cause) = failure.map(|failure| (failure.code, failure.cause)).unzip();
        Self { part, ok, code, cause, ..Self::default() }
    }
}

fn failure_of<T>(look: &Look<T>, code: ErrorCode) -> Option<Failure> {
    match look {
        Look::Seen(_) => None,
        Look::Failed(failure) => Some(failure.clone()),
        Look::Late | Look::NotTried => Some(Failure::new(code, "no answer in time")),
    }
}

fn parts(facts: &Facts) -> Vec<PartHealth> {
    let database = match &facts.server {
        Look::Seen(_) => failure_of(&facts.schema, ErrorCode::DatabaseError),
        server => failure_of(server, ErrorCode::DatabaseConnectionError),
    };
    let machine = failure_of(&facts.state_machine, ErrorCode::StepFunctionsError);
    let schema_version = facts.schema.seen().map(|schema| schema.newest);
    let stored = PartHealth { schema_version, ..PartHealth::of("database", database) };
    let models = facts.models.iter().map(|(id, result)| {
        let cause = result.as_ref().err().map(|fault| format!("{}: {}", fault.fault, fault.words));
        let ok = cause.is_none();
        PartHealth { ok, cause, model: Some(id.clone()), ..PartHealth::of("model", None) }
    });
    [stored, PartHealth::of("stateMachine", machine)].into_iter().chain(models).collect()
}

/// The answer when `function`, this one, cannot be set up.
pub(crate) fn not_set_up(
    function: &str,
    failure: &Failure,
    words: Words,
    now: DateTime<Utc>,
) -> Result<Reply, Problem> {
    let finding = findings::not_set_up(function, &failure.cause, words);
    let why = words.say("この関数が起動できません", "this function cannot be set up");
    let health = Health {
        verdict: Verdict::Down,
        checked_at: now,
        findings: vec![finding],
        not_checked: vec![NotChecked { what: "everything", why }],
        healthy: false,
        parts: Vec::new(),
        capacity: None,
        duration: 0,
    };
    Ok(Reply::of(200, &health)?)
}

impl Diagnostics {
    pub(crate) async fn health(&self, words: Words) -> Result<Reply, Problem> {
        let facts = Box::pin(self.gather()).await;
        let findings = findings(&facts, words);
        let parts = parts(&facts);
        let health = Health {
            verdict: Verdict::of(&findings),
            checked_at: facts.now,
            findings,
            not_checked: not_checked(&facts, words),
            healthy: parts.iter().all(|part| part.ok),
            parts,
            capacity: facts.capacity.seen().map(CapacityView::of),
            duration: (self.clock.now() - facts.now).num_milliseconds(),
        };
        Ok(Reply::of(200, &health)?)
    }
}
