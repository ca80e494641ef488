//! A small run in which all is well, for tests that break one thing of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use uuid::Uuid;

use super::{Event, Facts, Item, Logs, Row, Table, audit};
use crate::chaos::book::{Book, Job, Met, Person, Trouble};
use crate::chaos::plan::{FaultKind, JobKind};

/// Sub-goals that were written.
pub(in crate::chaos) const COMPLETED: Uuid = Uuid::from_u128(1);
/// A process that its user has cancelled.
pub(in crate::chaos) const CANCELLED: Uuid = Uuid::from_u128(2);
/// A chart down to its actions.
pub(in crate::chaos) const CHART: Uuid = Uuid::from_u128(3);
/// A process that failed and was to replace what is there.
pub(in crate::chaos) const REPLACED: Uuid = Uuid::from_u128(4);
/// The goal of the first.
pub(in crate::chaos) const GOAL: Uuid = Uuid::from_u128(11);

/// No invariant.
pub(in crate::chaos) const NONE: [u8; 0] = [];

/// The invariants that are broken.
pub(in crate::chaos) fn violated(book: &Book, facts: &Facts) -> Vec<u8> {
    let found = audit(book, facts).violations.into_iter().map(|found| found.invariant);
    found.collect::<BTreeSet<_>>().into_iter().collect()
}

pub(in crate::chaos) fn event(
    kind: &str,
    attempt: i64,
    from: Option<&str>,
    to: Option<&str>,
    actor: &str,
) -> Event {
    let owned = |status: Option<&str>| status.map(str::to_owned);
    Event {
        kind: kind.to_owned(),
        attempt,
        from: owned(from),
        to: owned(to),
        actor: actor.to_owned(),
        target: None,
    }
}

pub(in crate::chaos) fn trouble(from_ms: u64, status: Option<u16>, code: Option<&str>) -> Trouble {
    let code = code.map(str::to_owned);
    Trouble { route: "generate".to_owned(), status, code, from_ms, until_ms: from_ms + 100 }
}

fn job(number: u32, kind: JobKind, goal: Uuid, id: Uuid) -> Job {
    Job {
        number,
        user: 0,
        kind,
        replace: false,
        goal,
        accepted: vec![id],
        refused: None,
        retry_of: None,
        seen: Vec::new(),
        cancelled: false,
    }
}

fn row(status: &str, goal: Uuid, target: Uuid) -> Row {
    Row {
        user: "u".to_owned(),
        status: status.to_owned(),
        progress: if status == "COMPLETED" { 100 } else { 50 },
        attempt: 1,
        goal: Some(goal),
        target: Some(target),
        has_completed_at: true,
        ..Row::default()
    }
}

/// Eight rows below each of `parents`, whose ids begin at `first`.
fn eight(table: Table, parents: &[Uuid], first: u128, process: Option<Uuid>) -> Vec<Item> {
    let mut items = Vec::new();
    for parent in parents {
        for position in 0..8 {
            let id = Uuid::from_u128(first + items.len() as u128);
            items.push(Item { table, id, parent: *parent, position, process });
        }
    }
    items
}

fn history(end: &str, to: &str) -> Vec<Event> {
    vec![
        event("submitted", 0, None, Some("PENDING"), "user"),
        event("started", 0, None, None, "user"),
        event("claimed", 1, Some("PENDING"), Some("PROCESSING"), "worker"),
        event(end, 1, Some("PROCESSING"), Some(to), "worker"),
    ]
}

/// A run and what there is after it.
pub(in crate::chaos) fn good() -> (Book, Facts) {
    let (chart, replaced) = (Uuid::from_u128(12), Uuid::from_u128(13));
    let mut jobs = vec![
        job(0, JobKind::SubGoals, GOAL, COMPLETED),
        job(1, JobKind::SubGoals, Uuid::from_u128(14), CANCELLED),
        job(2, JobKind::ChartOfActions, chart, CHART),
        job(3, JobKind::ActionsOfOne, replaced, REPLACED),
    ];
    jobs[1].cancelled = true;
    jobs[3].replace = true;
    let killed = Met {
        kind: FaultKind::FunctionKilled,
        from_ms: 10_000,
        until_ms: 10_000,
        count: 1,
        processes: Vec::new(),
        failed: None,
    };
    let mut book = Book {
        users: vec![Person { sub: "u".to_owned(), secret: String::new() }],
        jobs,
        faults: vec![killed],
        sweep: json!({"success": true, "data": {"swept": true, "complete": true, "failed": 0}}),
        after_sweep: json!({"success": true, "data": {"drift": 0, "complete": true}}),
        probes: BTreeMap::from([("worker".to_owned(), String::new())]),
        ..Book::default()
    };
    book.capacity.limit = 16;
    book.capacity.most_given = 16;
    book.capacity.most_in_flight = 16;
    // Each check has something to look at.
    book.jobs[0].seen = vec![("PENDING".to_owned(), 0), ("COMPLETED".to_owned(), 100)];

    let sub_goals = eight(Table::SubGoals, &[chart], 200, Some(CHART));
    let parents: Vec<_> = sub_goals.iter().map(|item| item.id).collect();
    let actions = eight(Table::Actions, &parents, 300, Some(CHART));
    let old_parents = eight(Table::SubGoals, &[replaced], 500, None);
    let old = eight(Table::Actions, &[old_parents[0].id], 600, None);
    let mut staging = history("completed", "COMPLETED");
    for item in &sub_goals {
        let mut staged = event("progressed", 1, None, None, "worker");
        staged.target = Some(item.id);
        staging.insert(staging.len() - 1, staged);
    }
    let failed =
        Row { code: Some("AI_ERROR".to_owned()), ..row("FAILED", replaced, old_parents[0].id) };
    let one = || vec!["SUCCEEDED".to_owned()];
    let facts = Facts {
        rows: BTreeMap::from([
            (COMPLETED, row("COMPLETED", GOAL, GOAL)),
            (CANCELLED, row("CANCELLED", Uuid::from_u128(14), Uuid::from_u128(14))),
            (CHART, row("COMPLETED", chart, chart)),
            (REPLACED, failed),
        ]),
        events: BTreeMap::from([
            (COMPLETED, history("completed", "COMPLETED")),
            (CANCELLED, history("cancelled", "CANCELLED")),
            (CHART, staging),
            (REPLACED, history("failed", "FAILED")),
        ]),
        items: BTreeMap::from([
            (GOAL, eight(Table::SubGoals, &[GOAL], 100, Some(COMPLETED))),
            (chart, [sub_goals, actions].concat()),
            (replaced, [old_parents, old].concat()),
        ]),
        executions: [COMPLETED, CANCELLED, CHART, REPLACED]
            .map(|id| (id.to_string(), one()))
            .into_iter()
            .collect(),
        logs: Logs { lines: 1, ..Logs::default() },
        codes: ["AI_ERROR", "AI_THROTTLING", "DATABASE_ERROR", "INTERNAL_ERROR", "RESULT_MISSING"]
            .map(str::to_owned)
            .into_iter()
            .collect(),
        ..Facts::default()
    };
    (book, facts)
}
