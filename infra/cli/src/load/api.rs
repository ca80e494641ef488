//! One request, and what its answer is.

use std::time::Duration;

use anyhow::{Context, Result};
use chrono::{Days, SecondsFormat, Utc};
use reqwest::header::{ETAG, IF_NONE_MATCH, RETRY_AFTER};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::measure::{Answer, Kind, NOT_OURS, Outcome};
use crate::envelope::Refusal;

/// How long one answer may take. The gateway gives up after 30 s.
const PATIENCE: Duration = Duration::from_secs(35);

/// A job that is asked for. Asked for again, it is the same job.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    /// Its `Idempotency-Key`.
    pub(super) key: String,
    body: Value,
}

impl Wish {
    /// For the sub-goals of a goal that nobody else has.
    pub(super) fn new() -> Self {
        let goal = goal();
        // Each goal is another one, and so is the key of who asks for it.
        let key = format!("load-{}", goal["goalId"].as_str().unwrap_or_default());
        let body = json!({"type": "SUBGOAL_GENERATION", "params": goal, "priority": "low"});
        Self { key, body }
    }
}

/// The API that is asked.
pub(super) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(super) fn new(url: &str) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build().context("no HTTP client")?;
        Ok(Self { client, base: format!("{}/api/ai/async", url.trim_end_matches('/')) })
    }

    /// Asks for a job.
    pub(super) async fn generate(&self, token: &str, wish: &Wish) -> Answer {
        let request = self.request(Method::POST, "generate").json(&wish.body);
        let request = request.header("Idempotency-Key", &wish.key);
        answered(Kind::Generate, request.bearer_auth(token)).await
    }

    /// Asks how the process is; `seen` is the `ETag` of what is known already.
    pub(super) async fn status(&self, token: &str, id: &str, seen: Option<&str>) -> Answer {
        let mut request = self.request(Method::GET, &format!("status/{id}")).bearer_auth(token);
        if let Some(seen) = seen {
            request = request.header(IF_NONE_MATCH, seen);
        }
        answered(Kind::Status, request).await
    }

    pub(super) async fn history(&self, token: &str) -> Answer {
        answered(Kind::History, self.request(Method::GET, "history").bearer_auth(token)).await
    }

    pub(super) async fn cancel(&self, token: &str, id: &str) -> Answer {
        let request = self.request(Method::POST, &format!("cancel/{id}"));
        let body = json!({"reason": "load test"});
        answered(Kind::Cancel, request.json(&body).bearer_auth(token)).await
    }

    fn request(&self, method: Method, route: &str) -> RequestBuilder {
        self.client.request(method, format!("{}/{route}", self.base))
    }
}

async fn answered(kind: Kind, request: RequestBuilder) -> Answer {
    let begun = Instant::now();
    let none = || Answer::none(kind, begun.elapsed());
    let Ok(response) = request.send().await else { return none() };
    let status = response.status();
    let header = |name| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
    let retry_after = header(RETRY_AFTER).and_then(|it| it.parse().ok()).map(Duration::from_secs);
    let etag = header(ETAG);
    let Ok(text) = response.text().await else { return none() };
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    let outcome = outcome(kind, status, &body);
    Answer { kind, outcome, took: begun.elapsed(), retry_after, etag }
}

/// What an answer means.
pub(super) fn outcome(kind: Kind, status: StatusCode, body: &Value) -> Outcome {
    let code = || {
        let code = Refusal::of(body).map(|refusal| refusal.code).filter(|code| !code.is_empty());
        code.unwrap_or_else(|| format!("HTTP_{}", status.as_u16()))
    };
    match status {
        StatusCode::NOT_MODIFIED => Outcome::Same,
        StatusCode::TOO_MANY_REQUESTS => Outcome::Limited(code()),
        // Whatever else answers at that address would look like a quick API.
        _ if status.is_success() && body["data"].is_null() => Outcome::Error(NOT_OURS.to_owned()),
        _ if status.is_success() => Outcome::Well(body["data"].clone()),
        // A job may end between the decision to cancel it and the cancel.
        _ if kind == Kind::Cancel && code() == "CANCEL_NOT_ALLOWED" => Outcome::Same,
        _ => Outcome::Error(code()),
    }
}

#[expect(clippy::disallowed_methods, reason = "each goal is another one, in each run")]
fn goal() -> Value {
    let deadline = (Utc::now() + Days::new(365)).to_rfc3339_opts(SecondsFormat::Secs, true);
    json!({
        "goalId": uuid::Uuid::new_v4(),
        "title": "英語で話せるようになる",
        "description": "一年後に会議で話す",
        "deadline": deadline,
        "background": "読むことはできる",
    })
}
