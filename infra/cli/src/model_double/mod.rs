//! The model double: a server that speaks Bedrock Runtime's Converse on loopback, so that the whole
//! pipeline runs without AWS.
//!
//! It answers any tool schema plausibly ([`answer`]) and goes wrong on demand ([`faults`],
//! [`nonsense`]):
//!
//! | route | does |
//! |---|---|
//! | `POST /model/{modelId}/converse` | what Bedrock does |
//! | `POST /_faults` | adds a rule: `{"delayMs":N, "throttle":N, "unavailable":N, "error":N, "garbage":N, "truncated":N, "onlyModel":"id", "match":"text"}`; `"errorType"` names the exception that `error` sends |
//! | `POST /_reset` | forgets rules and calls |
//! | `GET /_calls` | `{"total", "inFlight", "maxInFlight", "dropped", "calls":[{"model","at","outcome"}]}` |
//! | `GET /_health` | 200 |

mod answer;
mod bank;
mod bank_en;
mod bank_ja;
mod calls;
mod faults;
mod nonsense;
mod prompt;
mod server;
#[cfg(test)]
mod server_tests;
mod topic;
mod wire;

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// The environment variable with the delay of every call, in milliseconds, where no fault names
/// one.
const DELAY_VARIABLE: &str = "AIGEN_MODEL_DELAY_MS";

/// How long calls that are still waiting hold up the end of the server.
const GRACE: Duration = Duration::from_secs(1);

/// Serves on loopback until SIGTERM or Ctrl-C.
pub async fn serve(port: u16) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .with_context(|| format!("the model double cannot listen on 127.0.0.1:{port}; set AIGEN_MODEL_PORT to a free port"))?;
    let router = server::router(default_delay(std::env::var(DELAY_VARIABLE).ok().as_deref())?);
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
