//! New code for a function that is there, by Lambda's `UpdateFunctionCode`.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::super::aws_api::AwsApi;
use super::super::gateway_key::GatewayKey;
use super::super::instance::Instance;

/// Gives the function `name` the code in `zip`. The gateway ends the environments that run the old
/// code, so that the next call starts one with the new.
pub(super) async fn put(instance: &Instance, name: &str, zip: &[u8]) -> Result<()> {
    // By hand: base64 needs no escapes, and looking for them in megabytes takes a second.
    let request = format!(r#"{{"ZipFile":"{}"}}"#, STANDARD.encode(zip));
    let path = format!("2015-03-31/functions/{name}/code");
    let answer = AwsApi::new(&instance.gateway_url(), &GatewayKey::read(instance)?)?
        .put("lambda", &path, request)
        .await
        .with_context(|| format!("{name} cannot be given its new code"))?;
    let digest = STANDARD.encode(Sha256::digest(zip));
    ensure!(
        answer["CodeSha256"] == digest.as_str(),
        "{name} should run the code {digest}, but the gateway says {}",
        answer["CodeSha256"]
    );
    Ok(())
}
