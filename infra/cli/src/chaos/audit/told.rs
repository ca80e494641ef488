//! What clients were told, against what is there.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::facts::is_terminal;
use super::{Facts, Report};
use crate::chaos::book::{Book, Job};
use crate::chaos::plan::FaultKind;

pub(super) fn judge(book: &Book, facts: &Facts, report: &mut Report) {
    let hands = Hands::of(book);
    for job in &book.jobs {
        for id in &job.accepted {
            accepted(*id, job, book, facts, &hands, report);
        }
        same_key(job, &hands, report);
        forwards(job, &hands, report);
        cancelled(job, facts, &hands, report);
    }
    for (id, row) in &facts.rows {
        let agrees = (row.progress == 100) == (row.status == "COMPLETED");
        let is_percent = (0..=100).contains(&row.progress);
        report.holds(8, Some(*id), agrees && is_percent, || {
            format!("it is {} with progress {}", row.status, row.progress)
        });
    }
    report.holds(11, None, book.breaches.is_empty(), || book.breaches.join("; "));
    report.holds(11, None, facts.logs.leaks.is_empty(), || facts.logs.leaks.join("; "));
}

/// What hands have done: by process.
pub(super) struct Hands {
    touched: BTreeMap<Uuid, BTreeSet<FaultKind>>,
}

impl Hands {
    pub(super) fn of(book: &Book) -> Self {
        let mut touched: BTreeMap<Uuid, BTreeSet<FaultKind>> = BTreeMap::new();
        for (kind, id) in book.by_hand() {
            touched.entry(id).or_default().insert(kind);
        }
        Self { touched }
    }

    /// Whether a hand has deleted the process.
    pub(super) fn deleted(&self, id: Uuid) -> bool {
        self.touched.get(&id).is_some_and(|kinds| kinds.contains(&FaultKind::HandDeleted))
    }

    /// Whether a hand has ended the process.
    pub(super) fn ended(&self, id: Uuid) -> bool {
        let ends = [FaultKind::HandFailed, FaultKind::HandCancelled, FaultKind::HandCompleted];
        self.touched.get(&id).is_some_and(|kinds| ends.iter().any(|end| kinds.contains(end)))
    }

    /// Whether a hand has changed the process at all.
    pub(super) fn touched(&self, id: Uuid) -> bool {
        self.touched.contains_key(&id)
    }
}

fn accepted(id: Uuid, job: &Job, book: &Book, facts: &Facts, hands: &Hands, report: &mut Report) {
    let Some(row) = facts.rows.get(&id) else {
        report.holds(1, Some(id), hands.deleted(id), || {
            format!("it was accepted (202) for job {} and is not there", job.number)
        });
        return;
    };
    report.holds(1, Some(id), row.is_terminal(), || {
        format!("it is still {}, {} s after the run began", row.status, book.lasted_ms / 1_000)
    });
    let owner = book.users.get(job.user).map(|user| user.sub.as_str());
    report.holds(11, Some(id), owner == Some(row.user.as_str()), || {
        format!("it belongs to {}, and user {} had asked for it", row.user, job.user)
    });
}

/// Under one key there is one process; one that a hand has deleted leaves its key free.
fn same_key(job: &Job, hands: &Hands, report: &mut Report) {
    let ids: BTreeSet<_> = job.accepted.iter().filter(|id| !hands.deleted(**id)).collect();
    let first = job.accepted.first().copied();
    if first.is_some() {
        report.holds(7, first, ids.len() <= 1, || {
            format!("one request under one key was answered with {} processes", ids.len())
        });
    }
}

/// What a client saw of one process: it moves forwards.
fn forwards(job: &Job, hands: &Hands, report: &mut Report) {
    let Some(id) = job.accepted.first().copied() else { return };
    if hands.touched(id) {
        return;
    }
    let rank = |status: &str| match status {
        "PENDING" => 0,
        "PROCESSING" => 1,
        _ => 2,
    };
    for pair in job.seen.windows(2) {
        let [(before, progress), (after, now)] = pair else { continue };
        let is_final = !is_terminal(before) || before == after;
        report.holds(3, Some(id), is_final && rank(before) <= rank(after), || {
            format!("its client saw {before} and then {after}")
        });
        if !is_terminal(before) && !is_terminal(after) {
            report.holds(8, Some(id), progress <= now, || {
                format!("its client saw progress {progress} and then {now}")
            });
        }
    }
    for (status, progress) in &job.seen {
        report.holds(8, Some(id), (*progress == 100) == (status == "COMPLETED"), || {
            format!("its client saw {status} with progress {progress}")
        });
    }
}

fn cancelled(job: &Job, facts: &Facts, hands: &Hands, report: &mut Report) {
    let Some(id) = job.accepted.first().copied() else { return };
    let Some(row) = facts.rows.get(&id) else { return };
    if job.cancelled && !hands.ended(id) {
        report.holds(9, Some(id), row.status == "CANCELLED", || {
            format!("its cancel was answered 200, and it is {}", row.status)
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::chaos::audit::testing::{COMPLETED, NONE, good, violated};

    #[test]
    fn an_accepted_process_that_is_gone_or_stuck_is_found() {
        let (book, mut facts) = good();
        facts.rows.remove(&COMPLETED);
        assert!(violated(&book, &facts).contains(&1));
        let (book, mut facts) = good();
        facts.rows.get_mut(&COMPLETED).unwrap().status = "PROCESSING".to_owned();
        assert!(violated(&book, &facts).contains(&1));
    }

    #[test]
    fn two_processes_under_one_key_are_found() {
        let (mut book, facts) = good();
        book.jobs[0].accepted.push(crate::chaos::audit::testing::CANCELLED);
        assert!(violated(&book, &facts).contains(&7));
    }

    #[test]
    fn a_client_that_saw_a_status_or_a_progress_go_back_is_believed() {
        let seen = |seen: &[(&str, i64)]| {
            let (mut book, facts) = good();
            book.jobs[0].seen =
                seen.iter().map(|(status, progress)| ((*status).to_owned(), *progress)).collect();
            violated(&book, &facts)
        };
        assert_eq!(seen(&[("COMPLETED", 100), ("PROCESSING", 50)]), [3]);
        assert_eq!(seen(&[("PROCESSING", 0), ("PENDING", 0)]), [3]);
        assert_eq!(seen(&[("PROCESSING", 50), ("PROCESSING", 40)]), [8]);
        assert_eq!(seen(&[("PROCESSING", 100)]), [8]);
        assert_eq!(seen(&[("PENDING", 0), ("PROCESSING", 50), ("COMPLETED", 100)]), NONE);
    }

    #[test]
    fn a_progress_that_disagrees_with_the_status_is_found() {
        let (book, mut facts) = good();
        facts.rows.get_mut(&COMPLETED).unwrap().progress = 99;
        assert_eq!(violated(&book, &facts), [8]);
    }

    #[test]
    fn a_cancel_that_did_not_hold_is_found() {
        let (mut book, facts) = good();
        book.jobs[0].cancelled = true;
        assert_eq!(violated(&book, &facts), [9]);
    }

    #[test]
    fn what_another_user_saw_and_what_a_log_holds_is_found() {
        let (mut book, facts) = good();
        book.breaches.push("user 1 saw a process of user 0".to_owned());
        assert_eq!(violated(&book, &facts), [11]);
        let (book, mut facts) = good();
        facts.logs.leaks.push("a text in /aws/lambda/x".to_owned());
        assert_eq!(violated(&book, &facts), [11]);
        let (book, mut facts) = good();
        facts.rows.get_mut(&COMPLETED).unwrap().user = "somebody else".to_owned();
        assert_eq!(violated(&book, &facts), [11]);
    }
}
