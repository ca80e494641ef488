//! AWS's JSON protocol, spoken to the gateway directly: a call takes a millisecond where starting
//! the AWS CLI takes a second. The gateway does not check signatures, so the header only says which
//! service is meant.

use anyhow::{Context, Result};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::gateway::{CREDENTIAL, REGION};
use super::http;

/// A client of the gateway.
pub(super) struct AwsApi {
    client: Client,
    url: String,
}

/// A refusal: AWS's name for it, and its message.
#[derive(Debug)]
pub(super) struct Refusal {
    pub code: String,
    message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Refusal {}

impl AwsApi {
    pub(super) fn new(gateway_url: &str) -> Result<Self> {
        Ok(Self { client: http::client()?, url: format!("{gateway_url}/") })
    }

    /// Calls `target` (as in the header `X-Amz-Target`). A refusal by the service is a [`Refusal`]
    /// in the error.
    pub(super) async fn call(&self, service: &str, target: &str, request: &Value) -> Result<Value> {
        let request = self
            .client
            .post(&self.url)
            .header("Content-Type", "application/x-amz-json-1.1")
            .header("X-Amz-Target", target)
            .body(request.to_string());
        send(request, service).await
    }

    /// Calls a service that speaks REST with JSON, such as Lambda.
    pub(super) async fn put(&self, service: &str, path: &str, json: String) -> Result<Value> {
        let request = self
            .client
            .put(format!("{}{path}", self.url))
            .header("Content-Type", "application/json")
            .body(json);
        send(request, service).await
    }
}

async fn send(request: RequestBuilder, service: &str) -> Result<Value> {
    let scope = format!("{CREDENTIAL}/20260101/{REGION}/{service}/aws4_request");
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
    let answer = request
        .header("Authorization", authorization)
        .send()
        .await
        .context("the AWS gateway does not answer")?;
    let status = answer.status();
    let body = answer.text().await.context("the AWS gateway's answer broke off")?;
    if status.is_success() {
        if body.is_empty() {
            return Ok(Value::Null);
        }
        return serde_json::from_str(&body).context("the AWS gateway's answer is not JSON");
    }
    Err(refusal(&body)
        .map_or_else(|| anyhow::anyhow!("the AWS gateway answers {status}: {body}"), Into::into))
}

fn refusal(body: &str) -> Option<Refusal> {
    let body: Value = serde_json::from_str(body).ok()?;
    let name = body["__type"].as_str()?;
    Some(Refusal {
        code: name.rsplit('#').next().unwrap_or(name).to_owned(),
        message: body["message"]
            .as_str()
            .or_else(|| body["Message"].as_str())
            .unwrap_or_default()
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_short_name() {
        for name in ["UserNotFoundException", "com.amazonaws.cognito#UserNotFoundException"] {
            let body = format!(r#"{{"__type":"{name}","message":"no"}}"#);
            assert_eq!(refusal(&body).unwrap().code, "UserNotFoundException");
        }
        assert!(refusal("<html>").is_none());
    }
}
