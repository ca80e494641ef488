use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

/// What `emit` emits for the stack with `prefix`.
fn lines(prefix: &str, emit: impl Fn(&Metrics)) -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let metrics = Metrics::new(prefix, move |line| {
        let line = serde_json::from_str(line).unwrap();
        sink.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    });
    emit(&metrics);
    lines.lock().unwrap().clone()
}

#[test]
fn a_line_declares_every_value_it_carries() {
    let values = [(Metric::Drift, 3.0), (Metric::ErrorRate, 12.5)];
    let emitted = lines("staging-", |metrics| {
        metrics.emit(DateTime::UNIX_EPOCH, By::Only("Rule", "R5"), &values);
    });
    assert_eq!(
        emitted,
        [json!({
            "_aws": {
                "Timestamp": 0,
                "CloudWatchMetrics": [{
                    "Namespace": "AsyncProcessing",
                    "Dimensions": [["Stack", "Rule"]],
                    "Metrics": [
                        {"Name": "Drift", "Unit": "Count"},
                        {"Name": "ErrorRate", "Unit": "Percent"},
                    ],
                }],
            },
            "Stack": "staging-", "Rule": "R5", "Drift": 3.0, "ErrorRate": 12.5,
        })]
    );
}

#[test]
fn a_value_can_be_told_by_model_and_all_together_in_one_line() {
    let emitted = lines("a-", |metrics| {
        metrics.emit(DateTime::UNIX_EPOCH, By::Also("ModelId", "m"), &[(Metric::InputTokens, 7.0)]);
    });
    assert_eq!(
        emitted[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
        json!([["Stack", "ModelId"], ["Stack"]])
    );
}

// aws.md 11.
#[test]
fn stacks_do_not_mix_and_the_one_without_a_prefix_has_a_name_too() {
    let stack = |prefix: &'static str| {
        let read = |name: &str| (name == "NAME_PREFIX").then(|| prefix.to_owned());
        Metrics::read(Environment::new(&read)).stack.to_string()
    };
    assert_eq!((stack(""), stack("staging-")), ("default".to_owned(), "staging-".to_owned()));
    assert_eq!(Metrics::read(Environment::new(&|_| None)).stack.as_ref(), "default");
    for prefix in ["", "staging-"] {
        let emitted = lines(prefix, |metrics| {
            metrics.emit(DateTime::UNIX_EPOCH, By::Stack, &[(Metric::QueueDepth, 1.0)]);
        });
        let declared = &emitted[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(declared, &json!([["Stack"]]));
        assert!(!emitted[0]["Stack"].as_str().unwrap().is_empty());
    }
}

#[test]
fn nothing_measured_is_no_line() {
    let emitted = lines("", |metrics| metrics.emit(DateTime::UNIX_EPOCH, By::Stack, &[]));
    assert_eq!(emitted, [] as [Value; 0]);
}

#[test]
fn every_end_has_its_count_and_only_completion_a_duration() {
    let asked = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
    let millis = asked.timestamp_millis().unsigned_abs();
    let id = ProcessId(uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid());
    let at = asked + TimeDelta::milliseconds(2_500);
    for status in Status::ALL {
        assert_eq!(Metric::of_status(*status).is_some(), status.is_terminal());
        let emitted =
            lines("", |metrics| metrics.committed(Committed::Ended { id, status: *status, at }));
        assert_eq!(emitted.len(), usize::from(status.is_terminal()));
        let duration = emitted.first().and_then(|line| line.get("ProcessingDuration"));
        assert_eq!(duration, (*status == Status::Completed).then_some(&json!(2_500.0)));
    }
}

#[test]
fn a_process_whose_id_does_not_tell_when_it_was_made_has_no_duration() {
    let id = ProcessId(Uuid::from_u128(7));
    let emitted = lines("", |metrics| {
        let at = DateTime::UNIX_EPOCH;
        metrics.committed(Committed::Ended { id, status: Status::Completed, at });
    });
    assert_eq!(emitted[0].get("ProcessingDuration"), None);
    assert_eq!(emitted[0]["AsyncProcessingCompleted"], 1.0);
}

#[test]
fn the_operators_table_names_every_metric() {
    let document = include_str!("../../../../docs/metrics.md");
    for metric in Metric::ALL {
        let name = format!("| `{}` |", metric.as_str());
        assert!(document.contains(&name), "{name}");
    }
}
