//! The model double: a server that speaks Bedrock Runtime's Converse on loopback, so that the whole
//! pipeline runs without AWS.
//!
//! It answers any tool schema plausibly ([`answer`]), goes wrong on demand ([`faults`],
//! [`nonsense`]), and can be made as unkind as the real one ([`world`] says how posts add up):
//!
//! - `POST /model/{modelId}/converse` does what Bedrock does.
//! - `POST /_faults` adds a rule: `{"delayMs":N, "throttle":N, "unavailable":N, "error":N,
//!   "garbage":N, "truncated":N, "onlyModel":"id", "match":"text"}`; `"errorType"` names the
//!   exception that `error` sends.
//! - `POST /_world` adds to the world: `{"requestsPerMinute":N, "tokensPerMinute":N, "burst":N,
//!   "outputBurndown":N, "delayMs":N, "shortText":p, "longText":p, "seed":N, "onlyModel":"id",
//!   "match":"text"}`; `null` takes a field away.
//! - `POST /_world` with `{"reply":{"status":N, "headers":{}, "body":any}, "times":N,
//!   "onlyModel":"id", "match":"text"}` answers that as it stands.
//! - `GET /_world` says `{"seed", "posts", "left":{model:{"requests","tokens"}}}`.
//! - `DELETE /_world` takes the world away; rules and calls stay.
//! - `POST /_reset` forgets rules, world and calls.
//! - `GET /_calls` says `{"total", "inFlight", "maxInFlight", "dropped", "throttled",
//!   "inputTokens", "outputTokens", "calls":[{"model","at","outcome"}]}`.
//! - `GET /_health` answers 200.
//!
//! A field that is not known is refused by its name, with 400. Any request that a web page may have
//! sent is refused with 403 ([`guard`]). With `--upstream` a real model answers ([`upstream`]);
//! faults, quotas, delays and replies hold then as well, and only the slips of texts do not, since
//! the texts are not the double's.

mod answer;
mod bank;
mod bank_en;
mod bank_ja;
mod calls;
mod canned;
mod chance;
mod exceptions;
mod faults;
mod guard;
mod nonsense;
mod openai;
mod place;
mod prompt;
mod quota;
mod server;
#[cfg(test)]
pub(crate) mod server_tests;
mod slips;
mod topic;
mod upstream;
#[cfg(test)]
mod upstream_tests;
mod wire;
mod world;
#[cfg(test)]
mod world_server_tests;

use std::{
    hash::{BuildHasher, RandomState},
    net::Ipv4Addr,
    time::Duration,
};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The environment variable with the delay of every call, in milliseconds, where no fault names
/// one.
const DELAY_VARIABLE: &str = "AIGEN_MODEL_DELAY_MS";

/// How long calls that are still waiting hold up the end of the server.
const GRACE: Duration = Duration::from_secs(1);

pub(crate) use chance::{mix, unit};
pub(crate) use server::{Options, router};
pub use upstream::base_url;

/// A model that answers instead of the double.
#[derive(Debug, Default, clap::Args)]
pub struct UpstreamArgs {
    /// An OpenAI-compatible server whose model answers.
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// The model's name there; by default the first that the server names.
    #[arg(long, value_name = "NAME", requires = "upstream")]
    upstream_model: Option<String>,
}

impl UpstreamArgs {
    fn server(self) -> anyhow::Result<Option<upstream::Upstream>> {
        let Some(url) = self.upstream else { return Ok(None) };
        let base = base_url(&url).map_err(anyhow::Error::msg)?;
        upstream::Upstream::new(base, self.upstream_model).map(Some).context("no HTTP client")
    }
}

/// Serves on loopback until SIGTERM or Ctrl-C.
pub async fn serve(port: u16, upstream: UpstreamArgs) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.with_context(|| {
        format!(
            "the model double cannot listen on 127.0.0.1:{port}; \
                 set AIGEN_MODEL_PORT to a free port"
        )
    })?;
    let router = server::router(server::Options {
        delay: default_delay(std::env::var(DELAY_VARIABLE).ok().as_deref())?,
        // The hasher's keys are random for each process.
        entropy: RandomState::new().hash_one(port),
        upstream: upstream.server()?,
    });
    let (told, mut heard) = tokio::sync::watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        // An error means that nobody can tell any more: then it is the end, too.
        let _ = heard.wait_for(|over| *over).await;
    });
    let watcher = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = told.send(true);
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server.into_future() => result.context("the model double stopped"),
        () = watcher => Ok(()),
    }
}

fn default_delay(variable: Option<&str>) -> anyhow::Result<Duration> {
    let Some(text) = variable.map(str::trim).filter(|text| !text.is_empty()) else {
        return Ok(Duration::ZERO);
    };
    let milliseconds = text.parse().with_context(|| {
        format!("{DELAY_VARIABLE} must be a number of milliseconds, not \"{text}\"")
    })?;
    Ok(Duration::from_millis(milliseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_delay_is_none_or_what_the_environment_says() {
        assert_eq!(default_delay(None).unwrap(), Duration::ZERO);
        assert_eq!(default_delay(Some(" 250 ")).unwrap(), Duration::from_millis(250));
        assert!(
            default_delay(Some("fast")).unwrap_err().to_string().contains("AIGEN_MODEL_DELAY_MS")
        );
    }
}
