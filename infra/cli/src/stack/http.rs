//! Plain HTTP to this machine, past any proxy.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;

/// A client for the loopback interface.
pub(super) fn client() -> Result<Client> {
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .context("the HTTP client cannot be made")
}

/// Whether `url` answers with success.
pub(super) async fn ask(client: &Client, url: &str) -> Result<()> {
    let status =
        client.get(url).timeout(Duration::from_secs(5)).send().await.context("no answer")?.status();
    ensure!(status.is_success(), "the answer is {status}");
    Ok(())
}
