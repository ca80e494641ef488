//! `sam deploy` to the gateway, and what it gave: the outputs, remembered together with the gateway
//! they live in.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::aws_api::AwsApi;
use super::command;
use super::gateway::REGION;
use super::gateway_key::GatewayKey;
use super::http;
use super::instance::Instance;
use super::postgres;
use super::process::Record;
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use super::tools::Tools;

/// The stack's name in samconfig.toml.
const STACK: &str = "aigen";

/// What is deployed, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Deployment {
    /// Of the artifacts and of the database they were pointed at.
    fingerprint: String,
    /// The gateway whose memory holds it.
    gateway_pid: i32,
    gateway_start_ticks: u64,
    pub outputs: Outputs,
}

/// The stack's outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
pub(super) struct Outputs {
    pub api_id: String,
    pub state_machine_arn: String,
    pub user_pool_id: String,
    pub user_pool_client_id: String,
    pub database_secret_arn: String,
}

impl Deployment {
    /// The remembered deployment, if that very gateway is meant.
    pub(super) fn read(instance: &Instance, gateway: &Record) -> Option<Self> {
        let text = fs::read_to_string(file(instance)).ok()?;
        serde_json::from_str(&text).ok().filter(|deployment: &Self| {
            deployment.gateway_pid == gateway.pid
                && deployment.gateway_start_ticks == gateway.start_ticks
        })
    }
}

/// Whether a deployment to this gateway was begun and not finished, so that nobody knows what is in
/// it.
pub(super) fn is_half_made(instance: &Instance, gateway: &Record) -> bool {
    begun_file(instance).exists() && Deployment::read(instance, gateway).is_none()
}

/// Deploys, if what is deployed is not what is built.
pub(super) async fn ensure(
    instance: &Instance,
    tools: &Tools,
    gateway: &Record,
    artifacts: &str,
    reporter: &Reporter,
) -> Result<Deployment> {
    let secret = database_secret(instance)?;
    let fingerprint = Fingerprint::new().text(artifacts).text(&secret.to_string()).finish();
    if let Some(deployment) = Deployment::read(instance, gateway)
        && deployment.fingerprint == fingerprint
    {
        return Ok(deployment);
    }
    stamp::write_whole(&begun_file(instance), "")?;
    stamp::remove(&file(instance))?;
    let deployment = reporter
        .step("Deploying the stack to the gateway (sam deploy)", async {
            deploy(instance, tools).await?;
            let outputs = outputs(instance, tools).await?;
            put_secret(instance, &outputs.database_secret_arn, &secret).await?;
            check_api(instance, &outputs.api_id).await?;
            Ok(Deployment {
                fingerprint,
                gateway_pid: gateway.pid,
                gateway_start_ticks: gateway.start_ticks,
                outputs,
            })
        })
        .await?;
    stamp::write_whole(&file(instance), &serde_json::to_string_pretty(&deployment)?)?;
    stamp::remove(&begun_file(instance))?;
    Ok(deployment)
}

/// Where the API answers: a path of the gateway, since a name such as `{id}.execute-api.localhost`
/// does not resolve outside browsers.
pub(super) fn api_url(instance: &Instance, api_id: &str) -> String {
    format!("{}/_aws/execute-api/{api_id}/$default", instance.gateway_url())
}

fn file(instance: &Instance) -> PathBuf {
    instance.dir.join("deployment.json")
}

fn begun_file(instance: &Instance) -> PathBuf {
    instance.dir.join("deployment.begun")
}

async fn deploy(instance: &Instance, tools: &Tools) -> Result<()> {
    let mut sam = pointed_at_gateway(command::clean(tools.all_bin().join("sam")), instance)?;
    sam.args(["deploy", "--config-env", "local"]);
    command::run(sam, "sam deploy", &instance.logs().join("sam-deploy.log")).await
}

async fn outputs(instance: &Instance, tools: &Tools) -> Result<Outputs> {
    let mut aws = pointed_at_gateway(command::clean(tools.all_bin().join("aws")), instance)?;
    aws.args(["cloudformation", "describe-stacks", "--stack-name", STACK, "--output", "json"]);
    let text = command::output(aws, "reading the stack's outputs").await?;
    let answer: Value =
        serde_json::from_str(&text).context("the stack's description is not JSON")?;
    parse_outputs(&answer)
}

fn parse_outputs(answer: &Value) -> Result<Outputs> {
    let list = answer["Stacks"][0]["Outputs"].as_array().context("the stack has no outputs")?;
    let output = |key: &str| {
        list.iter()
            .find(|output| output["OutputKey"] == key)
            .and_then(|output| output["OutputValue"].as_str())
            .map(str::to_owned)
            .with_context(|| format!("the stack has no output {key}"))
    };
    let api = output("ApiUrl")?;
    let host = api.split_once("://").map_or(api.as_str(), |(_, rest)| rest);
    let api_id = host.split(['.', '/', ':']).next().unwrap_or_default().to_owned();
    ensure!(!api_id.is_empty(), "no API id can be read from ApiUrl {api:?}");
    Ok(Outputs {
        api_id,
        state_machine_arn: output("StateMachineArn")?,
        user_pool_id: output("UserPoolId")?,
        user_pool_client_id: output("UserPoolClientId")?,
        database_secret_arn: output("DatabaseSecretArn")?,
    })
}

/// As RDS writes it.
fn database_secret(instance: &Instance) -> Result<Value> {
    Ok(json!({
        "engine": "postgres",
        "host": "127.0.0.1",
        "port": instance.ports.postgres,
        "dbname": postgres::NAME,
        "username": postgres::NAME,
        "password": postgres::password(instance)?,
    }))
}

async fn put_secret(instance: &Instance, arn: &str, secret: &Value) -> Result<()> {
    let request = json!({
        "SecretId": arn,
        "SecretString": secret.to_string(),
        // Secrets Manager wants one of its callers; the same secret may be put again under the same
        // token.
        "ClientRequestToken": Fingerprint::new().text(&secret.to_string()).finish(),
    });
    AwsApi::new(&instance.gateway_url(), &GatewayKey::read(instance)?)?
        .call("secretsmanager", "secretsmanager.PutSecretValue", &request)
        .await
        .context("the database secret cannot be put")?;
    Ok(())
}

/// The API answers, and its authorizer refuses who has no token.
async fn check_api(instance: &Instance, api_id: &str) -> Result<()> {
    let url = format!("{}/api/ai/async/history", api_url(instance, api_id));
    let answer = http::client()?.get(&url).timeout(Duration::from_secs(20)).send().await;
    let status = answer.with_context(|| format!("the API does not answer at {url}"))?.status();
    ensure!(
        status.as_u16() == 401,
        "the API at {url} should refuse a request without a token, but answers {status}"
    );
    Ok(())
}

fn pointed_at_gateway(mut command: Command, instance: &Instance) -> Result<Command> {
    let key = GatewayKey::read(instance)?;
    command
        .current_dir(&instance.root)
        .env("AWS_ENDPOINT_URL", instance.gateway_url())
        .env("AWS_ACCESS_KEY_ID", key.id)
        .env("AWS_SECRET_ACCESS_KEY", key.secret)
        .env("AWS_DEFAULT_REGION", REGION);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(api: &str) -> Value {
        let output = |key: &str, value: &str| json!({"OutputKey": key, "OutputValue": value});
        json!({"Stacks": [{"Outputs": [
            output("ApiUrl", api),
            output("StateMachineArn", "arn:m"),
            output("UserPoolId", "pool"),
            output("UserPoolClientId", "client"),
            output("DatabaseSecretArn", "arn:s"),
        ]}]})
    }

    #[test]
    fn the_api_id_is_the_first_label_of_its_host() {
        for api in [
            "https://ab12.execute-api.us-east-1.amazonaws.com",
            "http://ab12.execute-api.localhost:4566/",
        ] {
            assert_eq!(parse_outputs(&described(api)).unwrap().api_id, "ab12");
        }
    }

    #[test]
    fn a_missing_output_is_named() {
        let error = parse_outputs(&json!({"Stacks": [{"Outputs": []}]})).unwrap_err().to_string();
        assert!(error.contains("ApiUrl"), "{error}");
    }
}
