use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;

use anyhow::anyhow;
use clap::Parser;
use serde_json::json;

use super::super::testing::Dir;
use super::*;

#[derive(Parser)]
struct Asked {
    #[command(flatten)]
    args: ExportArgs,
}

fn args(words: &[&str]) -> ExportArgs {
    Asked::try_parse_from([&["aigen"], words].concat()).unwrap().args
}

fn now() -> DateTime<Utc> {
    "2026-11-26T04:00:30Z".parse().unwrap()
}

fn id(number: u64) -> String {
    format!("0198c0de-0000-7000-8000-{number:012}")
}

fn process(number: u64) -> Value {
    json!({"processId": id(number), "createdAt": "2026-11-26T03:00:00Z", "params": {"title": "夢"},
           "events": [{"kind": "submitted"}, {"kind": "completed"}]})
}

fn page(numbers: impl IntoIterator<Item = u64>, next: Option<u64>) -> Value {
    let processes: Vec<_> = numbers.into_iter().map(process).collect();
    let mut data = json!({"processes": processes});
    if let Some(next) = next {
        data["nextCursor"] = json!(id(next));
    }
    json!({"success": true, "data": data})
}

/// Diagnostics that answers one page after the other; `None` is a call that fails.
struct Pages {
    answers: RefCell<VecDeque<Option<Value>>>,
    asked: RefCell<Vec<Value>>,
}

impl Pages {
    fn saying(answers: impl IntoIterator<Item = Option<Value>>) -> Self {
        Self { answers: RefCell::new(answers.into_iter().collect()), asked: RefCell::default() }
    }
}

impl Functions for Pages {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        assert_eq!((name, &payload["check"]), ("diagnostics", &json!("export")));
        self.asked.borrow_mut().push(payload.clone());
        self.answers.borrow_mut().pop_front().unwrap().ok_or_else(|| anyhow!("it is away"))
    }
}

fn numbers(text: &str) -> Vec<String> {
    let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["processId"].clone();
    text.lines().map(|line| id(line).as_str().unwrap().to_owned()).collect()
}

fn ids(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(id).collect()
}

#[test]
fn what_is_asked_is_what_was_said_and_ends_now() {
    let (query, until) = args(&[]).query(now()).unwrap();
    assert_eq!(Value::Object(query), json!({"until": "2026-11-26T04:00:30.000Z"}));
    assert_eq!(until, "2026-11-26T04:00:30.000Z");
    let all = ["--since", "1h", "--until", "2026-11-26T04:00:00Z", "--type", "task_generation"];
    let more = ["--user", "u", "--status", "failed", "--no-params"];
    let (query, _) = args(&[&all[..], &more].concat()).query(now()).unwrap();
    assert_eq!(
        Value::Object(query),
        json!({"since": "2026-11-26T03:00:30Z", "until": "2026-11-26T04:00:00Z",
               "type": "TASK_GENERATION", "userId": "u", "status": "FAILED",
               "withoutTexts": true})
    );
    let error = args(&["--until", "noon"]).query(now()).unwrap_err().to_string();
    assert!(error.starts_with("--until is neither"), "{error}");
}

#[tokio::test]
async fn all_pages_are_in_the_file_which_is_there_only_then() {
    let dir = Dir::of("export-whole");
    let out = dir.path().join("all.jsonl");
    // A page may be empty and have a next one: it had looked at as many rows as one may.
    let answers = [page(1..=2, Some(2)), page([], Some(7)), page([8], None)];
    let pages = Pages::saying(answers.map(Some));
    let ended = run(&args(&["--out", out.to_str().unwrap()]), &pages).await.unwrap();
    assert_eq!(format!("{ended:?}"), format!("{:?}", ExitCode::SUCCESS));
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(numbers(&text), [id(1), id(2), id(8)]);
    assert!(text.contains("夢") && text.ends_with('\n'), "{text}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
    let asked = pages.asked.borrow();
    let cursors: Vec<_> = asked.iter().map(|payload| payload.get("cursor").cloned()).collect();
    assert_eq!(cursors, [None, Some(json!(id(2))), Some(json!(id(7)))]);
}

#[tokio::test]
async fn one_that_broke_off_says_how_to_go_on_and_does_without_gap_or_repeat() {
    let dir = Dir::of("export-broken");
    let out = dir.path().join("all.jsonl");
    let path = out.to_str().unwrap();
    fs::write(&out, "an export of before\n").unwrap();
    let pages = Pages::saying([Some(page(1..=3, Some(3))), None]);
    let error = run(&args(&["--out", path]), &pages).await.unwrap_err();
    assert!(error.to_string().contains(&format!("--after {}", id(3))), "{error:#}");
    assert!(format!("{error:#}").contains("it is away"), "{error:#}");
    assert_eq!(fs::read_to_string(&out).unwrap(), "an export of before\n", "it stays until then");
    // Killed within a line, and behind what was told.
    let partial = dir.path().join("all.jsonl.partial");
    let told = fs::read_to_string(&partial).unwrap();
    let beyond = format!("{told}{}\n{}", process(4), &process(5).to_string()[..40]);
    fs::write(&partial, beyond).unwrap();

    let pages = Pages::saying([Some(page(4..=6, None))]);
    run(&args(&["--out", path, "--after", &id(3)]), &pages).await.unwrap();
    assert_eq!(numbers(&fs::read_to_string(&out).unwrap()), ids(1..=6));
    assert!(!partial.exists());
    // Begun anew, it begins anew.
    fs::write(&partial, format!("{}\n", process(9))).unwrap();
    let pages = Pages::saying([Some(page(1..=1, None))]);
    run(&args(&["--out", path]), &pages).await.unwrap();
    assert_eq!(numbers(&fs::read_to_string(&out).unwrap()), ids(1..=1));
}

#[tokio::test]
async fn where_nothing_was_written_the_error_stands_alone() {
    let error = run(&args(&[]), &Pages::saying([None])).await.unwrap_err();
    assert_eq!(error.to_string(), "diagnostics cannot be asked");
}

#[test]
fn the_command_that_goes_on_is_the_one_that_was_given_with_another_place() {
    let command = |words: &[&str], after: Option<&str>| {
        let so_far = SoFar { after: after.map(str::to_owned), ..SoFar::default() };
        so_far.command(words.iter().map(|word| (*word).to_owned()), "T")
    };
    let given = ["aigen", "export", "--user", "花子's", "--after", "1", "--until=7d", "--out", "f"];
    assert_eq!(
        command(&given, Some("2")).unwrap(),
        r"cargo aigen export --user '花子'\''s' --out f --until T --after 2"
    );
    assert_eq!(command(&given, None), None);
}
