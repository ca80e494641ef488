//! What the verbs ask, and how their answers are told.

use serde_json::{Value, json};

use crate::double::{Answer, CALLER, Double, answers};
use crate::person::Person;

fn capacity() -> Answer {
    answers(&json!({
        "limit": {"calls": 16, "callsPerUser": 8, "inForce": 16, "reason": "CONFIGURED"},
        "inFlight": 0, "running": 0,
        "waiting": {"total": 0, "normal": 0, "low": 0, "users": 0},
        "paused": null,
    }))
}

fn unwell() -> Answer {
    answers(&json!({
        "verdict": "degraded", "checkedAt": "2026-11-26T04:00:29Z", "duration": 120,
        "findings": [{"code": "JOBS_FAIL", "severity": "warning", "summary": "6 of 10 failed",
            "nextSteps": [{"text": "see them", "command": "cargo aigen errors --hours 1"}]}],
        "notChecked": [],
    }))
}

#[tokio::test]
async fn a_verb_finds_its_function_by_the_stack_s_outputs() {
    let double = Double::with_function(unwell()).await;
    let run = Person::with_keys(&double).types(&["health", "--stack", "s"]).await;
    assert_eq!(run.code, 1, "{}", run.aside);
    assert_eq!(double.names(), ["DescribeStacks", "aigen-diagnostics"]);
    let asked = &double.asked()[1];
    assert!(asked.authorization.contains("/eu-west-1/lambda/aws4_request"), "{asked:?}");
    let payload: Value = serde_json::from_str(&asked.body).unwrap();
    assert_eq!(payload, json!({"check": "health", "lang": "en"}));
}

#[tokio::test]
async fn the_command_that_comes_next_names_the_same_stack() {
    let double = Double::with_function(unwell()).await;
    let mut person = Person::with_keys(&double);
    let words = ["--stack", "s", "--region", "eu-west-1", "health"];
    let run = person.types(&words).await;
    let next = "      aigen --stack s --region eu-west-1 errors --hours 1\n";
    assert!(run.answer.contains(next), "{}", run.answer);
    person.set("AIGEN_STACK", "s");
    let run = person.types(&["health"]).await;
    assert!(run.answer.contains("      aigen errors --hours 1\n"), "{}", run.answer);
}

#[tokio::test]
async fn who_changes_something_is_named_by_the_arn_and_told_where() {
    let double = Double::with_function(capacity()).await;
    let words = ["pause", "--reason", "deploy", "--stack", "s"];
    let run = Person::with_keys(&double).types(&words).await;
    assert_eq!(run.code, 0, "{}", run.aside);
    assert_eq!(double.names(), ["DescribeStacks", "GetCallerIdentity", "aigen-reconciler"]);
    let order: Value = serde_json::from_str(&double.asked()[2].body).unwrap();
    assert_eq!(order, json!({"action": "pause", "reason": "deploy", "by": CALLER}));
    assert_eq!(run.aside, format!("· stack s in eu-west-1, as {CALLER}\n"));
}

#[tokio::test]
async fn who_only_asks_is_not_asked_who_it_is() {
    let double = Double::with_function(capacity()).await;
    let run = Person::with_keys(&double).types(&["limit", "--json", "--stack", "s"]).await;
    assert_eq!((run.code, run.aside.as_str()), (0, ""));
    assert_eq!(double.names(), ["DescribeStacks", "aigen-reconciler"]);
    let data: Value = serde_json::from_str(&run.answer).unwrap();
    assert_eq!(data["limit"]["calls"], 16);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code() {
    let error = json!({"code": "PROCESSING_NOT_FOUND", "message": "no such process"});
    let refusal = json!({"success": false, "error": error}).to_string();
    let double = Double::with_function(Answer(200, "", refusal)).await;
    let run = Person::with_keys(&double).types(&["process", "7", "--stack", "s"]).await;
    run.fails_with(&["diagnostics refused with PROCESSING_NOT_FOUND: no such process"]);
}

#[tokio::test]
async fn the_shell_s_proxy_is_gone_through() {
    let double = Double::with_function(capacity()).await;
    let mut person = Person::with_keys(&double);
    person.set("AWS_ENDPOINT_URL", "http://aws.invalid");
    person.set("HTTP_PROXY", &double.url);
    let run = person.types(&["limit", "--stack", "s"]).await;
    assert_eq!(run.code, 0, "{}", run.aside);
    assert_eq!(double.names(), ["DescribeStacks", "aigen-reconciler"]);
}

#[tokio::test]
async fn watching_is_for_a_terminal() {
    let double = Double::with_function(unwell()).await;
    let run = Person::with_keys(&double).types(&["health", "--watch", "--stack", "s"]).await;
    run.fails_with(&["--watch", "terminal"]);
    assert_eq!(double.names(), ["DescribeStacks"]);
}

#[tokio::test]
async fn a_watch_ends_when_nobody_reads_it_any_more() {
    let double = Double::with_function(unwell()).await;
    let person = Person::with_keys(&double);
    let ended =
        person.types_for_a_reader_who_left(&["health", "--watch", "--json", "--stack", "s"]);
    assert_eq!(ended.await, 1, "the last answer says that a person is needed");
    assert_eq!(double.names(), ["DescribeStacks", "aigen-diagnostics"]);
}

#[tokio::test]
async fn an_answer_that_cannot_be_written_is_a_failure() {
    let double = Double::with_function(unwell()).await;
    let person = Person::with_keys(&double);
    for words in [
        &["errors", "--json", "--stack", "s"][..],
        &["list", "--stack", "s"],
        &["health", "--stack", "s"],
        &["health", "--watch", "--json", "--stack", "s"],
        &["completions", "bash"],
    ] {
        let run = person.types_onto_a_full_disk(words).await;
        let code = if words[0] == "completions" { 1 } else { 2 };
        assert_eq!(run.code, code, "{words:?}: {}", run.aside);
        assert!(run.aside.contains("standard output cannot be written"), "{}", run.aside);
        assert!(run.aside.contains("No space left"), "{}", run.aside);
    }
    let left = person.types_for_a_reader_who_left(&["completions", "bash"]).await;
    assert_eq!(left, 0, "a reader who has left has what was wanted");
}

#[tokio::test]
async fn what_knows_the_local_stack_only_says_so() {
    let double = Double::with_function(capacity()).await;
    let person = Person::with_keys(&double);
    let run = person.types(&["status", "--stack", "s"]).await;
    assert_eq!(run.code, 1);
    assert!(run.aside.contains("for the operator's verbs"), "{}", run.aside);
    person.types(&["health", "--profile", "p"]).await.fails_with(&["--stack", "AIGEN_STACK"]);
    person.types(&["health"]).await.fails_with(&["--stack NAME asks one on AWS"]);
    assert!(double.names().is_empty());
}
