//! What the auditor is given besides the book.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

/// All of it. Only what belongs to the users of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::chaos) struct Facts {
    /// The processes.
    pub(in crate::chaos) rows: BTreeMap<Uuid, Row>,
    /// Their histories, each in its order.
    pub(in crate::chaos) events: BTreeMap<Uuid, Vec<Event>>,
    /// What lies below each goal of the run.
    pub(in crate::chaos) items: BTreeMap<Uuid, Vec<Item>>,
    /// Processes that have something staged or batches planned, and how much of it.
    pub(in crate::chaos) staged: BTreeMap<Uuid, u64>,
    /// Model calls that are still given to processes.
    pub(in crate::chaos) given: i64,
    /// Of how many processes the lines of the queue say that they wait.
    pub(in crate::chaos) waiting: i64,
    /// Executions by their names: the status of each.
    pub(in crate::chaos) executions: BTreeMap<String, Vec<String>>,
    pub(in crate::chaos) logs: Logs,
    /// Ends of all processes since the run began, by kind of event.
    pub(in crate::chaos) ends: BTreeMap<String, u64>,
    /// The error codes of the contract.
    pub(in crate::chaos) codes: BTreeSet<String>,
}

/// A process as its row says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::chaos) struct Row {
    pub(in crate::chaos) user: String,
    pub(in crate::chaos) status: String,
    pub(in crate::chaos) progress: i64,
    pub(in crate::chaos) attempt: i64,
    pub(in crate::chaos) goal: Option<Uuid>,
    pub(in crate::chaos) code: Option<String>,
    pub(in crate::chaos) cause: Option<String>,
    /// Targets that it could not write for; empty where it says nothing of them.
    pub(in crate::chaos) failed_targets: BTreeSet<Uuid>,
    pub(in crate::chaos) has_completed_at: bool,
    pub(in crate::chaos) depth: Option<String>,
    pub(in crate::chaos) target: Option<Uuid>,
    pub(in crate::chaos) process_type: String,
    /// The process that it retries.
    pub(in crate::chaos) retry_of: Option<Uuid>,
}

/// One event of a history.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::chaos) struct Event {
    pub(in crate::chaos) kind: String,
    pub(in crate::chaos) attempt: i64,
    pub(in crate::chaos) from: Option<String>,
    pub(in crate::chaos) to: Option<String>,
    pub(in crate::chaos) actor: String,
    /// Which target, of those that were staged.
    pub(in crate::chaos) target: Option<Uuid>,
}

/// The tables that processes write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::chaos) enum Table {
    SubGoals,
    Actions,
    Tasks,
}

impl Table {
    /// Its name.
    pub(in crate::chaos) const fn name(self) -> &'static str {
        match self {
            Self::SubGoals => "sub_goals",
            Self::Actions => "actions",
            Self::Tasks => "tasks",
        }
    }
}

/// A row of those tables.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::chaos) struct Item {
    pub(in crate::chaos) table: Table,
    pub(in crate::chaos) id: Uuid,
    pub(in crate::chaos) parent: Uuid,
    pub(in crate::chaos) position: i64,
    /// The process that wrote it; none: the app did.
    pub(in crate::chaos) process: Option<Uuid>,
}

/// What the logs hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::chaos) struct Logs {
    pub(in crate::chaos) lines: u64,
    /// Lines that hold what none may, without it: which group, and what.
    pub(in crate::chaos) leaks: Vec<String>,
    /// Sums of the metrics, by name.
    pub(in crate::chaos) metrics: BTreeMap<String, f64>,
}

impl Row {
    /// Whether it has ended.
    pub(in crate::chaos) fn is_terminal(&self) -> bool {
        is_terminal(&self.status)
    }
}

/// Whether nothing follows a status.
pub(super) fn is_terminal(status: &str) -> bool {
    matches!(status, "COMPLETED" | "FAILED" | "TIMEOUT" | "CANCELLED")
}

/// The ids in a result's list of failed targets.
pub(in crate::chaos) fn failed_targets(list: &Value) -> BTreeSet<Uuid> {
    let id = |item: &Value| item.get("targetId").unwrap_or(item).as_str()?.parse().ok();
    list.as_array().into_iter().flatten().filter_map(id).collect()
}
