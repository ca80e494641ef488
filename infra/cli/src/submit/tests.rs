//! Whole runs against a double of `POST /batch`, over real HTTP.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use serde_json::json;

use super::state::State;
use super::testing::{Double, Fault, Folder, refusal};
use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: SubmitArgs,
}

fn args(file: &Path, more: &[&str]) -> SubmitArgs {
    let file = file.to_str().unwrap();
    Command::try_parse_from([&["submit", file], more].concat()).unwrap().args
}

/// One run, without any wait of its own.
async fn submit(double: &Double, args: &SubmitArgs) -> Result<State> {
    let pace = Pace { first: Duration::ZERO, longest: Duration::ZERO };
    let logins = Mutex::new(0);
    let api = Api::new(&double.start().await, async || {
        *logins.lock().unwrap() += 1;
        Ok(format!("token{}", logins.lock().unwrap()))
    })?;
    let mut job = Job::begin(args, Source::open(&args.file)?)?;
    let mut progress = Progress::on_stderr(job.state());
    if !job.state().whole {
        job.run(&api, pace, &mut progress).await?;
    }
    Ok(job.state().clone())
}

fn csv(titles: impl IntoIterator<Item = String>) -> String {
    titles.into_iter().fold("title\n".to_owned(), |text, title| text + &title + "\n")
}

fn titles(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("t{number}")).collect()
}

#[tokio::test]
async fn a_file_is_sent_in_batches_to_its_end() {
    let folder = Folder::new("whole");
    let file = folder.write("goals.csv", &csv(titles(250)));
    let double = Double::default();
    let state = submit(&double, &args(&file, &[])).await.unwrap();
    let sizes: Vec<usize> = double.judge().calls.iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 100, 50]);
    assert_eq!((state.accepted, state.refused(), state.whole), (250, 0, true));
    assert_eq!(state.batch_ids, ["b1", "b2", "b3"]);
    assert_eq!(double.judge().accepted, titles(250));
    assert!(!folder.0.join("goals.csv.refused.jsonl").exists());
}

#[tokio::test]
async fn a_whole_file_is_not_sent_again() {
    let folder = Folder::new("again");
    let file = folder.write("goals.csv", &csv(titles(3)));
    let double = Double::default();
    let first = submit(&double, &args(&file, &[])).await.unwrap();
    assert_eq!(submit(&double, &args(&file, &[])).await.unwrap(), first);
    assert_eq!(double.judge().calls.len(), 1);
}

#[tokio::test]
async fn who_is_told_to_wait_comes_back_with_the_same() {
    let folder = Folder::new("wait");
    let file = folder.write("goals.csv", &csv(titles(3)));
    let double = Double::with([
        Fault::Refuse(429, refusal("RATE_LIMIT_EXCEEDED")),
        Fault::Refuse(429, refusal("TOO_MANY_WAITING")),
        Fault::Refuse(503, json!({"message": "Service Unavailable"})),
        Fault::Refuse(429, refusal("BUDGET_EXCEEDED")),
        Fault::Lose(502),
    ]);
    let state = submit(&double, &args(&file, &[])).await.unwrap();
    assert_eq!((state.accepted, double.judge().accepted.clone()), (3, titles(3)));
}

#[tokio::test]
async fn rows_for_which_there_is_no_room_are_sent_again_before_the_others() {
    let folder = Folder::new("held");
    let file = folder.write("goals.csv", &csv(titles(6)));
    let double = Double::with([Fault::Room(1), Fault::Room(0)]);
    let state = submit(&double, &args(&file, &["--batch-size", "3"])).await.unwrap();
    let calls = double.judge().calls.clone();
    assert_eq!(calls[..3], [["t1", "t2", "t3"], ["t2", "t3", "t4"], ["t2", "t3", "t4"]]);
    assert_eq!((state.accepted, state.refused()), (6, 0));
    assert_eq!(double.judge().accepted, titles(6));
    assert_eq!(state.batch_ids, ["b1", "b3", "b4"]);
}

#[tokio::test]
async fn rows_that_are_held_at_the_end_of_the_file_are_sent_as_well() {
    let folder = Folder::new("end");
    let file = folder.write("goals.csv", &csv(titles(3)));
    let double = Double::with([Fault::Room(1), Fault::Room(0)]);
    assert_eq!(submit(&double, &args(&file, &[])).await.unwrap().accepted, 3);
}

#[tokio::test]
async fn a_run_that_was_cut_off_goes_on_and_doubles_nothing() {
    let folder = Folder::new("cut");
    let file = folder.write("goals.csv", &csv(titles(9)));
    let args = args(&file, &["--batch-size", "3"]);
    // The second batch is accepted, but the run ends before it hears of it.
    let double = Double::with([Fault::Room(2), Fault::Lose(400)]);
    let error = submit(&double, &args).await.unwrap_err();
    assert!(format!("{error:#}").contains("400"), "{error:#}");
    let state = submit(&double, &args).await.unwrap();
    let mut accepted = double.judge().accepted.clone();
    accepted.sort();
    assert_eq!((state.accepted, accepted), (9, titles(9)));
    assert_eq!(state.batch_ids, ["b1", "b2", "b3", "b4"]);
}

#[tokio::test]
async fn what_is_refused_is_written_with_its_line_and_reason_and_stops_nothing() {
    let folder = Folder::new("refused");
    let file = folder.write("goals", "{\"title\":\"t1\"}\n\nnonsense\n{\"title\":\"bad\"}\n");
    let double = Double::default();
    let state = submit(&double, &args(&file, &["--low"])).await.unwrap();
    assert_eq!((state.accepted, state.refused()), (1, 2));
    let lines = folder.lines("goals.refused.jsonl");
    assert_eq!((&lines[0]["line"], &lines[0]["text"]), (&json!(3), &json!("nonsense")));
    assert_eq!(lines[0]["error"]["code"], "UNREADABLE");
    assert_eq!((&lines[1]["line"], &lines[1]["request"]["priority"]), (&json!(4), &json!("low")));
    assert_eq!(lines[1]["error"]["code"], "VALIDATION_ERROR");
}

#[tokio::test]
async fn refused_rows_can_be_corrected_and_sent() {
    let folder = Folder::new("corrected");
    let file = folder.write("goals.csv", &csv(["bad1".to_owned()]));
    let double = Double::default();
    submit(&double, &args(&file, &[])).await.unwrap();
    let refused = folder.0.join("goals.csv.refused.jsonl");
    let corrected = fs::read_to_string(&refused).unwrap().replace("bad1", "good");
    fs::write(&refused, corrected).unwrap();
    let state = submit(&double, &args(&refused, &[])).await.unwrap();
    assert_eq!((state.accepted, double.judge().accepted.clone()), (1, vec!["good".to_owned()]));
}

#[tokio::test]
async fn a_file_that_was_changed_under_way_is_refused() {
    let folder = Folder::new("changed");
    let file = folder.write("goals.csv", &csv(titles(4)));
    let args = args(&file, &["--batch-size", "2"]);
    let double = Double::with([Fault::Room(2), Fault::Refuse(400, refusal("VALIDATION_ERROR"))]);
    submit(&double, &args).await.unwrap_err();
    folder.write("goals.csv", &csv(titles(5)));
    let error = submit(&double, &args).await.unwrap_err().to_string();
    assert!(error.contains("changed since 2 of its 4 rows"), "{error}");
    assert_eq!(double.judge().calls.len(), 1);
}

#[tokio::test]
async fn a_token_that_is_good_no_longer_is_made_anew() {
    let folder = Folder::new("token");
    let file = folder.write("goals.csv", &csv(titles(2)));
    let unauthorized = || Fault::Refuse(401, json!({"message": "Unauthorized"}));
    let double = Double::with([Fault::Room(1), unauthorized()]);
    let state = submit(&double, &args(&file, &["--batch-size", "1"])).await.unwrap();
    assert_eq!(state.accepted, 2);
    assert_eq!(double.judge().tokens, ["Bearer token1", "Bearer token1", "Bearer token2"]);
    folder.write("goals.csv", &csv(titles(1)));
    fs::remove_file(folder.0.join("goals.csv.aigen-state.json")).unwrap();
    let double = Double::with([unauthorized(), unauthorized()]);
    let error = submit(&double, &args(&file, &[])).await.unwrap_err().to_string();
    assert!(error.contains("does not take the user's token"), "{error}");
}

#[tokio::test]
async fn a_dry_run_stores_nothing_and_leaves_a_run_under_way_alone() {
    let folder = Folder::new("dry");
    let file = folder.write("goals.csv", &csv(["t1", "bad", "t2"].map(str::to_owned)));
    let double = Double::with([Fault::Room(1)]);
    let state = submit(&double, &args(&file, &["--dry-run"])).await.unwrap();
    assert_eq!((state.accepted, state.refused()), (1, 2));
    assert!(state.batch_ids.is_empty());
    assert_eq!(folder.lines("goals.csv.dry-run.refused.jsonl").len(), 2);
    assert!(!folder.0.join("goals.csv.aigen-state.json").exists());
    assert!(double.judge().accepted.is_empty());
    assert_eq!(submit(&double, &args(&file, &[])).await.unwrap().accepted, 2);
}

#[tokio::test]
async fn the_file_itself_is_never_written_to() {
    let folder = Folder::new("itself");
    let file = folder.write("goals.csv", &csv(titles(1)));
    let path = file.to_str().unwrap();
    for option in ["--refused", "--state"] {
        let error = submit(&Double::default(), &args(&file, &[option, path]))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("is the file that is sent"), "{error}");
    }
}

#[tokio::test]
async fn an_api_that_stays_away_ends_the_run_and_keeps_what_is_done() {
    let folder = Folder::new("away");
    let file = folder.write("goals.csv", &csv(titles(2)));
    let args = args(&file, &["--batch-size", "1"]);
    let away = std::iter::repeat_with(|| Fault::Lose(502)).take(8);
    let double = Double::with([Fault::Room(1)].into_iter().chain(away));
    let error = submit(&double, &args).await.unwrap_err().to_string();
    assert!(error.contains("502"), "{error}");
    let state = State::read(&args.state_path()).unwrap().unwrap();
    assert_eq!((state.done(), state.whole), (1, false));
    assert_eq!(submit(&double, &args).await.unwrap().accepted, 2);
    assert_eq!(double.judge().accepted, titles(2));
}
