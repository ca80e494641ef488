//! One request of a client, and what was answered.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::time::sleep;

use super::book::Trouble;
use super::run::Run;

/// How long an answer may take: longer than the gateway waits for a function.
const PATIENCE: Duration = Duration::from_secs(35);
/// The longest wait before an answer is asked for again, whatever the API says.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The API, as a client reaches it.
pub(super) struct Api {
    client: Client,
    base: String,
}

/// What came back.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// None: nothing.
    pub(super) status: Option<u16>,
    /// The code of the functions' own refusal.
    pub(super) code: Option<String>,
    pub(super) data: Value,
    retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the same may be answered otherwise when it is asked again.
    fn is_passing(&self) -> bool {
        match self.status {
            None | Some(429 | 500..) => true,
            Some(_) => false,
        }
    }

    /// How long it is worth while to wait.
    pub(super) fn wait(&self, otherwise: Duration) -> Duration {
        self.retry_after.unwrap_or(otherwise).min(LONGEST_WAIT)
    }

    fn told(&self) -> String {
        let status = self.status.map_or("no answer".to_owned(), |status| status.to_string());
        match &self.code {
            Some(code) => format!("{status} {code}"),
            None => status,
        }
    }
}

impl Api {
    pub(super) fn new(url: &str) -> Result<Self> {
        let client = Client::builder().no_proxy().timeout(PATIENCE).build();
        let client = client.context("the HTTP client cannot be made")?;
        Ok(Self { client, base: format!("{url}/api/ai/async") })
    }

    /// Asks once.
    pub(super) async fn ask(
        &self,
        run: &Run,
        token: &str,
        (method, route, path): (Method, &str, &str),
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let mut request = self.client.request(method, format!("{}/{path}", self.base));
        request = request.bearer_auth(token);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let from_ms = run.now_ms();
        let answer = read(request).await;
        run.answered(route, answer.told());
        if matches!(answer.status, None | Some(500..=502 | 504..)) {
            run.trouble(Trouble {
                route: route.to_owned(),
                status: answer.status,
                code: answer.code.clone(),
                from_ms,
                until_ms: run.now_ms(),
            });
        }
        answer
    }

    /// Asks again, while the answer may still be another, as long as clients watch.
    pub(super) async fn ask_patiently(
        &self,
        run: &Run,
        token: &str,
        what: (Method, &str, &str),
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        loop {
            let answer = self.ask(run, token, what.clone(), key, body).await;
            if !answer.is_passing() || run.is_past() {
                return answer;
            }
            sleep(answer.wait(Duration::from_secs(1))).await;
        }
    }
}

async fn read(request: reqwest::RequestBuilder) -> Answer {
    let Ok(response) = request.send().await else { return Answer::default() };
    let status = Some(response.status().as_u16());
    let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = header.and_then(|it| it.trim().parse().ok()).map(Duration::from_secs);
    let Ok(text) = response.text().await else { return Answer::default() };
    let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
    // The gateway's own words have no envelope.
    let is_ours = body["success"].is_boolean();
    let code = body["error"]["code"].as_str().filter(|_| is_ours).map(str::to_owned);
    Answer { status, code, data: body["data"].take(), retry_after }
}
