//! What is printed.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::measure::{Counts, Kind, Measured, Requests};
use crate::page::Page;

/// The parts of the answers whose longest time is told.
const PARTS: [(&str, f64); 4] = [("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)];

/// For people.
pub(super) fn text(measured: &Measured, url: &str) -> String {
    let mut page = Page::of_terminal();
    let seconds = measured.lasted.as_secs_f64();
    let until = if measured.is_stopped { ", until it was interrupted" } else { "" };
    page.line(format!("{} users, {seconds:.0} s{until}, {url}", measured.users));
    page.line("");
    let head = ["", "requests", "/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "429", "errors"];
    let rows = measured.kinds.iter().flat_map(|(kind, requests)| rows(*kind, requests, seconds));
    page.table(&head, &rows.collect::<Vec<_>>());
    page.aside("times: of what went well, and of errors apart; of a 429 none");
    page.line("");
    let jobs = &measured.jobs;
    let seconds = |part| format!("{:.1}", figure(jobs.times.value_at_quantile(part)) / 1e3);
    let times = format!("p50 {} s, p95 {} s, p99 {} s", seconds(0.5), seconds(0.95), seconds(0.99));
    let errors = |of: fn(&Requests) -> &Counts| {
        let all = measured.kinds.iter().map(|(kind, it)| (kind, listed(of(it))));
        let all = all.filter(|(_, told)| !told.is_empty());
        all.map(|(kind, told)| format!("{kind}: {told}")).collect::<Vec<_>>().join("; ")
    };
    page.pairs(&[
        ("jobs accepted", jobs.accepted.to_string()),
        ("seen to end", listed(&jobs.ended)),
        ("until COMPLETED", if jobs.times.is_empty() { String::new() } else { times }),
        ("jobs failed by", listed(&jobs.codes)),
        ("answer lost, found", told_if_any(jobs.found)),
        ("ended unseen", told_if_any(jobs.ended_unseen)),
        ("cancelled at the end", told_if_any(jobs.cancelled_at_the_end)),
        ("left running", jobs.left.join(", ")),
        ("limits (429)", errors(|it| &it.limited)),
        ("errors", errors(|it| &it.errors)),
        ("broken", measured.broken.join("; ")),
    ]);
    page.text()
}

/// All of a kind, and its errors once more in a row of their own, with their times.
fn rows(kind: Kind, requests: &Requests, seconds: f64) -> Vec<Vec<String>> {
    let row = |name: String, count: u64, times: &Histogram<u64>| {
        let mut row = vec![name, count.to_string()];
        row.push(format!("{:.1}", figure(count) / seconds));
        row.extend(PARTS.map(|(_, part)| {
            if times.is_empty() { "–".to_owned() } else { format!("{:.1}", millis(times, part)) }
        }));
        row
    };
    let mut all = row(kind.name().to_owned(), requests.count(), &requests.times);
    all.push(told_if_any(requests.limited.values().sum()));
    all.push(told_if_any(requests.errors.values().sum()));
    let errors = &requests.times_of_errors;
    let of_errors = row(format!("· {kind} errors"), errors.len(), errors);
    if errors.is_empty() { vec![all] } else { vec![all, of_errors] }
}

/// For machines.
pub(super) fn data(measured: &Measured, url: &str) -> Value {
    let seconds = measured.lasted.as_secs_f64();
    let requests = measured.kinds.iter().map(|(kind, requests)| {
        let mut told = json!({
            "kind": kind.name(),
            "count": requests.count(),
            "perSecond": figure(requests.count()) / seconds,
            "limited": requests.limited,
            "errors": requests.errors,
        });
        for (name, part) in PARTS.iter().filter(|_| !requests.times.is_empty()) {
            told[format!("{name}Ms")] = millis(&requests.times, *part).into();
        }
        // Errors are not among the times: an API that hangs or breaks at once would look quick.
        let errors = &requests.times_of_errors;
        for (name, part) in PARTS.iter().filter(|_| !errors.is_empty()) {
            told["timesOfErrors"][format!("{name}Ms")] = millis(errors, *part).into();
        }
        told
    });
    let jobs = &measured.jobs;
    let mut told = json!({
        "accepted": jobs.accepted,
        "ended": jobs.ended,
        "codes": jobs.codes,
        "answerLostFound": jobs.found,
        "endedUnseen": jobs.ended_unseen,
        "cancelledAtTheEnd": jobs.cancelled_at_the_end,
        "leftRunning": jobs.left,
    });
    for (name, part) in PARTS.iter().filter(|_| !jobs.times.is_empty()) {
        told[format!("{name}Ms")] = jobs.times.value_at_quantile(*part).into();
    }
    json!({
        "url": url,
        "users": measured.users,
        "seconds": seconds,
        "interrupted": measured.is_stopped,
        "requests": requests.collect::<Vec<_>>(),
        "jobs": told,
        "broken": measured.broken,
        "verdict": if measured.is_well() { "well" } else { "trouble" },
    })
}

fn listed(counts: &Counts) -> String {
    counts.iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
}

fn told_if_any(count: u64) -> String {
    if count == 0 { String::new() } else { count.to_string() }
}

fn millis(micros: &Histogram<u64>, part: f64) -> f64 {
    figure(micros.value_at_quantile(part)) / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "nothing here comes near 2^52")]
const fn figure(count: u64) -> f64 {
    count as f64
}
