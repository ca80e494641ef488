//! The AWS gateway: ministack, which runs the functions as its own children. They inherit its
//! environment, so what they need to find the stack is set here.
//!
//! It runs behind the guard of infra/gateway, because it lets any web page in by itself, and with
//! its checks of IAM policies on.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::command;
use super::gateway_key::GatewayKey;
use super::health;
use super::http;
use super::instance::Instance;
use super::part::Part;
use super::ports;
use super::postgres;
use super::private;
use super::process;
use super::record::Record;
use super::report::Reporter;
use super::stamp::Fingerprint;
use super::tools::Tools;

/// Where the stack is deployed; the `local` environment of samconfig.toml says the same.
pub(super) const REGION: &str = "us-east-1";
/// Starts ministack and guards it.
const PROGRAM: &str = "infra/gateway/guarded.py";

/// Starts the gateway, unless it runs. Its state is in memory: whoever finds another record deploys
/// again.
pub(super) async fn ensure(
    instance: &Instance,
    tools: &Tools,
    reporter: &Reporter,
) -> Result<Record> {
    let key = GatewayKey::ensure(instance)?;
    let config = Fingerprint::new()
        .text(&instance.gateway_url())
        .text(&instance.model_url())
        .text(&key.id)
        .text(&key.secret)
        .tree(&instance.root, PROGRAM)?
        .tree(&instance.root, "infra/requirements/gateway.txt")?
        .finish();
    if let Some(record) = Record::read(&instance.dir, Part::Gateway)
        && record.is_alive()
        && record.config == config
    {
        return Ok(record);
    }
    process::end(instance, Part::Gateway).await?;
    ports::ensure_free(Part::Gateway, instance.ports.gateway)?;
    let what = format!("Starting the AWS gateway on {}", instance.gateway_url());
    reporter.step(&what, start(instance, tools, &key, &config)).await
}

async fn start(
    instance: &Instance,
    tools: &Tools,
    key: &GatewayKey,
    config: &str,
) -> Result<Record> {
    let state = scratch(instance);
    // What a gateway remembers of roles ends with it, and so does what they called.
    private::write(&calls_file(instance), "")?;
    let mut command = command::clean(tools.gateway_python());
    command
        .arg(instance.root.join(PROGRAM))
        .env("AUTH", "true")
        .env("GATEWAY_PORT", instance.ports.gateway.to_string())
        .env("CALLS_FILE", calls_file(instance))
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", &key.id)
        .env("AWS_SECRET_ACCESS_KEY", &key.secret)
        .env("AWS_ENDPOINT_URL", instance.gateway_url())
        .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", instance.model_url())
        // Listeners and folders that two stacks on one machine would share.
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        .env("TMPDIR", &state)
        .env("S3_DATA_DIR", state.join("s3"))
        .env("STATE_DIR", state.join("state"))
        // Functions trust the authority of the stack's database besides the public ones.
        .env("DATABASE_CA_FILE", postgres::authority_file(instance))
        // A function that misses its database must not find the one of the person's shell.
        .env_remove("DATABASE_URL")
        .env("PYTHONUNBUFFERED", "1");
    let record = process::start(instance, Part::Gateway, &mut command, config)?;
    let client = http::client()?;
    let url = format!("{}/_ministack/ready", instance.gateway_url());
    health::wait(instance, Part::Gateway, &record, Duration::from_secs(90), || {
        http::ask(&client, &url)
    })
    .await?;
    Ok(record)
}

/// What the functions' roles have called, a line of JSON for each action and resource.
pub(super) fn calls_file(instance: &Instance) -> PathBuf {
    instance.dir.join("calls.jsonl")
}

fn scratch(instance: &Instance) -> PathBuf {
    instance.dir.join("tmp")
}
