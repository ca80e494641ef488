//! What AWS says of what is deployed. Nothing changes by asking.

use std::io::{Cursor, Read};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use aws_sdk_lambda::types::FunctionConfiguration;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Connector, tls};
use aws_smithy_runtime_api::client::http::HttpConnector;
use aws_smithy_runtime_api::http::Request;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use serde_json::{Value, json};
use tokio::time::timeout;
use zip::ZipArchive;

use super::Account;
use super::trouble::Attempt;
use crate::envelope::Refusal;
use crate::manifest;

/// How long a zip may take to come.
const PATIENCE: Duration = Duration::from_mins(2);
/// The most bytes that Lambda lets a function have, unpacked.
const LARGEST: u64 = 250 * 1024 * 1024;

/// One version of a function, as it is deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Running {
    /// `$LATEST`, or a number.
    pub version: String,
    /// How many of a hundred calls go to it.
    pub percent: u8,
    pub code_sha256: String,
    pub architecture: String,
    pub runtime: String,
    pub handler: String,
    pub layers: Vec<String>,
    /// Where its zip can be had, for minutes.
    location: Option<String>,
}

impl Account {
    /// The versions of the function `name` that calls by `alias` reach; without one, the newest
    /// code.
    pub(in super::super) async fn running(
        &self,
        name: &str,
        alias: Option<&str>,
    ) -> Result<Vec<Running>> {
        let deployed = format!("{}{name}", self.prefix);
        let Some(alias) = alias else {
            return Ok(vec![self.version(&deployed, None, 100).await?]);
        };
        let attempt = self.asking("lambda:GetAlias", format!("{deployed}:{alias}"));
        let asked = self.lambda.get_alias().function_name(&deployed).name(alias).send().await;
        let found = asked.map_err(|error| attempt.failed(&error))?;
        let first = found.function_version().context("the alias names no version")?;
        let mut others = Vec::new();
        let shifting = found.routing_config().and_then(|it| it.additional_version_weights());
        for (version, weight) in shifting.into_iter().flatten() {
            others.push((version.clone(), percent(*weight)));
        }
        others.sort();
        let shifted: u8 = others.iter().map(|(_, percent)| percent).sum();
        let mut running =
            vec![self.version(&deployed, Some(first), 100_u8.saturating_sub(shifted)).await?];
        for (version, percent) in others {
            running.push(self.version(&deployed, Some(&version), percent).await?);
        }
        Ok(running)
    }

    async fn version(&self, deployed: &str, version: Option<&str>, percent: u8) -> Result<Running> {
        let attempt = self.asking("lambda:GetFunction", deployed.to_owned());
        let ask = self.lambda.get_function().function_name(deployed);
        let asked = ask.set_qualifier(version.map(str::to_owned)).send().await;
        let found = asked.map_err(|error| attempt.failed(&error))?;
        let location = found.code().and_then(|code| code.location()).map(str::to_owned);
        let about = found.configuration().with_context(|| format!("{deployed} has no settings"))?;
        Ok(read(about, percent, location))
    }

    /// SHA-256, in hexadecimal, of the program in the zip that a version has.
    pub(in super::super) async fn program_sha256(&self, running: &Running) -> Result<String> {
        let location =
            running.location.as_ref().context("Lambda does not say where its code is")?;
        let zip = timeout(PATIENCE, download(location)).await;
        let zip = zip.map_err(|_| anyhow!("its code did not come in {} s", PATIENCE.as_secs()))?;
        let program = unpacked(&zip.context("its code cannot be fetched")?)?;
        Ok(manifest::hex(&program))
    }

    /// The definition of the state machine.
    pub(in super::super) async fn definition(&self) -> Result<Value> {
        let arn = self.machine.as_ref().context("the stack has no output StateMachineArn")?;
        let client = aws_sdk_sfn::Client::new(&self.access.config);
        let attempt = self.asking("states:DescribeStateMachine", arn.clone());
        let asked = client.describe_state_machine().state_machine_arn(arn).send().await;
        let found = asked.map_err(|error| attempt.failed(&error))?;
        serde_json::from_str(found.definition()).context("the definition is not JSON")
    }

    /// The newest migration that the deployed migrator knows.
    pub(in super::super) async fn newest_migration(&self) -> Result<i64> {
        let envelope = self.invoke("migrator", &json!({ "dryRun": true })).await?;
        if let Some(refusal) = Refusal::of(&envelope) {
            return Err(refusal.by("the migrator refused with"));
        }
        let newest = envelope["data"]["newest"].as_i64();
        newest.with_context(|| format!("the migrator answered otherwise than known: {envelope}"))
    }

    fn asking(&self, action: &'static str, of: String) -> Attempt<'_> {
        Attempt { access: &self.access, action, of, changes: false }
    }
}

/// As Lambda names a version's share: a part of one.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is brought between 0 and 100 first"
)]
fn percent(weight: f64) -> u8 {
    (weight * 100.0).round().clamp(0.0, 100.0) as u8
}

fn read(about: &FunctionConfiguration, percent: u8, location: Option<String>) -> Running {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let first = about.architectures().first();
    let layers = about.layers().iter().filter_map(|layer| layer.arn());
    Running {
        version: text(about.version()),
        percent,
        code_sha256: text(about.code_sha256()),
        // One that names none is for this.
        architecture: first.map_or("x86_64", |it| it.as_str()).to_owned(),
        runtime: text(about.runtime().map(aws_sdk_lambda::types::Runtime::as_str)),
        handler: text(about.handler()),
        layers: layers.map(str::to_owned).collect(),
        location,
    }
}

/// What is at a signed address, which is not to be shown to anyone.
async fn download(url: &str) -> Result<Vec<u8>> {
    let connector = Connector::builder()
        .proxy_config(ProxyConfig::from_env())
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build();
    let mut request = Request::new(SdkBody::empty());
    request.set_uri(url).map_err(|_| anyhow!("the address is none"))?;
    let response = connector.call(request).await.map_err(|error| anyhow!("{error}"))?;
    let status = response.status();
    ensure!(status.is_success(), "HTTP {}", status.as_u16());
    let body = ByteStream::new(response.into_body()).collect().await;
    Ok(body.context("it broke off")?.into_bytes().to_vec())
}

/// The program in a function's zip.
fn unpacked(zip: &[u8]) -> Result<Vec<u8>> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).context("its code is no zip")?;
    let file = archive.by_name("bootstrap").context("its code has no bootstrap")?;
    let mut program = Vec::new();
    file.take(LARGEST).read_to_end(&mut program).context("its code cannot be unpacked")?;
    Ok(program)
}

#[cfg(test)]
impl Running {
    /// What runs where nothing is wrong, of such code.
    pub(in super::super) fn of_test(version: &str, code_sha256: &str) -> Self {
        Self {
            version: version.to_owned(),
            percent: 100,
            code_sha256: code_sha256.to_owned(),
            architecture: "arm64".to_owned(),
            runtime: "provided.al2023".to_owned(),
            handler: "bootstrap".to_owned(),
            layers: Vec::new(),
            location: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack;

    #[test]
    fn a_share_is_told_in_percent() {
        assert_eq!([0.1, 0.05, 1.0, 0.0, 7.0, -1.0].map(percent), [10, 5, 100, 0, 100, 0]);
    }

    #[test]
    fn the_program_comes_out_of_the_zip_as_it_went_in() {
        let zip = stack::packed(b"program").unwrap();
        assert_eq!(unpacked(&zip).unwrap(), b"program");
        let error = unpacked(b"no zip").unwrap_err().to_string();
        assert_eq!(error, "its code is no zip");
    }
}
