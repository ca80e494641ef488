//! The goal tables.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::told::Hands;
use super::{Facts, Item, Report, Row, Table};
use crate::chaos::book::{Book, Job};
use crate::chaos::plan::JobKind;

/// The fields around one.
const FIELDS: usize = 8;

pub(super) fn judge(book: &Book, facts: &Facts, report: &mut Report) {
    let hands = Hands::of(book);
    for item in facts.items.values().flatten() {
        let Some(writer) = item.process else { continue };
        let is_completed =
            facts.rows.get(&writer).map(|row| row.status == "COMPLETED" && !hands.ended(writer));
        // Of one that a hand has deleted only what it wrote is left.
        report.holds(6, Some(writer), is_completed.unwrap_or(hands.deleted(writer)), || {
            format!("{} {} is there, and its process did not complete", item.table.name(), item.id)
        });
    }
    for job in &book.jobs {
        let Some(id) = job.accepted.first() else { continue };
        let Some(row) = facts.rows.get(id) else { continue };
        let items = facts.items.get(&job.goal).map(Vec::as_slice).unwrap_or_default();
        if row.status == "COMPLETED" && !hands.ended(*id) {
            whole(*id, job, row, items, report);
        }
        untouched(*id, job, facts, items, report);
    }
}

/// A completed process has written for each of its targets, or names it as failed.
fn whole(id: Uuid, job: &Job, row: &Row, items: &[Item], report: &mut Report) {
    let of = |table| items.iter().filter(move |item| item.table == table);
    let ids = |table| of(table).map(|item| item.id).collect::<Vec<_>>();
    let mut check = |table, parents: &[Uuid], are_all: bool| {
        for parent in parents {
            let own = of(table).filter(|item| item.parent == *parent && item.process == Some(id));
            let positions: BTreeSet<_> = own.map(|item| item.position).collect();
            // Their positions begin at 0 and have no hole.
            let is_whole = match (are_all, positions.last()) {
                (true, _) => positions.len() == FIELDS,
                (false, last) => last.is_some_and(|last| *last + 1 == count(positions.len())),
            };
            let is_failed = row.failed_targets.contains(parent);
            report.holds(13, Some(id), is_whole != is_failed, || {
                let names = if is_failed { "named as failed" } else { "not named as failed" };
                format!("{} {} of {parent}, which is {names}", positions.len(), table.name())
            });
        }
    };
    let (sub_goals, actions) = (ids(Table::SubGoals), ids(Table::Actions));
    let target: Vec<_> = row.target.into_iter().collect();
    match job.kind {
        JobKind::SubGoals | JobKind::ChartOfSubGoals => check(Table::SubGoals, &[job.goal], true),
        JobKind::ActionsOfOne => check(Table::Actions, &target, true),
        JobKind::ActionsOfAll => check(Table::Actions, &sub_goals, true),
        JobKind::TasksOfOne => check(Table::Tasks, &target, false),
        JobKind::TasksOfAll => check(Table::Tasks, &actions, false),
        JobKind::ChartOfActions | JobKind::ChartOfTasks => {
            check(Table::SubGoals, &[job.goal], true);
            check(Table::Actions, &sub_goals, true);
            if job.kind == JobKind::ChartOfTasks {
                check(Table::Tasks, &actions, false);
            }
        }
    }
}

/// A count as positions are.
fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What was there before goes only with what replaces it.
fn untouched(id: Uuid, job: &Job, facts: &Facts, items: &[Item], report: &mut Report) {
    let Some(row) = facts.rows.get(&id).filter(|_| job.replace) else { return };
    let (table, is_one) = match job.kind {
        JobKind::ActionsOfOne => (Table::Actions, true),
        JobKind::ActionsOfAll => (Table::Actions, false),
        JobKind::TasksOfOne => (Table::Tasks, true),
        JobKind::TasksOfAll => (Table::Tasks, false),
        _ => (Table::SubGoals, false),
    };
    let is_below = |item: &&Item| !is_one || Some(item.parent) == row.target;
    let mut below = items.iter().filter(|item| item.table == table).filter(is_below);
    let (old, new): (Vec<_>, Vec<_>) = below.by_ref().partition(|item| item.process.is_none());
    report.holds(6, Some(id), !new.is_empty() || !old.is_empty(), || {
        format!("what it was to replace is gone from {}, and nothing took its place", table.name())
    });
    // Of several targets some may have failed: what those had stays.
    let is_whole = is_one || table == Table::SubGoals;
    report.holds(6, Some(id), !is_whole || new.is_empty() || old.is_empty(), || {
        format!("{} rows that it was to replace are left in {}", old.len(), table.name())
    });
}

#[cfg(test)]
mod tests {
    use crate::chaos::audit::Table;
    use crate::chaos::audit::testing::{
        CANCELLED, CHART, COMPLETED, GOAL, NONE, REPLACED, good, violated,
    };

    #[test]
    fn a_completed_process_with_a_row_missing_is_found() {
        let (book, mut facts) = good();
        facts.items.get_mut(&GOAL).unwrap().pop();
        assert_eq!(violated(&book, &facts), [13]);
    }

    #[test]
    fn a_target_that_is_left_out_and_one_that_is_named_without_cause_are_found() {
        let (book, mut facts) = good();
        let chart = book.jobs.iter().find(|job| job.accepted == [CHART]).unwrap();
        let items = facts.items.get_mut(&chart.goal).unwrap();
        let left_out = items.iter().find(|item| item.table == Table::Actions).unwrap().parent;
        items.retain(|item| item.parent != left_out);
        assert_eq!(violated(&book, &facts), [13]);
        // Named, it is well.
        facts.rows.get_mut(&CHART).unwrap().failed_targets.insert(left_out);
        assert_eq!(violated(&book, &facts), NONE);
        let (book, mut facts) = good();
        facts.rows.get_mut(&CHART).unwrap().failed_targets.insert(left_out);
        assert_eq!(violated(&book, &facts), [13]);
    }

    #[test]
    fn a_process_that_did_not_complete_and_has_written_is_found() {
        let (book, mut facts) = good();
        let item = facts.items.get_mut(&GOAL).unwrap().first_mut().unwrap();
        item.process = Some(CANCELLED);
        let found = violated(&book, &facts);
        assert!(found.contains(&6), "{found:?}");
        let (book, mut facts) = good();
        facts.rows.remove(&COMPLETED);
        assert!(violated(&book, &facts).contains(&6));
    }

    #[test]
    fn what_was_to_be_replaced_and_is_gone_without_it_is_found() {
        let (book, mut facts) = good();
        let job = book.jobs.iter().find(|job| job.accepted == [REPLACED]).unwrap();
        facts.items.get_mut(&job.goal).unwrap().retain(|item| item.table != Table::Actions);
        assert_eq!(violated(&book, &facts), [6]);
    }
}
