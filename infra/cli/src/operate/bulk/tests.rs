use std::cell::RefCell;
use std::collections::VecDeque;

use clap::Parser;
use indicatif::ProgressBar;

use super::choice::{Chosen, choose, wanted};
use super::outcome::Outcome;
use super::*;
use crate::operate::lasting::Lasting;

#[derive(Parser)]
enum Asked {
    Cancel(CancelArgs),
    Retry(RetryArgs),
}

impl Asked {
    fn deed(&self) -> Deed<'_> {
        match self {
            Self::Cancel(args) => Deed::Cancel(args),
            Self::Retry(args) => Deed::Retry(args),
        }
    }
}

fn asked(words: &str) -> Asked {
    Asked::try_parse_from(["aigen"].into_iter().chain(words.split(' '))).unwrap()
}

fn is_refused(words: &str) -> bool {
    let parsed = Asked::try_parse_from(["aigen"].into_iter().chain(words.split(' ')));
    parsed.map_or(true, |asked| asked.deed().ensure_meant().is_err())
}

/// Answers one after the other.
struct Pages(RefCell<VecDeque<Value>>, RefCell<Vec<Value>>);

impl Functions for Pages {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        assert_eq!(name, "diagnostics");
        self.1.borrow_mut().push(payload.clone());
        Ok(json!({"success": true, "data": self.0.borrow_mut().pop_front().unwrap()}))
    }
}

fn candidate(id: &str, kind: &str) -> Value {
    json!({"processId": id, "type": kind, "userId": "hanako", "status": "FAILED",
           "code": "AI_ERROR", "at": "2026-11-26T04:00:00Z"})
}

async fn chosen(deed: &Deed<'_>) -> (Chosen, Vec<Value>) {
    let first = json!({"processes": [candidate("1", "A"), candidate("2", "A")],
                       "leftOut": {"RETRIED": 2}, "nextCursor": "further"});
    let last = json!({"processes": [candidate("3", "B")],
                      "leftOut": {"RETRIED": 1, "NOT_RETRYABLE": 4}});
    let pages = Pages(RefCell::new([first, last].into()), RefCell::default());
    let chosen = choose(deed, &pages).await.unwrap();
    (chosen, pages.1.into_inner())
}

#[test]
fn what_is_not_said_clearly_is_refused() {
    for words in [
        "cancel",
        "retry",
        "cancel 7 --all",
        "cancel --all",
        "retry --failed",
        "cancel 7 --dry-run",
        "cancel 7 --yes",
        "cancel 7 --type CHART_GENERATION",
        "retry 7 --code AI_ERROR",
        "retry 7 --parts",
        "cancel --all --code AI_ERROR --reason x",
        "cancel --all --reason x --per-second 0",
    ] {
        assert!(is_refused(words), "{words}");
    }
    let long = format!("cancel 7 --reason {}", "長".repeat(501));
    assert!(is_refused(&long) && !is_refused(long.strip_suffix("長").unwrap()));
    for words in
        ["cancel 7", "retry 7 --force", "cancel --all --dry-run", "retry --failed --reason x"]
    {
        assert!(!is_refused(words), "{words}");
    }
}

#[test]
fn what_is_missing_is_said_in_the_language_of_the_answers() {
    let told = |words| asked(words).deed().ensure_meant().unwrap_err().to_string();
    assert!(told("cancel --all --lang ja").starts_with("--reason がありません"));
    assert!(told("cancel --all --lang en").starts_with("--reason is missing"));
}

#[test]
fn each_filter_reaches_diagnostics_and_the_end_is_fixed() {
    let now = "2026-11-26T04:00:00Z".parse().unwrap();
    let query = |words: &str| Value::Object(wanted(&asked(words).deed(), now).unwrap().query);
    assert_eq!(
        query("cancel --all --reason x --lang en"),
        json!({"check": "candidates", "action": "cancel", "lang": "en",
               "until": "2026-11-26T04:00:00.000000Z"})
    );
    assert_eq!(
        query(
            "retry --failed --reason x --type a --status timeout --user u --code ai_error \
               --older-than 1h --since 2h --force --parts --lang ja"
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .as_str()
        ),
        json!({"check": "candidates", "action": "retry", "lang": "ja", "force": true, "parts": true,
               "type": "A", "status": "TIMEOUT", "userId": "u", "code": "AI_ERROR",
               "since": "2026-11-26T02:00:00.000000Z", "until": "2026-11-26T03:00:00.000000Z"})
    );
    let nothing = "retry --failed --reason x --older-than 2d";
    let error = wanted(&asked(nothing).deed(), now).err().unwrap().to_string();
    assert!(error.contains("last 24 hours"), "{error}");
    let usual = query("retry --failed --reason x");
    assert_eq!(usual["since"], "2026-11-25T04:00:00.000000Z", "a day");
}

#[tokio::test]
async fn all_pages_are_read_before_anything_is_done() {
    let asked = asked("retry --failed --reason x");
    let (chosen, questions) = chosen(&asked.deed()).await;
    let ids: Vec<_> = chosen.processes.iter().map(|process| process.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3"]);
    assert_eq!(questions[0].get("cursor"), None);
    assert_eq!(questions[1]["cursor"], "further");
    assert_eq!(questions[0]["until"], questions[1]["until"]);
    let left_out = [("NOT_RETRYABLE".to_owned(), 4), ("RETRIED".to_owned(), 3)];
    assert_eq!(chosen.left_out, left_out.into());
}

#[tokio::test]
async fn the_preview_counts_shows_examples_and_says_what_is_left_out() {
    let asked = asked("retry --failed --reason x");
    let (chosen, _) = chosen(&asked.deed()).await;
    let of = |lang| {
        let text = preview::of(&asked.deed(), &chosen, lang);
        console::strip_ansi_codes(&text).into_owned()
    };
    let text = of(Lang::En);
    assert!(text.starts_with("to be retried: 3 processes of 1 user, ended since "), "{text}");
    let order: Vec<_> = ["2      A", "1      B", "examples", "left out, 4", "left out, 3"]
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part} in {text}")))
        .into();
    assert!(order.is_sorted(), "{text}");
    assert!(of(Lang::Ja).contains("再試行の対象: 3 件"));
}

#[test]
fn a_function_is_told_who_and_why_and_that_many_can_wait() {
    let payload = |words: &str| {
        let words = format!("{words} --lang en");
        asked(&words).deed().payload("7", "hanako")
    };
    assert_eq!(
        payload("cancel --all --reason incident"),
        json!({"processId": "7", "by": "hanako", "lang": "en", "reason": "incident"})
    );
    assert_eq!(
        payload("retry --failed --force --reason incident"),
        json!({"processId": "7", "by": "hanako", "lang": "en", "reason": "incident",
               "force": true, "priority": "low"})
    );
    assert_eq!(payload("retry 7"), json!({"processId": "7", "by": "hanako", "lang": "en"}));
}

fn pace() -> Pace {
    let every = Duration::from_micros(10);
    Pace { every, again: Duration::from_millis(1), bar: ProgressBar::hidden() }
}

fn refused(retryable: bool) -> Value {
    json!({"success": false,
           "error": {"code": "RATE", "message": "later", "retryable": retryable}})
}

fn done() -> Value {
    json!({"success": true, "data": {}})
}

async fn carried(
    ids: &[&str],
    act: impl AsyncFn(&str) -> Result<Value>,
    stopped: &Cell<bool>,
) -> Carried {
    carry::carry(ids.iter().map(|id| (*id).to_owned()).collect(), act, &pace(), stopped).await
}

#[tokio::test]
async fn what_is_refused_for_now_is_asked_for_again_and_what_is_refused_for_good_is_not() {
    let calls = RefCell::new(Vec::new());
    let act = async |id: &str| {
        calls.borrow_mut().push(id.to_owned());
        let before = calls.borrow().iter().filter(|called| *called == id).count();
        Ok(match id {
            "never" => refused(false),
            "later" if before < 3 => refused(true),
            _ => done(),
        })
    };
    let carried = carried(&["at once", "never", "later"], act, &Cell::new(false)).await;
    assert_eq!(*calls.borrow(), ["at once", "never", "later", "later", "later"]);
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done { .. });
    let done: Vec<_> = carried.outcomes.iter().map(|(_, outcome)| is_done(outcome)).collect();
    assert_eq!((done, carried.is_stopped), (vec![true, false, true], false));
}

#[tokio::test]
async fn what_is_refused_for_now_for_ever_is_given_up() {
    let calls = Cell::new(0);
    let act = async |_: &str| {
        calls.set(calls.get() + 1);
        Ok(refused(true))
    };
    let carried = carried(&["1"], act, &Cell::new(false)).await;
    assert_eq!(calls.get(), 4);
    assert!(matches!(&carried.outcomes[0].1, Outcome::Later { code, .. } if code == "RATE"));
}

#[tokio::test]
async fn an_interrupt_leaves_the_rest_untouched_and_waits_for_what_was_begun() {
    let stopped = Cell::new(false);
    let act = async |id: &str| {
        if id == "2" {
            stopped.set(true);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(done())
    };
    let ids: Vec<_> = (1..=50).map(|id| id.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let carried = carried(&ids, act, &stopped).await;
    assert!(carried.is_stopped);
    assert!(matches!(carried.outcomes[1].1, Outcome::Done { .. }));
    assert!(carried.count(|outcome| *outcome == Outcome::Left) > 30);
    let asked = asked("cancel --all --reason x");
    let data = carried.data(&asked.deed(), 50);
    assert_eq!((&data["stopped"], &data["previewed"]), (&json!(true), &json!(50)));
    assert_eq!(data["outcomes"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_function_that_does_not_answer_is_not_asked_for_ever() {
    let calls = Cell::new(0);
    let act = async |_: &str| {
        calls.set(calls.get() + 1);
        Err(anyhow::anyhow!("no route"))
    };
    let ids: Vec<_> = (0..500).map(|id| id.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let carried = carried(&ids, act, &Cell::new(false)).await;
    assert!(carried.is_stopped && calls.get() < 30, "{}", calls.get());
}

#[tokio::test]
async fn what_repeating_does_not_mend_ends_it_and_what_was_done_stays_told() {
    let calls = RefCell::new(Vec::new());
    let act = async |id: &str| {
        calls.borrow_mut().push(id.to_owned());
        match id {
            "1" => Ok(done()),
            _ => Err(anyhow::anyhow!("AWS says so").context(Lasting("you may not".to_owned()))),
        }
    };
    let ids: Vec<_> = (1..=50).map(|id| id.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let carried = carried(&ids, act, &Cell::new(false)).await;
    // What had begun meanwhile has ended too.
    assert!(calls.borrow().len() <= 1 + 8, "{calls:?}");
    let asked = asked("cancel --all --reason x");
    let data = carried.data(&asked.deed(), 50);
    assert_eq!(data["trouble"], "you may not: AWS says so");
    assert_eq!((&data["done"], &data["stopped"]), (&json!(1), &json!(true)));
    assert_eq!(data["outcomes"][1]["outcome"], "left");
    let processes = (0..50).map(|_| candidate("1", "A"));
    let processes = processes.map(|it| serde_json::from_value(it).unwrap()).collect();
    let chosen = Chosen { processes, ..Chosen::default() };
    let (text, is_done) = told::many(&asked.deed(), &chosen, &carried, Lang::En);
    assert!(text.starts_with("cancelled 1 of 50\n49 were not touched"), "{text}");
    assert!(!is_done);
}

#[tokio::test]
async fn the_end_says_how_many_and_what_goes_on() {
    let asked = asked("cancel --all --reason x");
    let (chosen, _) = chosen(&asked.deed()).await;
    let act = async |id: &str| Ok(if id == "2" { refused(false) } else { done() });
    let carried = carried(&["1", "2", "3"], act, &Cell::new(false)).await;
    let (text, is_done) = told::many(&asked.deed(), &chosen, &carried, Lang::En);
    let text = console::strip_ansi_codes(&text).into_owned();
    assert_eq!(text, "cancelled 2 of 3\nnot done  code  why\n2         RATE  later");
    assert!(!is_done);
}
