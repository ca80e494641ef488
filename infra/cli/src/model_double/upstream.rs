//! A real model behind an OpenAI-compatible server (Ollama, vLLM, llama.cpp): where it is, and
//! asking it.

use std::time::Duration;

use reqwest::{Client, Url};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::{exceptions::ErrorKind, openai, wire::Reply};

/// How long a connection may take; an answer may take as long as its client waits.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How much of an error's body is worth showing.
const SHOWN_CHARACTERS: usize = 500;

/// An exception of Bedrock with its message.
pub type Refusal = (ErrorKind, String);

/// The server.
#[derive(Debug)]
pub struct Upstream {
    client: Client,
    /// Ends in a slash.
    base: Url,
    /// The model's name there: the one that was given, or else the first that the server names.
    model: OnceCell<String>,
}

/// Reads where a server is. A URL without a path means the usual one, `/v1`.
///
/// # Errors
///
/// One sentence, when it is no such URL.
pub fn base_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("\"{text}\" is no URL: {error}"))?;
    if url.scheme() != "http" {
        return Err(format!(
            "\"{}:\" is not spoken here: a model server is reached by http, as those on one's own \
             machine are",
            url.scheme()
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL of a model server must hold no name and no password: \
                    it is written down and shown"
            .to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("the URL of a model server ends with its path".to_owned());
    }
    let path = match url.path().trim_end_matches('/') {
        "" => "/v1",
        path => path,
    };
    let mut base = url.clone();
    base.set_path(&format!("{path}/"));
    Ok(base)
}

impl Upstream {
    /// The server at `base`, which is past any proxy.
    pub fn new(base: Url, model: Option<String>) -> reqwest::Result<Self> {
        let client = Client::builder()
            .no_proxy()
            // Only the server that was named is ever reached.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_PATIENCE)
            .build()?;
        Ok(Self { client, base, model: OnceCell::new_with(model) })
    }

    /// Asks the server what a Converse request asks. Gives its reply and what it says that it used.
    pub async fn ask(&self, converse: &[u8]) -> Result<(Reply, Option<(u64, u64)>), Refusal> {
        let converse: Value = serde_json::from_slice(converse)
            .map_err(|error| (ErrorKind::Validation, error.to_string()))?;
        let model = self.model.get_or_try_init(|| self.first_model()).await?;
        let body = openai::request(&converse, model).map_err(|why| (ErrorKind::Validation, why))?;
        let answer = self.send(self.client.post(self.at("chat/completions")).json(&body)).await?;
        openai::reply(&answer).map_err(|why| (ErrorKind::ModelError, why))
    }

    async fn first_model(&self) -> Result<String, Refusal> {
        let models = self.send(self.client.get(self.at("models"))).await?;
        let name = models.pointer("/data/0/id").and_then(Value::as_str);
        name.map(str::to_owned).ok_or_else(|| {
            let why = format!("The server at {} has no model.", self.base);
            (ErrorKind::ResourceNotFound, why)
        })
    }

    fn at(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Refusal> {
        let answer = request.send().await.map_err(|error| {
            let why =
                format!("The model server at {} does not answer: {}", self.base, told(&error));
            (ErrorKind::ServiceUnavailable, why)
        })?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| {
            let why = format!("The model server's answer broke off: {}", told(&error));
            (ErrorKind::ServiceUnavailable, why)
        })?;
        let body: Option<Value> = serde_json::from_str(&text).ok();
        match body {
            Some(body) if status.is_success() => Ok(body),
            body => {
                let said = body.as_ref().and_then(openai::error_message).unwrap_or(&text);
                let said: String = said.chars().take(SHOWN_CHARACTERS).collect();
                let kind = if status.is_success() {
                    ErrorKind::ModelError
                } else {
                    openai::error(status.as_u16())
                };
                Err((kind, format!("The model server answered {status}: {said}")))
            }
        }
    }
}

/// An error with its cause, which is where reqwest says what happened.
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_usual_one() {
        for (given, base) in [
            ("http://127.0.0.1:11434", "http://127.0.0.1:11434/v1/"),
            ("http://127.0.0.1:11434/", "http://127.0.0.1:11434/v1/"),
            ("http://gpu.lan:8000/v1", "http://gpu.lan:8000/v1/"),
            ("http://localhost/openai/v1/", "http://localhost/openai/v1/"),
        ] {
            assert_eq!(base_url(given).unwrap().as_str(), base);
        }
    }

    #[test]
    fn what_is_no_plain_http_url_is_refused_with_a_reason() {
        for (given, why) in [
            ("127.0.0.1:11434", "no URL"),
            ("https://api.example/v1", "https"),
            ("http://me:secret@localhost/v1", "password"),
            ("http://localhost/v1?key=secret", "path"),
            ("", "no URL"),
        ] {
            let error = base_url(given).unwrap_err();
            assert!(error.contains(why), "{given}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
