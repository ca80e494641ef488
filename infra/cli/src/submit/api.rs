//! `POST /batch`: what is sent, what it can answer, and what an answer means.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use reqwest::header::{ACCEPT_LANGUAGE, RETRY_AFTER};
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use super::pace::Pace;
use super::progress::Progress;
use crate::envelope::Refusal;

/// How long one call may take. A function's first start is within it.
const PATIENCE: Duration = Duration::from_mins(1);
/// So many calls in a row may come to nothing before the API counts as gone.
const FAILURES_FORGIVEN: u32 = 7;

/// What was said of the requests of a batch.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Verdicts {
    /// Not there in a dry run.
    pub batch_id: Option<String>,
    results: Vec<Verdict>,
    /// Of the header `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Verdict {
    index: usize,
    error: Option<Refusal>,
}

impl Verdicts {
    /// Why each of `count` requests was refused, or `None` where it was not.
    pub(super) fn by_index(&self, count: usize) -> Result<Vec<Option<Refusal>>> {
        let mut errors: Vec<Option<Option<Refusal>>> = vec![None; count];
        for Verdict { index, error } in &self.results {
            let place = errors.get_mut(*index).with_context(|| {
                format!("the API speaks of request {index}, and {count} were sent")
            })?;
            *place = Some(error.clone());
        }
        let told = errors.iter().flatten().count();
        ensure!(told == count, "the API speaks of {told} requests, and {count} were sent");
        Ok(errors.into_iter().flatten().collect())
    }
}

/// What an answer means.
#[derive(Debug, PartialEq)]
enum Meaning {
    Judged(Verdicts),
    /// Come back.
    Wait {
        asked: Option<Duration>,
        why: String,
        /// Whether that is an ordinary thing to say, however often.
        ordinary: bool,
    },
    /// The token is good no longer.
    WantsToken,
}

/// The API, as one user calls it who can log in again.
pub(super) struct Api<T> {
    client: Client,
    url: String,
    log_in: T,
    token: RefCell<Option<String>>,
}

impl<T: AsyncFn() -> Result<String>> Api<T> {
    /// The API at `api_url`; `log_in` gives a token.
    pub(super) fn new(api_url: &str, log_in: T) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build().context("no HTTP client")?;
        let url = format!("{}/api/ai/async/batch", api_url.trim_end_matches('/'));
        Ok(Self { client, url, log_in, token: RefCell::new(None) })
    }

    /// Has a batch judged, and waits as long as that takes. The same `key` and body have the same
    /// effect as once.
    pub(super) async fn judge(
        &self,
        body: &Value,
        key: &str,
        pace: Pace,
        progress: &mut Progress,
    ) -> Result<Verdicts> {
        let (mut waits, mut failures, mut is_new) = (0, 0, false);
        loop {
            match self.post(body, key).await? {
                Meaning::Judged(verdicts) => return Ok(verdicts),
                Meaning::WantsToken => {
                    ensure!(!is_new, "the API at {} does not take the user's token", self.url);
                    is_new = true;
                    self.token.replace(None);
                }
                Meaning::Wait { asked, why, ordinary } => {
                    failures = if ordinary { 0 } else { failures + 1 };
                    ensure!(failures <= FAILURES_FORGIVEN, why);
                    progress.wait(pace.wait(asked, waits), &why).await;
                    waits += 1;
                    // A long wait may have outlived the token.
                    is_new = false;
                }
            }
        }
    }

    async fn post(&self, body: &Value, key: &str) -> Result<Meaning> {
        let held = self.token.borrow().clone();
        let token = match held {
            Some(token) => token,
            None => (self.log_in)().await?,
        };
        self.token.replace(Some(token.clone()));
        let request = self
            .client
            .post(&self.url)
            .bearer_auth(token)
            .header(ACCEPT_LANGUAGE, language(std::env::var("LANG").ok().as_deref()))
            .header("idempotency-key", key)
            .json(body);
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(error) => return Ok(no_answer(&self.url, &error.into())),
        };
        let status = answer.status();
        let header = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = header.and_then(|seconds| seconds.trim().parse().ok());
        match answer.text().await {
            Ok(text) => meaning(status, retry_after.map(Duration::from_secs), &text),
            Err(error) => Ok(no_answer(&self.url, &error.into())),
        }
    }
}

/// What the person reads, by the shell's `LANG`: Japanese, as the API usually answers, or English.
fn language(lang: Option<&str>) -> &'static str {
    if lang.is_some_and(|lang| lang.starts_with("en")) { "en" } else { "ja" }
}

fn no_answer(url: &str, error: &anyhow::Error) -> Meaning {
    let why = format!("the API at {url} does not answer ({error:#})");
    Meaning::Wait { asked: None, why, ordinary: false }
}

/// What an answer means. An error is one that no waiting helps against.
fn meaning(status: StatusCode, retry_after: Option<Duration>, text: &str) -> Result<Meaning> {
    let envelope: Value = serde_json::from_str(text).unwrap_or_default();
    let refusal = Refusal::of(&envelope);
    let asked = retry_after
        .or_else(|| Some(Duration::from_secs(refusal.as_ref().and_then(|r| r.retry_after)?)));
    let told = refusal.as_ref().map_or_else(
        || format!("the API answers {}: {}", status.as_u16(), text.trim()),
        ToString::to_string,
    );
    match status {
        StatusCode::OK | StatusCode::ACCEPTED => {
            let data = envelope.get("data").context("the API's answer holds no data")?;
            let verdicts = Verdicts::deserialize(data)
                .with_context(|| format!("this aigen does not understand the answer {text}"))?;
            Ok(Meaning::Judged(Verdicts { retry_after, ..verdicts }))
        }
        StatusCode::UNAUTHORIZED => Ok(Meaning::WantsToken),
        StatusCode::TOO_MANY_REQUESTS => Ok(Meaning::Wait { asked, why: told, ordinary: true }),
        StatusCode::SERVICE_UNAVAILABLE => {
            Ok(Meaning::Wait { asked, why: told, ordinary: asked.is_some() })
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => Err(anyhow!(told).context(
            "the deployed API takes no batches; `cargo aigen up` deploys the present one",
        )),
        _ if status.is_server_error() && refusal.as_ref().is_none_or(|r| r.retryable) => {
            Ok(Meaning::Wait { asked, why: told, ordinary: false })
        }
        _ => match refusal {
            Some(refusal) => Err(refusal.by(format_args!("the API answered {}", status.as_u16()))),
            None => bail!(told),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn meaning_of(status: u16, retry_after: Option<u64>, body: &Value) -> Result<Meaning> {
        let status = StatusCode::from_u16(status).unwrap();
        meaning(status, retry_after.map(Duration::from_secs), &body.to_string())
    }

    fn refusal(code: &str, retryable: bool) -> Value {
        json!({"success": false, "error":
            {"code": code, "message": "m", "retryable": retryable, "retryAfter": 7}})
    }

    #[test]
    fn whoever_asks_too_often_is_told_when_to_come_back() {
        for code in ["RATE_LIMIT_EXCEEDED", "TOO_MANY_WAITING", "BUDGET_EXCEEDED"] {
            let wait = |seconds| Meaning::Wait {
                asked: Some(Duration::from_secs(seconds)),
                why: format!("{code}: m"),
                ordinary: true,
            };
            assert_eq!(meaning_of(429, Some(42), &refusal(code, true)).unwrap(), wait(42));
            assert_eq!(meaning_of(429, None, &refusal(code, true)).unwrap(), wait(7));
        }
    }

    #[test]
    fn a_server_that_is_gone_for_a_moment_is_waited_for() {
        let ordinary = |answer: Result<Meaning>| match answer.unwrap() {
            Meaning::Wait { ordinary, .. } => ordinary,
            other => panic!("{other:?}"),
        };
        let plain = json!({"message": "Service Unavailable"});
        assert!(ordinary(meaning_of(503, Some(5), &plain)));
        assert!(!ordinary(meaning_of(503, None, &plain)));
        assert!(!ordinary(meaning_of(502, None, &plain)));
        assert!(!ordinary(meaning_of(500, None, &refusal("DATABASE_ERROR", true))));
    }

    #[test]
    fn what_no_waiting_helps_against_is_an_error() {
        for (status, code) in
            [(400, "VALIDATION_ERROR"), (409, "IDEMPOTENCY_KEY_REUSED"), (500, "INTERNAL_ERROR")]
        {
            let error = meaning_of(status, None, &refusal(code, false)).unwrap_err();
            assert!(error.to_string().contains(code), "{error}");
        }
        let error = meaning_of(404, None, &json!({"message": "Not Found"})).unwrap_err();
        assert!(error.to_string().contains("cargo aigen up"), "{error}");
    }

    #[test]
    fn messages_are_in_the_language_of_the_shell() {
        assert_eq!(
            [Some("en_US.UTF-8"), Some("ja_JP.UTF-8"), None].map(language),
            ["en", "ja", "ja"]
        );
    }

    #[test]
    fn a_lost_token_is_no_error_yet() {
        let body = json!({"message": "Unauthorized"});
        assert_eq!(meaning_of(401, None, &body).unwrap(), Meaning::WantsToken);
    }

    #[test]
    fn each_request_of_a_batch_has_to_be_spoken_of() {
        let verdicts = |results: Value| -> Verdicts {
            serde_json::from_value(json!({"batchId": "b", "results": results})).unwrap()
        };
        let whole = verdicts(json!([{"index": 1, "error": {"code": "C"}}, {"index": 0}]));
        let codes: Vec<_> =
            whole.by_index(2).unwrap().into_iter().map(|error| error.map(|e| e.code)).collect();
        assert_eq!(codes, [None, Some("C".to_owned())]);
        let running = json!([{"index": 0, "error": {"code": "ALREADY_RUNNING", "processId": "p"}}]);
        let error = verdicts(running).by_index(1).unwrap().remove(0).unwrap();
        assert_eq!(serde_json::to_value(error).unwrap()["processId"], "p");
        assert!(whole.by_index(1).is_err() && whole.by_index(3).is_err());
    }
}
