//! What the findings are made from: what each part answered, or why it did not.

use chrono::{DateTime, Utc};
use shared::{
    aws::{functions::Deployed, model::ModelFault, rules::Rule},
    process::{Failure, Retention, Terms},
    reconcile::Limits,
    store::{Budgets, Capacity, FailuresOfCode, Flow, LastSweep, Schema, Server, Session},
};

use crate::{finding::NotChecked, words::Words};

/// What came of asking one part.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Look<T> {
    /// It answered.
    Seen(T),
    /// It did not, and said why.
    Failed(Failure),
    /// It had not answered when its time was over.
    Late,
    /// It was not asked, because nothing else of the same place answered.
    NotTried,
}

impl<T> Look<T> {
    /// What was seen.
    pub(crate) const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::Failed(_) | Self::Late | Self::NotTried => None,
        }
    }

    /// Why there was no answer.
    pub(crate) const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Seen(_) | Self::Late | Self::NotTried => None,
        }
    }

    fn why_not(&self, words: Words) -> Option<String> {
        match self {
            Self::Seen(_) => None,
            Self::Failed(failure) => Some(failure.to_string()),
            Self::Late => Some(words.say("時間内に応答がありません", "no answer in time")),
            Self::NotTried => Some(words.say(
                "データベースに接続できないため、確認していません",
                "not tried, because the database cannot be reached",
            )),
        }
    }
}

/// A model by its id, and its fault if it has one.
pub(crate) type CheckedModel = (String, Result<(), ModelFault>);

/// One of the other functions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CheckedFunction {
    /// Without what stands in front of it.
    pub(crate) name: &'static str,
    /// How it is deployed; `None`: it is not.
    pub(crate) deployed: Look<Option<Deployed>>,
    /// Variables that it has not as this check has them, by name.
    pub(crate) unlike: Vec<&'static str>,
    /// What is wrong with a variable that every function reads.
    pub(crate) wrong: Option<String>,
    /// When it said last that it cannot be set up, and why.
    pub(crate) set_up: Look<Option<(DateTime<Utc>, String)>>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    /// When it was asked, by the clock of the function.
    pub(crate) now: DateTime<Utc>,
    /// In front of the functions' names.
    pub(crate) prefix: String,
    pub(crate) limits: Limits,
    pub(crate) terms: Terms,
    pub(crate) retention: Retention,
    /// When the process ended that has been kept for longest.
    pub(crate) oldest_ended: Look<Option<DateTime<Utc>>>,
    pub(crate) server: Look<Server>,
    /// The function's own time in the middle of asking the server for its.
    pub(crate) server_asked_at: DateTime<Utc>,
    pub(crate) schema: Look<Schema>,
    pub(crate) sessions: Look<Vec<Session>>,
    pub(crate) sweep: Look<LastSweep>,
    pub(crate) capacity: Look<Capacity>,
    pub(crate) flow: Look<Flow>,
    pub(crate) failures: Look<Vec<FailuresOfCode>>,
    /// Processes that completed in the same time.
    pub(crate) ended_well: Look<i64>,
    pub(crate) budgets: Look<Budgets>,
    pub(crate) state_machine: Look<()>,
    pub(crate) functions: Vec<CheckedFunction>,
    /// What invokes the reconciler: the schedule, and the end of an execution.
    pub(crate) schedule: Look<Rule>,
    pub(crate) events: Look<Rule>,
    pub(crate) models: Vec<CheckedModel>,
}

/// The checks that could not be made. What a finding tells already is none of them.
pub(crate) fn not_checked(facts: &Facts, words: Words) -> Vec<NotChecked> {
    let mut all = Vec::new();
    let mut note = |what, why: Option<String>| {
        if let Some(why) = why {
            all.push(NotChecked { what, why });
        }
    };
    note("migrations", facts.schema.why_not(words));
    note("sessions", facts.sessions.why_not(words));
    note("sweep", facts.sweep.why_not(words));
    note("capacity", facts.capacity.why_not(words));
    note("flow", facts.flow.why_not(words));
    note("failures", facts.failures.why_not(words));
    note("completions", facts.ended_well.why_not(words));
    note("budgets", facts.budgets.why_not(words));
    let deployed = facts.functions.iter().find_map(|function| function.deployed.why_not(words));
    note("functions", deployed);
    let said = facts.functions.iter().find_map(|function| function.set_up.why_not(words));
    note("setUp", said);
    note("schedule", facts.schedule.why_not(words).or_else(|| facts.events.why_not(words)));
    note("retention", facts.oldest_ended.why_not(words));
    let hidden = facts.server.seen().map_or(0, |server| server.hidden_sessions);
    note(
        "sessionsOfOthers",
        (hidden > 0).then(|| {
            words.say(
                format!("ほかのユーザーの {hidden} 接続は見えません（pg_read_all_stats が必要）"),
                format!("hidden sessions of other users: {hidden} (needs pg_read_all_stats)"),
            )
        }),
    );
    all
}
