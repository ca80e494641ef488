//! What is printed.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::audit::{Facts, INVARIANTS, NOT_JUDGED, Report};
use super::book::{Book, Spread};
use super::plan::FaultKind;
use crate::page::Page;

/// Violations of one invariant that are told.
const MOST: usize = 10;

/// For people.
pub(super) fn text(book: &Book, facts: &Facts, report: &Report) -> String {
    let mut page = Page::of_terminal();
    page.line(format!(
        "seed {}: {} jobs accepted of {}, {} users, asked for {:.0} s, all over after {:.0} s",
        book.seed,
        book.accepted(),
        book.jobs.len(),
        book.users.len(),
        seconds(book.asked_for_ms),
        seconds(book.lasted_ms),
    ));
    page.line("");
    let faults = by_kind(book).into_iter().map(|(kind, (times, met, failed))| {
        let failed = if failed == 0 { String::new() } else { failed.to_string() };
        vec![kind.to_string(), times.to_string(), met.to_string(), failed]
    });
    page.table(&["fault", "times", "met", "failed"], &faults.collect::<Vec<_>>());
    page.line("");
    let answers = book.answers.iter().map(|(route, told)| vec![route.clone(), listed(told)]);
    page.table_of_sentences(&["route", "answers"], &answers.collect::<Vec<_>>());
    page.line("");
    let ends = ends(facts).into_iter().map(|(end, count)| vec![end, count.to_string()]);
    page.table(&["jobs that ended", ""], &ends.collect::<Vec<_>>());
    page.line("");
    let resources = &book.resources;
    page.pairs(&[
        ("calls given, most", format!("{} of {}", book.capacity.most_given, book.capacity.limit)),
        ("asked at once, most", book.capacity.most_in_flight.to_string()),
        ("sessions", spread(&resources.sessions)),
        ("environments", spread(&resources.environments)),
        ("largest function, KB", spread(&resources.function_kb)),
        ("gateway, KB", spread(&resources.gateway_kb)),
        ("database, KB", spread(&resources.database_kb)),
        ("dead rows", spread(&resources.dead_rows)),
        ("lines of logs", facts.logs.lines.to_string()),
    ]);
    page.line("");
    let rows = INVARIANTS.iter().map(|(invariant, what)| {
        let (verdict, looks) = verdict(*invariant, report);
        vec![invariant.to_string(), verdict, looks.to_string(), (*what).to_owned()]
    });
    page.table_of_sentences(&["", "verdict", "facts", "invariant"], &rows.collect::<Vec<_>>());
    for (invariant, _) in INVARIANTS {
        let found: Vec<_> = report.of(invariant).collect();
        for violation in found.iter().take(MOST) {
            let process = violation.process.map(|id| format!(" {id}")).unwrap_or_default();
            page.line(format!("  {invariant}{process}: {}", violation.what));
        }
        if found.len() > MOST {
            page.line(format!("  {invariant}: and {} more", found.len() - MOST));
        }
    }
    page.line(if report.violations.is_empty() {
        "verdict: all of them hold"
    } else {
        "verdict: BROKEN"
    });
    page.text()
}

/// For machines.
pub(super) fn data(book: &Book, facts: &Facts, report: &Report) -> Value {
    let faults = by_kind(book).into_iter().map(|(kind, (times, met, failed))| {
        json!({"kind": kind.name(), "times": times, "met": met, "failed": failed})
    });
    let invariants = INVARIANTS.iter().map(|(invariant, what)| {
        let (verdict, looks) = verdict(*invariant, report);
        json!({"number": invariant, "what": what, "verdict": verdict, "facts": looks})
    });
    let failures = book.faults.iter().filter_map(|met| {
        let why = met.failed.as_ref()?;
        Some(json!({"kind": met.kind.name(), "why": why}))
    });
    json!({
        "seed": book.seed,
        "users": book.users.len(),
        "jobs": {"asked": book.jobs.len(), "accepted": book.accepted(), "ended": ends(facts)},
        "askedForMs": book.asked_for_ms,
        "lastedMs": book.lasted_ms,
        "faults": faults.collect::<Vec<_>>(),
        "faultsThatFailed": failures.collect::<Vec<_>>(),
        "answers": book.answers,
        "capacity": book.capacity,
        "resources": book.resources,
        "logLines": facts.logs.lines,
        "invariants": invariants.collect::<Vec<_>>(),
        "violations": report.violations,
        "verdict": if report.violations.is_empty() { "well" } else { "broken" },
    })
}

/// How often each kind came, what it met, and how often it could not be done.
fn by_kind(book: &Book) -> BTreeMap<FaultKind, (u64, u64, u64)> {
    let mut kinds: BTreeMap<FaultKind, (u64, u64, u64)> = BTreeMap::new();
    for met in &book.faults {
        let (times, count, failed) = kinds.entry(met.kind).or_default();
        *times += 1;
        *count += met.count;
        *failed += u64::from(met.failed.is_some());
    }
    kinds
}

/// By status and code.
fn ends(facts: &Facts) -> BTreeMap<String, u64> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    for row in facts.rows.values() {
        let end = match &row.code {
            Some(code) => format!("{} {code}", row.status),
            None if row.failed_targets.is_empty() => row.status.clone(),
            None => format!("{} in part", row.status),
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

fn verdict(invariant: u8, report: &Report) -> (String, u64) {
    let looks = report.looked_at.get(&invariant).copied().unwrap_or_default();
    let verdict = match report.of(invariant).count() {
        _ if NOT_JUDGED.iter().any(|(other, _)| *other == invariant) => "not judged".to_owned(),
        0 if looks == 0 => "not judged".to_owned(),
        0 => "holds".to_owned(),
        broken => format!("BROKEN {broken}"),
    };
    (verdict, looks)
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(told, count)| format!("{count} × {told}")).collect::<Vec<_>>().join(", ")
}

fn spread(spread: &Spread) -> String {
    let first = spread.first.unwrap_or_default();
    format!("{first} at first, {} at most, {} at last", spread.most, spread.last)
}

#[expect(clippy::cast_precision_loss, reason = "nothing here comes near 2^52")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::audit::{audit, testing::good};

    #[test]
    fn a_violation_is_told_with_its_process_and_the_verdict_says_so() {
        let (book, mut facts) = good();
        let report = audit(&book, &facts);
        assert_eq!(data(&book, &facts, &report)["verdict"], "well");
        assert!(text(&book, &facts, &report).ends_with("verdict: all of them hold"));
        facts.given = 3;
        let report = audit(&book, &facts);
        let told = data(&book, &facts, &report);
        assert_eq!(
            (&told["verdict"], &told["violations"][0]["invariant"]),
            (&"broken".into(), &14.into())
        );
        let text = text(&book, &facts, &report);
        assert!(text.contains("BROKEN 1") && text.contains("3 calls are given"), "{text}");
    }
}
