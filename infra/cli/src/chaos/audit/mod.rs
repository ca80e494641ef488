//! The auditor: what was seen from outside and what the database, the executions, the logs and the
//! metrics say, held against the invariants of the design (section 8). Pure: it is given facts and
//! gives violations, so that each check can be shown what it has to find.
//!
//! | file | judges |
//! |---|---|
//! | `facts` | what it is given |
//! | `told` | what clients were told, against the rows: 1, 3, 7, 8, 9, 11 |
//! | `history` | the events of each process: 3, 4, 5, 7 |
//! | `written` | the goal tables: 6, 13 |
//! | `whole` | executions, capacity, sweep, metrics, errors: 2, 12, 14, 16 |

mod facts;
mod history;
#[cfg(test)]
pub(super) mod testing;
mod told;
mod whole;
mod written;

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

pub(super) use facts::{Event, Facts, Item, Logs, Row, Table, failed_targets};

use super::book::Book;

/// An invariant by its number in the design, and what it says in a few words.
pub(super) const INVARIANTS: [(u8, &str); 16] = [
    (1, "what was accepted is there and comes to its end"),
    (2, "one process, at most one execution"),
    (3, "status moves forwards only, and terminal is final"),
    (4, "a status is written from the one before it"),
    (5, "only the current attempt writes"),
    (6, "what was generated is there when it is COMPLETED, and else nothing is"),
    (7, "repeats, duplicates and late calls change nothing"),
    (8, "progress never falls, and is 100 exactly when COMPLETED"),
    (9, "a cancel that was answered 200 holds"),
    (10, "one layer of retries"),
    (11, "users see their own only, and no log holds a text or token"),
    (12, "after one sweep nothing disagrees"),
    (13, "every planned target is written or named as failed"),
    (14, "nothing fails for want of capacity, and no more runs than it allows"),
    (15, "nobody waits behind another's crowd"),
    (16, "an end names its true cause, and nothing stays broken"),
];

/// Those that cannot be judged from outside, and what judges them.
pub(super) const NOT_JUDGED: [(u8, &str); 2] = [
    (10, "the tests of the engine's retries and of the clients' settings"),
    (15, "`aigen simulate` and tests/crowd.rs, which know who waited when"),
];

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Violation {
    /// Of which invariant.
    pub(super) invariant: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Uuid>,
    pub(super) what: String,
}

/// What came of the audit.
#[derive(Debug, Default)]
pub(super) struct Report {
    pub(super) violations: Vec<Violation>,
    /// How many facts were held against each invariant.
    pub(super) looked_at: BTreeMap<u8, u64>,
}

impl Report {
    /// Counts a fact that was looked at.
    fn look(&mut self, invariant: u8) {
        *self.looked_at.entry(invariant).or_default() += 1;
    }

    /// A fact about `process` that has to hold.
    fn holds(
        &mut self,
        invariant: u8,
        process: Option<Uuid>,
        holds: bool,
        what: impl FnOnce() -> String,
    ) {
        self.look(invariant);
        if !holds {
            self.violations.push(Violation { invariant, process, what: what() });
        }
    }

    /// Those of one invariant.
    pub(super) fn of(&self, invariant: u8) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(move |found| found.invariant == invariant)
    }
}

/// Holds everything against everything.
pub(super) fn audit(book: &Book, facts: &Facts) -> Report {
    let mut report = Report::default();
    told::judge(book, facts, &mut report);
    history::judge(book, facts, &mut report);
    written::judge(book, facts, &mut report);
    whole::judge(book, facts, &mut report);
    seen(book, facts, &mut report);
    report.violations.sort_by_key(|found| (found.invariant, found.process));
    report
}

/// Whether there was anything to look at: what nobody has looked at is not well.
fn seen(book: &Book, facts: &Facts, report: &mut Report) {
    let completed = facts.rows.values().any(|row| row.status == "COMPLETED");
    report.holds(1, None, completed, || "no job completed: a run shows something by jobs".into());
    report.holds(11, None, facts.logs.lines > 0, || "no line of any log was read".to_owned());
    report.holds(14, None, book.capacity.most_given > 0, || {
        "nobody saw a call given to a process: the capacity was not watched".to_owned()
    });
    let judged = |(invariant, _): &&(u8, &str)| {
        NOT_JUDGED.iter().all(|(other, _)| other != invariant)
            && !report.looked_at.contains_key(invariant)
    };
    let blind: Vec<u8> =
        INVARIANTS.iter().filter(judged).map(|(invariant, _)| *invariant).collect();
    for invariant in blind {
        report.holds(invariant, None, false, || "there was nothing to judge it by".to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{NONE, good, violated};
    use super::*;

    #[test]
    fn a_run_in_which_all_is_well_has_no_violation_and_every_invariant_is_looked_at() {
        let (book, facts) = good();
        let report = audit(&book, &facts);
        assert_eq!(report.violations, []);
        for (invariant, what) in INVARIANTS {
            let is_judged = NOT_JUDGED.iter().all(|(other, _)| *other != invariant);
            let looks = report.looked_at.get(&invariant).copied().unwrap_or_default();
            assert_eq!(looks > 0, is_judged, "{invariant}: {what}");
        }
        assert_eq!(violated(&book, &facts), NONE);
    }

    #[test]
    fn what_nobody_has_looked_at_is_not_well() {
        let (book, facts) = good();
        let without_logs = Facts { logs: Logs::default(), ..facts.clone() };
        assert_eq!(violated(&book, &without_logs), [11]);
        let mut unwatched = book.clone();
        unwatched.capacity.most_given = 0;
        assert_eq!(violated(&unwatched, &facts), [14]);
        let nothing = audit(&Book::default(), &Facts::default());
        for (invariant, what) in INVARIANTS {
            let is_judged = NOT_JUDGED.iter().all(|(other, _)| *other != invariant);
            // Of these the sweep and the metrics say something without a single job.
            let is_known = matches!(invariant, 7);
            let found = nothing.of(invariant).count() > 0;
            assert_eq!(found, is_judged && !is_known, "{invariant}: {what}");
        }
    }
}
