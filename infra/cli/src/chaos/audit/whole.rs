//! The stack as a whole: executions, capacity, the sweep, metrics, and how things ended.

use super::told::Hands;
use super::{Facts, Report, Row};
use crate::chaos::book::{Book, Trouble};
use crate::chaos::plan::FaultKind;

/// How long after a fault the gateway may still answer in its own words: as long as it waits for a
/// function.
const AFTERMATH_MS: u64 = 32_000;

pub(super) fn judge(book: &Book, facts: &Facts, report: &mut Report) {
    let hands = Hands::of(book);
    executions(facts, &hands, report);
    quiet(book, facts, report);
    capacity(book, facts, report);
    for (id, row) in &facts.rows {
        if !hands.ended(*id) {
            ending(*id, row, facts, report);
        }
    }
    for trouble in &book.troubles {
        answer(trouble, book, facts, report);
    }
    for (what, trouble) in &book.probes {
        report.holds(16, None, trouble.is_empty(), || format!("{what} is broken still: {trouble}"));
    }
    metrics(book, facts, report);
}

fn executions(facts: &Facts, hands: &Hands, report: &mut Report) {
    for (id, row) in &facts.rows {
        let own = facts.executions.get(&id.to_string()).map(Vec::as_slice).unwrap_or_default();
        report.holds(2, Some(*id), own.len() <= 1, || format!("it has {} executions", own.len()));
        let is_needed = row.status == "COMPLETED" && !hands.ended(*id);
        report.holds(2, Some(*id), !is_needed || own.len() == 1, || {
            "it completed without an execution".to_owned()
        });
        let runs_on = row.is_terminal() && own.iter().any(|status| status == "RUNNING");
        report.holds(12, Some(*id), !runs_on, || {
            format!("it is {}, and its execution is running", row.status)
        });
    }
}

/// What one sweep leaves: nothing.
fn quiet(book: &Book, facts: &Facts, report: &mut Report) {
    let data = &book.sweep["data"];
    let has_swept = book.sweep["success"] == true && data["swept"] == true;
    report.holds(12, None, has_swept && data["complete"] == true && data["failed"] == 0, || {
        format!("the sweep did not do its work: {}", book.sweep)
    });
    let after = &book.after_sweep["data"];
    report.holds(12, None, after["drift"] == 0 && after["complete"] == true, || {
        format!("something disagrees after the sweep: {}", book.after_sweep)
    });
    for (id, row) in &facts.rows {
        let staged = facts.staged.get(id).copied().unwrap_or_default();
        report.holds(12, Some(*id), !row.is_terminal() || staged == 0, || {
            format!("it is {}, and {staged} rows of what it staged are left", row.status)
        });
        report.holds(12, Some(*id), row.is_terminal() == row.has_completed_at, || {
            let time = if row.has_completed_at { "a" } else { "no" };
            format!("it is {} with {time} time of its end", row.status)
        });
    }
}

fn capacity(book: &Book, facts: &Facts, report: &mut Report) {
    let seen = &book.capacity;
    report.holds(14, None, seen.most_given <= seen.limit, || {
        format!("{} calls were given to processes, of {}", seen.most_given, seen.limit)
    });
    // An invocation by hand works beside the one that capacity was given for.
    let beside = book.faults.iter().filter(|met| met.kind == FaultKind::DuplicateWork);
    let beside: u64 = beside.map(|met| met.count).sum();
    let most = seen.limit.saturating_add(i64::try_from(beside).unwrap_or(i64::MAX));
    report.holds(14, None, seen.most_in_flight <= most, || {
        format!("the model was asked {} times at once, of {most}", seen.most_in_flight)
    });
    let all_ended = facts.rows.values().all(Row::is_terminal);
    report.holds(14, None, !all_ended || (facts.given == 0 && facts.waiting == 0), || {
        format!("all have ended, and {} calls are given, {} wait", facts.given, facts.waiting)
    });
}

/// An error names its cause, by a code of the contract, and none is ours.
fn ending(id: uuid::Uuid, row: &Row, facts: &Facts, report: &mut Report) {
    let code = row.code.as_deref();
    report.holds(14, Some(id), code != Some("AI_THROTTLING"), || {
        "it failed for want of capacity (AI_THROTTLING)".to_owned()
    });
    let has_failed = matches!(row.status.as_str(), "FAILED" | "TIMEOUT");
    let is_named = match code {
        None => !has_failed,
        Some(code) => facts.codes.contains(code),
    };
    let is_ours = matches!(code, Some("INTERNAL_ERROR" | "RESULT_MISSING"));
    report.holds(16, Some(id), is_named && !is_ours, || {
        let cause = row.cause.as_deref().unwrap_or("no cause");
        format!("it ended {} with {}: {cause}", row.status, code.unwrap_or("no code"))
    });
}

/// An answer 5xx bears a code, and none says that the functions are wrong; the gateway's own words
/// come only where a fault explains them.
fn answer(trouble: &Trouble, book: &Book, facts: &Facts, report: &mut Report) {
    let told = || {
        let status = trouble.status.map_or("no answer".to_owned(), |status| status.to_string());
        let code = trouble.code.as_deref().unwrap_or("no code");
        format!("{} at {} ms: {status} {code}", trouble.route, trouble.from_ms)
    };
    let is_explained = || {
        book.faults.iter().any(|met| {
            let explains = matches!(
                met.kind,
                FaultKind::FunctionKilled
                    | FaultKind::FunctionStopped
                    | FaultKind::GatewayAway
                    | FaultKind::DatabaseCrash
                    | FaultKind::DatabaseHole
                    | FaultKind::Deployment
            );
            explains
                && met.from_ms <= trouble.until_ms
                && trouble.from_ms <= met.until_ms + AFTERMATH_MS
        })
    };
    let is_well = match trouble.code.as_deref() {
        Some("INTERNAL_ERROR") => false,
        Some(code) => facts.codes.contains(code),
        None => is_explained(),
    };
    report.holds(16, None, is_well, told);
}

/// Each end is counted once, where it is committed: never twice. A function that dies between the
/// two counts it not at all. What a hand has deleted took its history with it.
fn metrics(book: &Book, facts: &Facts, report: &mut Report) {
    let deleted = book.by_hand().filter(|(kind, _)| *kind == FaultKind::HandDeleted).count();
    let deleted = u64::try_from(deleted).unwrap_or(u64::MAX);
    let ends = [
        ("AsyncProcessingStarted", "submitted"),
        ("AsyncProcessingCompleted", "completed"),
        ("AsyncProcessingFailed", "failed"),
        ("AsyncProcessingTimeout", "timed-out"),
        ("AsyncProcessingCancelled", "cancelled"),
    ];
    for (metric, event) in ends {
        let counted = facts.logs.metrics.get(metric).copied().unwrap_or_default();
        let happened = facts.ends.get(event).copied().unwrap_or_default() + deleted;
        #[expect(clippy::cast_precision_loss, reason = "nothing here comes near 2^52")]
        let happened = happened as f64;
        report.holds(7, None, counted <= happened, || {
            format!("the metric {metric} counts {counted}, and it happened {happened} times")
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::chaos::audit::Facts;
    use crate::chaos::audit::testing::{CANCELLED, COMPLETED, NONE, good, trouble, violated};
    use crate::chaos::book::Book;

    fn with(change: impl FnOnce(&mut Book, &mut Facts)) -> Vec<u8> {
        let (mut book, mut facts) = good();
        change(&mut book, &mut facts);
        violated(&book, &facts)
    }

    #[test]
    fn a_second_execution_or_a_missing_one_is_found() {
        let name = COMPLETED.to_string();
        let second = with(|_, facts| {
            facts.executions.get_mut(&name).unwrap().push("FAILED".to_owned());
        });
        assert_eq!(second, [2]);
        assert_eq!(with(|_, facts| drop(facts.executions.remove(&name))), [2]);
    }

    #[test]
    fn what_a_sweep_left_is_found() {
        assert_eq!(with(|book, _| book.after_sweep["data"]["drift"] = json!(1)), [12]);
        assert_eq!(with(|book, _| book.sweep["data"]["failed"] = json!(2)), [12]);
        assert_eq!(with(|book, _| book.sweep["success"] = json!(false)), [12]);
        assert_eq!(with(|_, facts| facts.staged.extend([(COMPLETED, 3)])), [12]);
        let running = |facts: &mut Facts| {
            facts.executions.insert(CANCELLED.to_string(), vec!["RUNNING".to_owned()]);
        };
        assert_eq!(with(|_, facts| running(facts)), [12]);
        let end = |facts: &mut Facts| {
            facts.rows.get_mut(&COMPLETED).unwrap().has_completed_at = false;
        };
        assert_eq!(with(|_, facts| end(facts)), [12]);
    }

    #[test]
    fn capacity_that_was_exceeded_or_leaked_and_a_failure_for_want_of_it_are_found() {
        assert_eq!(with(|book, _| book.capacity.most_given = 17), [14]);
        assert_eq!(with(|book, _| book.capacity.most_in_flight = 40), [14]);
        assert_eq!(with(|_, facts| facts.given = 1), [14]);
        let throttled = with(|_, facts| {
            facts.rows.get_mut(&CANCELLED).unwrap().code = Some("AI_THROTTLING".to_owned());
        });
        assert_eq!(throttled, [14]);
    }

    #[test]
    fn an_end_without_a_true_cause_is_found() {
        for code in ["INTERNAL_ERROR", "RESULT_MISSING", "NO_SUCH_CODE"] {
            let found = with(|_, facts| {
                facts.rows.get_mut(&CANCELLED).unwrap().code = Some(code.to_owned());
            });
            assert_eq!(found, [16], "{code}");
        }
    }

    #[test]
    fn an_answer_that_no_fault_explains_and_one_that_says_we_are_wrong_are_found() {
        // The good run has a function killed from 10 s on.
        let at = |from: u64, status, code: Option<&str>| {
            with(|book, _| book.troubles.push(trouble(from, status, code)))
        };
        assert_eq!(at(11_000, Some(502), None), NONE);
        assert_eq!(at(1_000, Some(502), None), [16]);
        assert_eq!(at(100_000, None, None), [16]);
        assert_eq!(at(11_000, Some(500), Some("INTERNAL_ERROR")), [16]);
        assert_eq!(at(1_000, Some(500), Some("DATABASE_ERROR")), NONE);
    }

    #[test]
    fn what_stays_broken_after_all_was_healed_is_found() {
        let found =
            with(|book, _| drop(book.probes.insert("worker".to_owned(), "dead".to_owned())));
        assert_eq!(found, [16]);
    }

    #[test]
    fn an_end_that_is_counted_twice_is_found() {
        let found = with(|_, facts| {
            facts.logs.metrics.insert("AsyncProcessingCompleted".to_owned(), 9.0);
        });
        assert_eq!(found, [7]);
    }
}
