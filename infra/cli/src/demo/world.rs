//! The world that the model double is put into for a run, and taken out of again.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

/// How long the double may take to answer its control routes.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `--world` can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum World {
    /// As a small account meets a real model: a quota, seconds of latency, and texts that are a
    /// little too short or too long.
    Real,
}

impl World {
    fn post(self) -> Value {
        match self {
            Self::Real => json!({
                "requestsPerMinute": 60,
                "burst": 10,
                "delayMs": 3_000,
                "shortText": 0.08,
                "longText": 0.02,
            }),
        }
    }

    /// The world in one line.
    pub fn told(self) -> String {
        match self {
            Self::Real => "the model answers in 3 s, 60 calls a minute and 10 at once at most; \
                           8 % of its texts are too short and 2 % too long"
                .to_owned(),
        }
    }
}

/// The double's control routes.
pub struct Double {
    client: Client,
    url: String,
}

impl Double {
    /// The double at `model_url`.
    pub fn at(model_url: &str) -> Result<Self> {
        let client =
            Client::builder().no_proxy().timeout(PATIENCE).build().context("no HTTP client")?;
        Ok(Self { client, url: format!("{model_url}/_world") })
    }

    /// Puts it into a world, instead of the one it was in.
    pub async fn put(&self, world: World) -> Result<()> {
        self.clear().await?;
        self.send(self.client.post(&self.url).json(&world.post())).await
    }

    /// Takes it out again; faults and the log of calls stay.
    pub async fn clear(&self) -> Result<()> {
        self.send(self.client.delete(&self.url)).await
    }

    async fn send(&self, request: RequestBuilder) -> Result<()> {
        let answer = request.send().await.context("the model double does not answer")?;
        let status = answer.status();
        let said = answer.text().await.unwrap_or_default();
        ensure!(status.is_success(), "the model double answered {status}: {said}");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_double::server_tests::start;

    #[tokio::test]
    async fn a_real_world_is_put_on_and_taken_away() {
        let url = start().await;
        let double = Double::at(&url).unwrap();
        let seen = async || -> Value {
            reqwest::get(format!("{url}/_world")).await.unwrap().json().await.unwrap()
        };
        double.put(World::Real).await.unwrap();
        double.put(World::Real).await.unwrap();
        assert_eq!(seen().await["posts"], json!([World::Real.post()]));
        double.clear().await.unwrap();
        assert_eq!(seen().await["posts"], json!([]));
    }

    #[test]
    fn the_line_tells_the_figures_of_the_world() {
        let (told, post) = (World::Real.told(), World::Real.post());
        let percent = |name: &str| format!("{:.0} %", post[name].as_f64().unwrap() * 100.0);
        for figure in [
            format!("{} calls a minute", post["requestsPerMinute"]),
            format!("{} at once", post["burst"]),
            format!("{} s", post["delayMs"].as_u64().unwrap() / 1_000),
            format!("{} of its texts are too short", percent("shortText")),
            format!("{} too long", percent("longText")),
        ] {
            assert!(told.contains(&figure), "{figure}: {told}");
        }
    }
}
