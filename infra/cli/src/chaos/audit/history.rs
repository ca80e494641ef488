//! The events of each process, in their order.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::facts::is_terminal;
use super::told::Hands;
use super::{Event, Facts, Report, Row};
use crate::chaos::book::Book;

pub(super) fn judge(book: &Book, facts: &Facts, report: &mut Report) {
    let hands = Hands::of(book);
    for (id, row) in &facts.rows {
        let events = facts.events.get(id).map(Vec::as_slice).unwrap_or_default();
        once(*id, events, report);
        moves(*id, row, events, &hands, report);
        fenced(*id, events, report);
    }
}

/// What happens to a process once and no more.
fn once(id: Uuid, events: &[Event], report: &mut Report) {
    for kind in ["submitted", "admitted", "completed", "failed", "timed-out", "cancelled"] {
        let count = events.iter().filter(|event| event.kind == kind).count();
        report.holds(7, Some(id), count <= 1, || format!("its history says {kind} {count} times"));
    }
    let targets: Vec<_> =
        events.iter().filter(|event| event.kind == "progressed").map(|it| it.target).collect();
    let different: BTreeSet<_> = targets.iter().collect();
    report.holds(7, Some(id), targets.len() == different.len(), || {
        format!("{} targets were staged {} times", different.len(), targets.len())
    });
}

/// Each move begins where the one before it ended, and the row stands where the last did.
fn moves(id: Uuid, row: &Row, events: &[Event], hands: &Hands, report: &mut Report) {
    let mut now: Option<&str> = None;
    for event in events {
        let Some(to) = event.to.as_deref() else { continue };
        let from = event.from.as_deref();
        report.holds(4, Some(id), from == now, || {
            format!("{} is from {from:?}, and it was {now:?}", event.kind)
        });
        // A repair of progress or of a time of end leaves the status as it was.
        let is_repair = event.kind == "repaired" && now == Some(to);
        report.holds(3, Some(id), is_repair || is_legal(now, to), || {
            format!("{} moved it from {} to {to}", event.kind, now.unwrap_or("nothing"))
        });
        now = Some(to);
    }
    if !hands.ended(id) {
        report.holds(3, Some(id), now == Some(row.status.as_str()), || {
            format!("it is {}, and its history ends with {now:?}", row.status)
        });
    }
}

/// Whether the protocol has such a move.
fn is_legal(from: Option<&str>, to: &str) -> bool {
    match from {
        None => to == "PENDING",
        Some("PENDING") => to == "PROCESSING" || (is_terminal(to) && to != "COMPLETED"),
        Some("PROCESSING") => to == "PROCESSING" || is_terminal(to),
        Some(_) => false,
    }
}

/// A worker whose attempt was overtaken has written nothing since.
fn fenced(id: Uuid, events: &[Event], report: &mut Report) {
    let mut current = 0;
    for event in events {
        if event.kind == "claimed" {
            report.holds(5, Some(id), event.attempt > current, || {
                format!("attempt {} was claimed after attempt {current}", event.attempt)
            });
            current = event.attempt;
        } else if event.actor == "worker" && event.kind != "started" && event.kind != "admitted" {
            report.holds(5, Some(id), event.attempt == current, || {
                format!("attempt {} wrote {}, and {current} was current", event.attempt, event.kind)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::chaos::audit::Event;
    use crate::chaos::audit::testing::{CHART, COMPLETED, event, good, violated};

    fn with(change: impl FnOnce(&mut Vec<Event>)) -> Vec<u8> {
        let (book, mut facts) = good();
        change(facts.events.get_mut(&COMPLETED).unwrap());
        violated(&book, &facts)
    }

    #[test]
    fn a_move_out_of_a_terminal_status_is_found() {
        let found = with(|events| {
            events.push(event("failed", 1, Some("COMPLETED"), Some("FAILED"), "reconciler"));
        });
        assert_eq!(found, [3]);
    }

    #[test]
    fn a_row_that_stands_elsewhere_than_its_history_is_found() {
        assert_eq!(with(|events| drop(events.pop())), [3]);
    }

    #[test]
    fn a_move_from_where_it_did_not_stand_is_found() {
        let found = with(|events| events.last_mut().unwrap().from = Some("PENDING".to_owned()));
        assert_eq!(found, [4]);
    }

    #[test]
    fn a_write_of_an_overtaken_attempt_is_found() {
        let found = with(|events| {
            let again = event("claimed", 2, Some("PROCESSING"), Some("PROCESSING"), "worker");
            events.insert(events.len() - 1, again);
        });
        assert_eq!(found, [5]);
    }

    #[test]
    fn what_happened_twice_is_found() {
        let found = with(|events| {
            let index = events.iter().position(|event| event.kind == "submitted").unwrap();
            let mut again = events[index].clone();
            (again.from, again.to) = (None, None);
            events.push(again);
        });
        assert_eq!(found, [7]);
        let (book, mut facts) = good();
        let events = facts.events.get_mut(&CHART).unwrap();
        let staged = events.iter().find(|event| event.kind == "progressed").unwrap().clone();
        let index = events.len() - 1;
        events.insert(index, staged);
        assert_eq!(violated(&book, &facts), [7]);
    }
}
