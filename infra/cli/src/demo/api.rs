//! The pipeline's HTTP API, as a client sees it.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use reqwest::{
    Client, RequestBuilder,
    header::{ACCEPT_LANGUAGE, HeaderMap, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::Value;

use crate::envelope::Refusal;

/// How long one request may take. A function's first start is within it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A client with a user's token.
pub struct Api {
    client: Client,
    /// Ends before `/generate`.
    base: String,
    token: String,
    language: &'static str,
}

/// A process as `GET /status` shows it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// The process id, by which the API tells its status.
    #[serde(rename = "processId")]
    pub id: String,
    /// PENDING, PROCESSING or how it ended.
    pub status: String,
    /// 0–100.
    #[serde(default)]
    pub progress: u64,
    /// Which run of the worker this is, from 1.
    #[serde(default)]
    pub attempt: u64,
    /// Why it has not begun, while it is PENDING.
    #[serde(default)]
    pub waiting: Option<Waiting>,
    /// All that the API said.
    #[serde(skip)]
    pub whole: Value,
}

/// Why a process has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Waiting {
    /// CAPACITY, `USER_LIMIT`, PAUSED or STARTING.
    pub reason: String,
    /// How many come before it.
    pub ahead: u64,
}

impl Process {
    /// Reads the `data` of an envelope.
    pub fn read(whole: Value) -> Result<Self> {
        let mut process: Self =
            serde_json::from_value(whole.clone()).context("the API's answer is not a process")?;
        process.whole = whole;
        Ok(process)
    }

    /// Whether the status is final.
    pub fn is_terminal(&self) -> bool {
        !matches!(self.status.as_str(), "PENDING" | "PROCESSING")
    }
}

/// A process, and when the API says it is worth asking again.
#[derive(Debug)]
pub struct Seen {
    /// As it is now.
    pub process: Process,
    /// Of the `Retry-After` header.
    pub retry_after: Option<Duration>,
}

impl Api {
    /// A client of the API at `api_url`; messages are in English or Japanese.
    pub fn new(api_url: &str, token: &str, english: bool) -> Result<Self> {
        let client = Client::builder().timeout(PATIENCE).build().context("no HTTP client")?;
        let base = format!("{}/api/ai/async", api_url.trim_end_matches('/'));
        Ok(Self {
            client,
            base,
            token: token.to_owned(),
            language: if english { "en" } else { "ja" },
        })
    }

    /// Submits a generation and gives its process id.
    pub async fn generate(&self, body: &Value) -> Result<String> {
        let (_, data) =
            self.send(self.client.post(format!("{}/generate", self.base)).json(body)).await?;
        let id = data.get("processId").and_then(Value::as_str);
        Ok(id.context("the API accepted the goal and named no process")?.to_owned())
    }

    /// Asks how a process is.
    pub async fn status(&self, id: &str) -> Result<Seen> {
        let (headers, data) =
            self.send(self.client.get(format!("{}/status/{id}", self.base))).await?;
        let retry_after = headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse().ok())
            .map(Duration::from_secs);
        Ok(Seen { process: Process::read(data)?, retry_after })
    }

    async fn send(&self, request: RequestBuilder) -> Result<(HeaderMap, Value)> {
        let request = request.bearer_auth(&self.token).header(ACCEPT_LANGUAGE, self.language);
        let answer = request.send().await.with_context(|| {
            format!(
                "the API at {} does not answer; `cargo aigen status` shows the stack",
                self.base
            )
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let text = answer.text().await.context("the API's answer broke off")?;
        let envelope: Value = serde_json::from_str(&text).unwrap_or_default();
        match envelope.get("data") {
            Some(data) if status.is_success() => Ok((headers, data.clone())),
            _ => bail!(refusal(status.as_u16(), &envelope, &text)),
        }
    }
}

/// Why the API said no: its code, its message and the fields that it names.
fn refusal(status: u16, envelope: &Value, text: &str) -> anyhow::Error {
    match Refusal::of(envelope) {
        None => anyhow!("the API answered {status}: {}", text.trim()),
        Some(refusal) => refusal.by(format_args!("the API answered {status}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn whole(error: &anyhow::Error) -> String {
        format!("{error:#}")
    }

    #[test]
    fn a_refusal_names_code_message_and_fields() {
        let envelope = json!({"success": false, "error": {
            "code": "VALIDATION_ERROR",
            "message": "入力が正しくありません",
            "retryable": false,
            "details": [{"field": "params.title", "message": "1〜200文字"}],
        }});
        let text = whole(&refusal(400, &envelope, ""));
        assert_eq!(
            text,
            "the API answered 400 VALIDATION_ERROR: 入力が正しくありません: params.title: 1〜200文字"
        );
    }

    #[test]
    fn an_answer_that_is_no_envelope_is_shown_with_its_status() {
        assert_eq!(
            whole(&refusal(
                401,
                &json!({"message": "Unauthorized"}),
                "{\"message\":\"Unauthorized\"}\n"
            )),
            "the API answered 401: {\"message\":\"Unauthorized\"}"
        );
    }
}
