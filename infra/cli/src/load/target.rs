//! Which API is asked, with whose tokens, and whether that is meant.

use std::fs;
use std::io::IsTerminal;
use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use reqwest::Url;

use super::LoadArgs;
use crate::stack::{self, InstanceName};
use crate::{asked, output};

/// What is asked.
#[derive(Debug)]
pub(super) struct Target {
    /// The API, up to `/api/ai/async`.
    pub(super) url: String,
    /// One of each user.
    pub(super) tokens: Vec<String>,
    /// The host, where it is another machine.
    elsewhere: Option<String>,
}

impl Target {
    /// The one that the arguments name.
    pub(super) async fn find(args: &LoadArgs, instance: InstanceName) -> Result<Self> {
        if let (Some(url), Some(file)) = (&args.url, &args.tokens) {
            let text = fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            return Self::given(url, &text, args.users.into());
        }
        let env = stack::current(instance)?;
        let mut tokens = Vec::new();
        for number in 0..args.users {
            tokens.push(stack::token(&env, &format!("load-{number}")).await?);
        }
        Ok(Self { url: env.api_url, tokens, elsewhere: None })
    }

    /// Of an address and a file of tokens. There are as many users as tokens, and no more than
    /// were asked for.
    pub(super) fn given(url: &str, tokens: &str, users: usize) -> Result<Self> {
        let address = Url::parse(url).with_context(|| format!("--url {url} is no address"))?;
        let host = address.host_str().context("--url names no host")?.to_owned();
        ensure!(
            address.query().is_none() && address.fragment().is_none() && address.username() == "",
            "--url is the API's address alone, as the stack's output ApiUrl says it"
        );
        let url = url.trim_end_matches('/').trim_end_matches("/api/ai/async");
        let is_here = is_loopback(&host);
        ensure!(
            address.scheme() == "https" || is_here,
            "--url has to begin with https://: tokens would be read on the way to {host}"
        );
        let tokens: Vec<_> = tokens.lines().map(str::trim).filter(|it| !it.is_empty()).collect();
        ensure!(!tokens.is_empty(), "--tokens names a file that is empty: one token a line");
        let tokens = tokens.into_iter().take(users).map(str::to_owned).collect();
        Ok(Self { url: url.to_owned(), tokens, elsewhere: (!is_here).then_some(host) })
    }

    /// Asks, where it is another machine. The host is typed, and not a y: who types it has read it.
    pub(super) async fn is_meant(&self, args: &LoadArgs) -> Result<bool> {
        let Some(host) = self.elsewhere.as_ref().filter(|_| !args.yes) else { return Ok(true) };
        ensure!(
            std::io::stdin().is_terminal(),
            "nobody is there to ask whether {host} is meant, and nothing was asked: add --yes"
        );
        output::aside(self.question(host, args));
        Ok(asked::typed().await?.is_some_and(|line| line == *host))
    }

    pub(super) fn question(&self, host: &str, args: &LoadArgs) -> String {
        let LoadArgs { minutes, jobs, every, .. } = args;
        let users = self.tokens.len();
        // Each job of each user begins `every` seconds after the last.
        let of_time = users * (usize::from(*minutes) * 60 / usize::from(*every) + 1);
        let most = of_time.min(usize::try_from(*jobs).unwrap_or(usize::MAX));
        format!(
            "{users} users would ask {host} for {minutes} min, for {most} jobs at most. Each asks \
             a model, which is paid for, and writes a goal and its sub-goals.\nType {host} to go \
             on:"
        )
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}
