use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use clap::Parser;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use measure::{Kind, Outcome};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: LoadArgs,
}

fn args(line: &str) -> LoadArgs {
    let words = ["load"].into_iter().chain(line.split_whitespace());
    Line::try_parse_from(words).unwrap().args
}

fn measured() -> Measured {
    Measured::new(1).unwrap()
}

fn answer(kind: Kind, outcome: Outcome) -> Answer {
    let took = Duration::from_millis(7);
    Answer { kind, outcome, took, retry_after: None, etag: None }
}

#[test]
fn a_limit_is_no_error_and_its_quick_answer_is_not_among_the_times() {
    let mut measured = measured();
    measured.answer(&answer(Kind::Generate, Outcome::Limited("TOO_MANY_WAITING".to_owned())));
    measured.answer(&answer(Kind::Generate, Outcome::Well(json!({}))));
    let requests = &measured.kinds[&Kind::Generate];
    assert_eq!((requests.count(), requests.times.len()), (2, 1));
    assert!(!measured.is_well(), "no job was accepted: nothing is known of them");
    measured.accepted();
    assert!(measured.is_well());
    // 7 ms, to a thousandth.
    let told = told::data(&measured, "u");
    let median = told["requests"][0]["p50Ms"].as_f64().unwrap();
    assert!((median - 7.0).abs() < 0.01, "{told}");
}

#[test]
fn whatever_goes_wrong_is_told_and_makes_it_bad() {
    let told: [fn(&mut Measured); 5] = [
        |it| it.answer(&Answer::none(Kind::Status, Duration::ZERO)),
        |it| it.answer(&answer(Kind::Cancel, Outcome::Error("HTTP_502".to_owned()))),
        |it| it.seen_ended("FAILED", Some("AI_ERROR"), Duration::ZERO),
        |it| it.follows("p-1", 60, 50),
        |it| it.left(["p-2".to_owned()]),
    ];
    let words = ["NO_ANSWER", "HTTP_502", "AI_ERROR", "p-1", "p-2"];
    for (happens, word) in told.iter().zip(words) {
        let mut measured = measured();
        measured.accepted();
        assert!(measured.is_well());
        happens(&mut measured);
        assert!(!measured.is_well());
        assert!(told::text(&measured, "u").contains(word), "{word}");
        let data = told::data(&measured, "u");
        assert_eq!(data["verdict"], "trouble");
        assert!(data.to_string().contains(word), "{data}");
    }
}

#[test]
fn the_times_of_errors_are_told_and_in_a_row_of_their_own() {
    let mut measured = measured();
    measured.answer(&answer(Kind::Generate, Outcome::Well(json!({}))));
    measured.answer(&Answer::none(Kind::Generate, Duration::from_secs(35)));
    let told = told::data(&measured, "u")["requests"][0].clone();
    assert!(told["maxMs"].as_f64().unwrap() < 8.0, "{told}");
    let waited = told["timesOfErrors"]["p50Ms"].as_f64().unwrap();
    assert!((waited - 35_000.0).abs() < 100.0, "{told}");
    let text = told::text(&measured, "u");
    let rows: Vec<_> = text.lines().filter(|line| line.contains("generate")).collect();
    assert!(rows[0].starts_with("generate ") && rows[1].starts_with("· generate errors  1"));
}

#[test]
fn what_may_have_been_done_all_the_same_is_told_apart() {
    let is_lost = |code: &str| answer(Kind::Generate, Outcome::Error(code.to_owned())).is_lost();
    assert!(Answer::none(Kind::Generate, Duration::ZERO).is_lost());
    // The gateway gave up, and so did a proxy; the function itself says what it did.
    assert!(is_lost("HTTP_504") && is_lost("NOT_THIS_API"));
    assert!(!is_lost("HTTP_401") && !is_lost("SERVICE_PAUSED") && !is_lost("INTERNAL_ERROR"));
}

#[test]
fn progress_may_stand_still_and_rise_and_nothing_else() {
    let broken = |before, now| {
        let mut measured = measured();
        measured.follows("p", before, now);
        !measured.broken.is_empty()
    };
    assert!(!broken(0, 0) && !broken(10, 100));
    assert!(broken(11, 10) && broken(100, 101));
}

#[test]
fn an_answer_is_known_by_its_code_or_else_by_its_number() {
    let of = |kind, status, body: Value| {
        api::outcome(kind, StatusCode::from_u16(status).unwrap(), &body)
    };
    let refusal = |code: &str| json!({"error": {"code": code}});
    assert_eq!(of(Kind::Status, 200, json!({"data": 1})), Outcome::Well(json!(1)));
    assert_eq!(of(Kind::Status, 304, Value::Null), Outcome::Same);
    // A page of HTML, as a proxy or a wrong address answers.
    assert_eq!(of(Kind::History, 200, Value::Null), Outcome::Error("NOT_THIS_API".to_owned()));
    assert_eq!(of(Kind::Generate, 429, Value::Null), Outcome::Limited("HTTP_429".to_owned()));
    assert_eq!(of(Kind::Status, 500, refusal("X")), Outcome::Error("X".to_owned()));
    assert_eq!(
        of(Kind::Status, 401, json!({"message": "Unauthorized"})),
        Outcome::Error("HTTP_401".to_owned())
    );
    assert_eq!(of(Kind::Cancel, 400, refusal("CANCEL_NOT_ALLOWED")), Outcome::Same);
}

#[tokio::test]
async fn another_machine_is_asked_only_over_https_and_after_its_name_was_typed() {
    let target = |url| Target::given(url, "a\n\n b \nc", 2);
    let error = target("http://api.example.com").unwrap_err().to_string();
    assert!(error.contains("https"), "{error}");
    assert!(target("no address").is_err() && target("data:x").is_err());
    for wrong in ["https://a.example/?x=1", "https://a.example/#f", "https://me:pw@a.example"] {
        assert!(target(wrong).is_err(), "{wrong}");
    }
    assert_eq!(target("https://a.example/p/api/ai/async/").unwrap().url, "https://a.example/p");
    let here = args("--url http://127.0.0.1:4566/x --tokens f");
    for url in ["http://127.0.0.1:4566/x", "http://localhost:1", "http://[::1]:1"] {
        assert!(target(url).unwrap().is_meant(&here).await.unwrap(), "{url}");
    }
    let elsewhere = target("https://api.example.com/prod").unwrap();
    assert_eq!(elsewhere.tokens, ["a", "b"]);
    assert!(
        elsewhere.is_meant(&args("--url https://api.example.com --tokens f --yes")).await.unwrap()
    );
    let question = elsewhere.question("api.example.com", &args("--minutes 2 --every 60"));
    assert!(question.contains("for 6 jobs at most"), "{question}");
    let question = elsewhere.question("api.example.com", &args("--minutes 60 --jobs 9"));
    assert!(question.contains("for 9 jobs at most"), "{question}");
    assert!(Target::given("https://x", "\n", 1).is_err());
}

/// The routes that were asked, with the process.
type Asked = Arc<Mutex<Vec<String>>>;

/// An API whose jobs never end.
async fn slow_api() -> (Api, Asked) {
    let asked = Asked::default();
    let accept = async |State(asked): State<Asked>| {
        let mut asked = asked.lock().unwrap();
        let id = format!("p-{}", asked.len());
        asked.push("generate".to_owned());
        (StatusCode::ACCEPTED, Json(json!({"data": {"processId": id}})))
    };
    let running = async || Json(json!({"data": {"status": "PROCESSING", "progress": 10}}));
    let cancel = async |State(asked): State<Asked>, Path(id): Path<String>| {
        asked.lock().unwrap().push(format!("cancel {id}"));
        Json(json!({"data": {"status": "CANCELLED"}}))
    };
    let router = Router::new()
        .route("/api/ai/async/generate", post(accept))
        .route("/api/ai/async/status/{id}", get(running))
        .route("/api/ai/async/cancel/{id}", post(cancel))
        .with_state(asked.clone());
    (serving(router).await, asked)
}

async fn serving(router: Router) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = Api::new(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    api
}

#[tokio::test]
async fn no_more_jobs_are_asked_for_than_may_be_and_what_still_runs_is_cancelled() {
    let (api, asked) = slow_api().await;
    let lasts = Duration::from_millis(300);
    let bounds = Bounds { lasts, every: Duration::from_millis(1), jobs: 2 };
    let tokens = ["a", "b", "c"].map(str::to_owned);
    let measured = load(bounds, &api, &tokens).await.unwrap();
    assert_eq!((measured.jobs.accepted, measured.jobs.cancelled_at_the_end), (2, 2));
    assert!(measured.is_well(), "{measured:?}");
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked, ["cancel p-0", "cancel p-1", "generate", "generate"]);
}

/// An API that makes a job of each key and has its first answer lost.
async fn losing_api() -> (Api, Asked) {
    let asked = Asked::default();
    let accept = async |State(asked): State<Asked>, headers: HeaderMap| {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let mut asked = asked.lock().unwrap();
        let is_first = !asked.contains(&key);
        asked.push(key.clone());
        if is_first {
            return (StatusCode::BAD_GATEWAY, Json(Value::Null));
        }
        (StatusCode::ACCEPTED, Json(json!({"data": {"processId": format!("of {key}")}})))
    };
    let cancel = async |State(asked): State<Asked>, Path(id): Path<String>| {
        asked.lock().unwrap().push(format!("cancel {id}"));
        Json(json!({"data": {"status": "CANCELLED"}}))
    };
    let router = Router::new()
        .route("/api/ai/async/generate", post(accept))
        .route("/api/ai/async/cancel/{id}", post(cancel));
    (serving(router.with_state(asked.clone())).await, asked)
}

#[tokio::test]
async fn a_job_whose_answer_was_lost_is_found_by_its_key_and_cancelled() {
    let (api, asked) = losing_api().await;
    let bounds =
        Bounds { lasts: Duration::from_millis(300), every: Duration::from_millis(1), jobs: 2 };
    let measured = load(bounds, &api, &["a".to_owned()]).await.unwrap();
    let jobs = &measured.jobs;
    assert_eq!((jobs.accepted, jobs.found, jobs.cancelled_at_the_end), (0, 2, 2));
    assert!(jobs.left.is_empty(), "{jobs:?}");
    let asked = asked.lock().unwrap();
    let cancelled = |key: &String| format!("cancel of {key}");
    let (first, second) = (&asked[0], &asked[1]);
    assert_ne!(first, second);
    let end = [first.clone(), cancelled(first), second.clone(), cancelled(second)];
    assert_eq!(asked[2..], end);
}

#[tokio::test]
async fn a_wait_of_ages_ends_with_the_run() {
    let run = Run {
        until: Instant::now(),
        is_stopped: Cell::new(false),
        jobs_left: Cell::new(0),
        measured: RefCell::new(measured()),
        last_heard: Cell::new(Instant::now()),
    };
    run.rest(Duration::from_secs(u64::MAX)).await;
}
