//! AWS's JSON protocol, spoken to the gateway directly: a call takes a millisecond where starting
//! the AWS CLI takes a second.

use std::time::SystemTime;

use anyhow::{Context, Result};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use serde_json::Value;

use super::gateway::REGION;
use super::gateway_key::GatewayKey;
use super::http;

/// A client of the gateway.
pub(super) struct AwsApi {
    client: Client,
    url: String,
    credentials: Credentials,
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
    pub(super) fn new(gateway_url: &str, key: &GatewayKey) -> Result<Self> {
        let credentials = Credentials::new(&key.id, &key.secret, None, None, "aigen");
        Ok(Self { client: http::client()?, url: format!("{gateway_url}/"), credentials })
    }

    /// Calls `target` (as in the header `X-Amz-Target`). A refusal by the service is a [`Refusal`]
    /// in the error.
    pub(super) async fn call(&self, service: &str, target: &str, request: &Value) -> Result<Value> {
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target)];
        Ok(self.send(service, Method::POST, "", &headers, request.to_string()).await?.1)
    }

    /// Reads from a service that speaks REST with JSON, such as Lambda.
    pub(super) async fn get(&self, service: &str, path: &str) -> Result<Value> {
        Ok(self.send(service, Method::GET, path, &[], String::new()).await?.1)
    }

    /// Calls a service that speaks REST with JSON, such as Lambda.
    pub(super) async fn put(&self, service: &str, path: &str, json: String) -> Result<Value> {
        let headers = [("content-type", "application/json")];
        Ok(self.send(service, Method::PUT, path, &headers, json).await?.1)
    }

    /// Invokes the function `name` of Lambda and gives what it answers. A function that broke is an
    /// error; one that refuses has answered.
    pub(super) async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        let path = format!("2015-03-31/functions/{name}/invocations");
        let headers = [("content-type", "application/json")];
        let (headers, answer) =
            self.send("lambda", Method::POST, &path, &headers, payload.to_string()).await?;
        match headers.get("x-amz-function-error") {
            None => Ok(answer),
            Some(_) => Err(broken(name, &answer)),
        }
    }

    async fn send(
        &self,
        service: &str,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: String,
    ) -> Result<(HeaderMap, Value)> {
        let url = format!("{}{path}", self.url);
        let signable = SignableRequest::new(
            method.as_str(),
            &url,
            headers.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )?;
        let proof = self
            .proof(service, signable, now())
            .context("a call of the AWS gateway cannot be signed")?;
        let mut request = self.client.request(method, &url).headers(proof).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.context("the AWS gateway does not answer")?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.text().await.context("the AWS gateway's answer broke off")?;
        if status.is_success() {
            if body.is_empty() {
                return Ok((headers, Value::Null));
            }
            let answer =
                serde_json::from_str(&body).context("the AWS gateway's answer is not JSON")?;
            return Ok((headers, answer));
        }
        Err(refusal(&body).map_or_else(
            || anyhow::anyhow!("the AWS gateway answers {status}: {body}"),
            Into::into,
        ))
    }

    /// The headers that prove who calls.
    fn proof(
        &self,
        service: &str,
        request: SignableRequest<'_>,
        at: SystemTime,
    ) -> Result<HeaderMap> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(service)
            .time(at)
            .settings(SigningSettings::default())
            .build()?
            .into();
        let (instructions, _) = sign(request, &params)?.into_parts();
        instructions
            .headers()
            .map(|(name, value)| Ok((name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?)))
            .collect()
    }
}

/// This is an edge: a signature holds for minutes, so it names the time.
fn now() -> SystemTime {
    SystemTime::now()
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

/// A function that did not answer but broke, by what the Lambda runtime says of it.
fn broken(name: &str, answer: &Value) -> anyhow::Error {
    let part = |part: &str| answer[part].as_str().unwrap_or_default();
    anyhow::anyhow!("{name} broke with {}: {}", part("errorType"), part("errorMessage"))
}

#[cfg(test)]
mod tests {
    use axum::{Json, Router, extract::Path, http::HeaderMap as Headers, routing::post};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_known_by_its_short_name() {
        for name in ["UserNotFoundException", "com.amazonaws.cognito#UserNotFoundException"] {
            let body = format!(r#"{{"__type":"{name}","message":"no"}}"#);
            assert_eq!(refusal(&body).unwrap().code, "UserNotFoundException");
        }
        assert!(refusal("<html>").is_none());
    }

    /// A Lambda with one function that answers its payload, and one that breaks.
    async fn lambda() -> AwsApi {
        let invoke = async |Path(name): Path<String>,
                            headers: Headers,
                            Json(payload): Json<Value>| {
            let signed = headers["authorization"].to_str().unwrap();
            assert!(signed.contains("/us-east-1/lambda/aws4_request"), "{signed}");
            if name == "echo" {
                ([("x-amz-executed-version", "$LATEST")], Json(payload))
            } else {
                let error = json!({"errorType": "Runtime.ExitError", "errorMessage": "it died"});
                ([("x-amz-function-error", "Unhandled")], Json(error))
            }
        };
        let routes = Router::new().route("/2015-03-31/functions/{name}/invocations", post(invoke));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        AwsApi::new(&url, &GatewayKey { id: "AKIA".to_owned(), secret: "s".to_owned() }).unwrap()
    }

    #[tokio::test]
    async fn an_invocation_gives_what_the_function_answers() {
        let payload = json!({"action": "capacity"});
        assert_eq!(lambda().await.invoke("echo", &payload).await.unwrap(), payload);
    }

    #[tokio::test]
    async fn a_function_that_broke_has_not_answered() {
        let error = lambda().await.invoke("reconciler", &json!({})).await.unwrap_err();
        assert_eq!(error.to_string(), "reconciler broke with Runtime.ExitError: it died");
    }
}
