use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::operate::prices::Price;

fn window() -> Window {
    let until = "2026-11-26T04:00:00Z".parse().unwrap();
    Window::ending(until, 24, "+00:00".parse().unwrap())
}

/// One that was accepted at 03:00, waited for ten seconds and ran for twenty, with `changes`.
fn process(changes: &Value) -> Value {
    let mut process = json!({
        "processId": "p", "type": "SUBGOAL_GENERATION", "status": "COMPLETED", "error": null,
        "executionArn": "arn", "createdAt": "2026-11-26T03:00:00Z",
        "admittedAt": "2026-11-26T03:00:10Z", "startedAt": "2026-11-26T03:00:11Z",
        "updatedAt": "2026-11-26T03:00:30Z", "completedAt": "2026-11-26T03:00:30Z", "events": [],
    });
    for (name, value) in changes.as_object().unwrap() {
        process[name] = value.clone();
    }
    process
}

fn figures(all: &[Value]) -> Figures {
    let mut figures = Figures::of(window()).unwrap();
    for changes in all {
        figures.add(&Process::deserialize(process(changes)).unwrap()).unwrap();
    }
    figures
}

fn bucket(figures: &Figures, at: &str) -> usize {
    figures.window.bucket(at.parse().unwrap()).unwrap()
}

#[test]
fn each_counts_where_it_stands() {
    let active = |status, admitted| {
        json!({"status": status, "admittedAt": admitted, "completedAt": null, "startedAt": null,
               "executionArn": null})
    };
    let figures = figures(&[
        json!({}),
        json!({"status": "FAILED"}),
        json!({"status": "TIMEOUT"}),
        json!({"status": "CANCELLED"}),
        active("PENDING", Value::Null),
        active("PENDING", json!("2026-11-26T03:00:10Z")),
        active("PROCESSING", json!("1970-01-01T00:00:00Z")),
    ]);
    let expected =
        Counts { accepted: 7, waiting: 1, running: 2, completed: 1, failed: 2, cancelled: 1 };
    assert_eq!(figures.counts, expected);
    assert_eq!(figures.kinds["SUBGOAL_GENERATION"].counts, expected);
    assert_eq!(figures.counts.success(), Some(1.0 / 3.0));
    assert_eq!(figures.longest_wait, Some(TimeDelta::hours(1)));
}

#[test]
fn waiting_ends_when_it_is_admitted_and_running_when_it_completes() {
    let failed = json!({"status": "FAILED", "completedAt": "2026-11-26T03:30:00Z"});
    let unasked = json!({"admittedAt": "1970-01-01T00:00:00Z"});
    let times = figures(&[json!({}), failed, unasked]).times;
    assert_eq!((times.waiting.count(), times.running.count()), (3, 2));
    assert!((times.waiting.at(1.0).unwrap() - 10.0).abs() < 0.02);
    assert_eq!(times.waiting.at(0.1), Some(0.0));
    assert!((times.running.at(1.0).unwrap() - 30.0).abs() < 0.03);
}

#[test]
fn an_older_one_counts_only_where_time_goes_on() {
    let older = json!({"createdAt": "2026-11-25T03:00:00Z", "admittedAt": "2026-11-26T02:59:00Z"});
    let figures = figures(&[older]);
    assert_eq!((figures.counts.accepted, figures.times.waiting.count()), (0, 0));
    let at = bucket(&figures, "2026-11-26T03:00:30Z");
    assert_eq!((figures.moments[at].accepted, figures.moments[at].completed), (0, 1));
    assert_eq!(figures.waiting.busy()[0], Busy { mean: 1.0, most: 1 });
    assert_eq!(figures.running.busy()[at].most, 1);
}

#[test]
fn one_that_has_not_ended_is_at_it_until_the_end() {
    let active = json!({"status": "PROCESSING", "completedAt": null});
    let running = figures(&[active]).running.busy();
    assert_eq!(running.last(), Some(&Busy { mean: 1.0, most: 1 }));
}

#[test]
fn what_failed_counts_by_code_and_the_last_is_the_example() {
    let failed = |id: &str, at: &str, error: Value| {
        let status = "FAILED";
        json!({"processId": id, "status": status, "completedAt": at, "error": error})
    };
    let error = |cause: &str| json!({"code": "AI_ERROR", "message": "m", "cause": cause});
    let figures = figures(&[
        failed("late", "2026-11-26T03:20:00Z", error("second")),
        failed("early", "2026-11-26T03:10:00Z", error("first")),
        failed("odd", "2026-11-26T03:10:00Z", json!("a hand wrote this")),
    ]);
    let seen = &figures.errors["AI_ERROR"];
    assert_eq!((seen.count, seen.example.as_str(), seen.cause.as_str()), (2, "late", "second"));
    assert_eq!(figures.errors[""].count, 1);
}

#[test]
fn a_repair_counts_by_its_rule_and_what_an_execution_reports_itself_is_none() {
    let event = |kind: &str, at: &str, rule: &str| {
        json!({"at": at, "kind": kind, "actor": "reconciler", "attempt": 1,
               "detail": {"rule": rule}})
    };
    let figures = figures(&[json!({"events": [
        event("repaired", "2026-11-26T03:00:20Z", "R3"),
        event("repaired", "2026-11-26T03:00:25Z", "R13"),
        event("failed", "2026-11-26T03:00:25Z", "R5"),
        event("repaired", "2026-11-27T03:00:25Z", "R3"),
    ]})]);
    let told = figures.repairs.iter().map(|(rule, seen)| (rule.as_str(), seen.count));
    let rules: Vec<_> = told.collect();
    assert_eq!(rules, [("R13", 1), ("R3", 1)]);
    assert_eq!(figures.repaired(), 2);
}

#[test]
fn tokens_are_those_of_the_result_or_else_of_the_history() {
    let usage = json!([{"modelId": "m", "inputTokens": 1_000_000, "outputTokens": 100_000,
                        "cacheReadInputTokens": 1_000_000, "latencyMs": 7}]);
    let history = json!([{"at": "2026-11-26T03:00:20Z", "kind": "progressed", "actor": "worker",
                          "attempt": 1, "detail": {"usage": usage}}]);
    let mut total = usage.clone();
    total[0]["calls"] = json!(4);
    let figures = figures(&[
        json!({"result": {"usage": total}, "events": history}),
        json!({"status": "FAILED", "result": null, "events": history}),
    ]);
    let tokens = figures.models["m"];
    assert_eq!((tokens.calls, tokens.input, tokens.latency_ms), (5, 2_000_000, 14));
    let price = Price { model: "m".to_owned(), input: 3.0, output: 15.0 };
    // Of the cache a tenth: 2 × (3 + 0.3 + 1.5).
    assert!((tokens.cost(&price) - 9.6).abs() < 1e-9);
}

#[test]
fn names_without_end_count_together_beyond_a_limit() {
    let failed = |number: u32| json!({"status": "FAILED", "error": {"code": number.to_string()}});
    let figures = figures(&(0..200).map(failed).collect::<Vec<_>>());
    assert_eq!(figures.errors.len(), MOST_NAMES + 1);
    assert_eq!(figures.errors[OTHERS].count, 150);
}
