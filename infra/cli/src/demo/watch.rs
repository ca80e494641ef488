//! Polling a process until it has ended, with a progress bar where a person watches and plain lines
//! where a file does.

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::api::{Api, Process, Waiting};
use crate::output;

/// The first wait where the API names none; each further one is half as long again.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// The longest wait of our own.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait that the API can ask for: a bar that stands still for longer looks broken.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(10);
/// After this long the demo gives up watching. The pipeline's own time limits are shorter.
const PATIENCE: Duration = Duration::from_mins(15);
/// So many polls in a row may fail before the demo believes it.
const FAILURES_FORGIVEN: u32 = 4;

/// Watches a process until its status is final.
pub async fn until_terminal(api: &Api, id: &str) -> Result<Process> {
    let started = Instant::now();
    let mut view = View::on_stderr();
    let mut failures = 0;
    for polls in 0.. {
        let retry_after = match api.status(id).await {
            Ok(seen) => {
                failures = 0;
                view.show(&seen.process, started.elapsed());
                if seen.process.is_terminal() {
                    return Ok(seen.process);
                }
                seen.retry_after
            }
            Err(error) if failures >= FAILURES_FORGIVEN => {
                return Err(error)
                    .with_context(|| format!("process {id} can no longer be watched"));
            }
            Err(_) => {
                failures += 1;
                None
            }
        };
        if started.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(next_wait(retry_after, polls)).await;
    }
    bail!(
        "process {id} has not ended after {} minutes; `cargo aigen status` shows the stack",
        PATIENCE.as_secs() / 60
    )
}

/// How long to wait after poll number `polls`, from 0: what the API asks for, or else longer and
/// longer.
fn next_wait(retry_after: Option<Duration>, polls: u32) -> Duration {
    match retry_after {
        Some(asked) => asked.clamp(FIRST_WAIT, LONGEST_RETRY_AFTER),
        None => FIRST_WAIT.mul_f64(1.5_f64.powi(polls.min(8).cast_signed())).min(LONGEST_WAIT),
    }
}

/// What is shown on standard error.
enum View {
    Bar(ProgressBar),
    /// The line that was written last, so that none is written twice.
    Lines(String),
}

impl View {
    fn on_stderr() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(String::new());
        }
        let bar = ProgressBar::new(100);
        if let Ok(style) = ProgressStyle::with_template(
            "{spinner} {msg:<10} {bar:30.cyan/dim} {pos:>3} %  {elapsed}",
        ) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self::Bar(bar)
    }

    fn show(&mut self, process: &Process, elapsed: Duration) {
        let text = describe(process);
        match self {
            Self::Bar(bar) => {
                bar.set_position(process.progress.min(100));
                bar.set_message(text.clone());
                if process.is_terminal() {
                    bar.finish_and_clear();
                }
            }
            Self::Lines(last) => {
                let line = format!("{text} {} %", process.progress);
                if *last != line && !process.is_terminal() {
                    output::aside(format_args!("· {line} ({:.1} s)", elapsed.as_secs_f64()));
                    *last = line;
                }
            }
        }
        if process.is_terminal() {
            let mark = if process.status == "COMPLETED" { '✓' } else { '✗' };
            output::aside(format_args!("{mark} {text} ({:.1} s)", elapsed.as_secs_f64()));
        }
    }
}

/// The status, with why it waits, or the attempt once there is more than one.
fn describe(process: &Process) -> String {
    if let Some(Waiting { reason, ahead }) = &process.waiting {
        let why = match reason.as_str() {
            "CAPACITY" => "all model calls are taken",
            "USER_LIMIT" => "its user has as many model calls as one may have",
            "PAUSED" => "the service is paused",
            _ => return process.status.clone(),
        };
        format!("{}, {ahead} ahead: {why}", process.status)
    } else if process.attempt > 1 {
        format!("{}, attempt {}", process.status, process.attempt)
    } else {
        process.status.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use axum::{
        Json, Router,
        http::{HeaderMap, StatusCode},
        routing::get,
    };
    use serde_json::json;

    use super::*;

    #[test]
    fn the_api_says_when_to_ask_again() {
        assert_eq!(next_wait(Some(Duration::from_secs(3)), 0), Duration::from_secs(3));
        assert_eq!(next_wait(Some(Duration::ZERO), 0), FIRST_WAIT);
        assert_eq!(next_wait(Some(Duration::from_hours(1)), 0), LONGEST_RETRY_AFTER);
    }

    #[test]
    fn left_alone_the_waits_grow_to_two_seconds() {
        let waits: Vec<u128> = (0..6).map(|polls| next_wait(None, polls).as_millis()).collect();
        assert_eq!(waits, [500, 750, 1125, 1687, 2000, 2000]);
        assert_eq!(next_wait(None, u32::MAX), LONGEST_WAIT);
    }

    #[test]
    fn an_attempt_is_named_from_the_second_on() {
        let process = |attempt: u64| {
            Process::read(json!({"processId": "p", "status": "PROCESSING", "attempt": attempt}))
                .unwrap()
        };
        assert_eq!(
            (describe(&process(1)), describe(&process(2))),
            ("PROCESSING".to_owned(), "PROCESSING, attempt 2".to_owned())
        );
    }

    #[test]
    fn what_waits_says_why_and_how_many_are_ahead() {
        let waiting = |reason: &str| {
            let waiting = json!({"reason": reason, "ahead": 3});
            let process = json!({"processId": "p", "status": "PENDING", "waiting": waiting});
            describe(&Process::read(process).unwrap())
        };
        assert_eq!(waiting("CAPACITY"), "PENDING, 3 ahead: all model calls are taken");
        assert_eq!(waiting("PAUSED"), "PENDING, 3 ahead: the service is paused");
        assert_eq!(waiting("STARTING"), "PENDING");
    }

    /// An API that answers one poll after the other with these statuses; an empty one is a 503.
    async fn api(statuses: &'static [&'static str]) -> Api {
        let polls = Arc::new(AtomicUsize::new(0));
        let status = move |headers: HeaderMap| async move {
            assert_eq!(headers["authorization"], "Bearer token");
            let poll = polls.fetch_add(1, Ordering::Relaxed).min(statuses.len() - 1);
            let data =
                json!({"processId": "p", "status": statuses[poll], "progress": 50, "attempt": 1});
            let code = if statuses[poll].is_empty() {
                StatusCode::SERVICE_UNAVAILABLE
            } else {
                StatusCode::OK
            };
            (
                code,
                [("retry-after", "0")],
                Json(json!({"success": code.is_success(), "data": data})),
            )
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/api/ai/async/status/p", get(status));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Api::new(&url, "token", true).unwrap()
    }

    #[tokio::test]
    async fn a_process_is_watched_to_its_end_over_a_bad_moment() {
        let api = api(&["PENDING", "", "COMPLETED"]).await;
        assert_eq!(until_terminal(&api, "p").await.unwrap().status, "COMPLETED");
    }

    #[tokio::test]
    async fn an_api_that_stays_away_ends_the_watching() {
        let error = until_terminal(&api(&[""]).await, "p").await.unwrap_err();
        assert!(error.to_string().contains("can no longer be watched"), "{error:#}");
    }
}
