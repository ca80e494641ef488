//! How AWS is spoken to: by whose credentials, in which region, and how long a call may take.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_lambda::config::{SharedCredentialsProvider, SharedHttpClient};
use aws_smithy_http_client::{Builder, Connector, proxy::ProxyConfig, tls};

use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};

use super::super::words::quoted;
use crate::stack::StackEnv;

/// How long connecting may take.
pub(super) const CONNECT: Duration = Duration::from_secs(3);
/// How long a call may take in which nothing is invoked, with its retries.
const QUICK: Duration = Duration::from_secs(15);

/// How AWS is spoken to.
pub(super) struct Access {
    pub config: SdkConfig,
    pub region: String,
    /// The profile that was named, if one was.
    pub profile: Option<String>,
    /// How a command of this program begins that asks the same stack.
    pub command: String,
}

impl Access {
    /// As the options say, or else the shell's environment and the files in `~/.aws`.
    pub(super) async fn load(
        profile: Option<&str>,
        region: Option<&str>,
        command: String,
    ) -> Result<Self> {
        ensure!(
            std::env::var("AWS_ENDPOINT_URL").map_or(true, |url| !url.is_empty()),
            "AWS_ENDPOINT_URL is set, and empty: unset it, and AWS itself is asked"
        );
        let client = http_client();
        let limits =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(QUICK).build();
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(client.clone())
            .retry_config(retries())
            .timeout_config(limits)
            // A function thinks for as long as its time limit lets it, and sends nothing meanwhile.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region.to_owned()));
        }
        let mut config = loader.load().await;
        let region = config.region().map(ToString::to_string).context(
            "no region is named: give --region (or AWS_REGION), or set it in the profile with \
             `aws configure set region`",
        )?;
        if let Some(profile) = profile {
            config = by_profile(&config, client, profile);
        }
        let profile = profile
            .map(str::to_owned)
            .or_else(|| std::env::var("AWS_PROFILE").ok().filter(|name| !name.is_empty()));
        Ok(Self { config, region, profile, command })
    }

    /// The gateway of the stack on this machine.
    pub(super) fn local(env: &StackEnv, command: String) -> Self {
        let keys =
            Credentials::new(&env.access_key_id, &env.secret_access_key, None, None, "aigen");
        Self::with_keys(&env.gateway_url, keys, env.region.clone(), command)
    }

    /// A double on loopback.
    #[cfg(test)]
    pub(super) fn of_test(url: &str) -> Self {
        let keys = Credentials::new("a", "b", None, None, "test");
        Self::with_keys(url, keys, "eu-west-1".to_owned(), "aigen".to_owned())
    }

    fn with_keys(url: &str, keys: Credentials, region: String, command: String) -> Self {
        let limits =
            TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(QUICK).build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .http_client(http_client())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .timeout_config(limits)
            .endpoint_url(url)
            .build();
        Self { config, region, profile: None, command }
    }

    /// The options that have the AWS CLI ask the same place.
    pub(super) fn options(&self) -> String {
        let region = format!(" --region {}", quoted(&self.region));
        match &self.profile {
            Some(profile) => format!("{region} --profile {}", quoted(profile)),
            None => region,
        }
    }
}

/// The named profile alone. The usual chain would take keys of the environment first, and so ask
/// another account than the one that was named.
fn by_profile(config: &SdkConfig, client: SharedHttpClient, profile: &str) -> SdkConfig {
    let around = ProviderConfig::without_region()
        .with_http_client(client)
        .with_region(config.region().cloned());
    let provider =
        ProfileFileCredentialsProvider::builder().configure(&around).profile_name(profile).build();
    let provider = SharedCredentialsProvider::new(provider);
    config.to_builder().credentials_provider(provider).build()
}

/// For what changes nothing: tried again after a lost connection or a throttle.
pub(super) fn retries() -> RetryConfig {
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200))
}

/// Through the proxy that the environment names, as the AWS CLI goes.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut builder = Connector::builder();
        builder.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            builder.set_sleep_impl(components.sleep_impl());
        }
        builder
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .build()
    })
}
