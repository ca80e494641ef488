//! What is deployed to the gateway: the whole stack by `sam deploy`, or, where only code has
//! changed, the changed functions by Lambda's own API. The outcome is remembered together with the
//! gateway it lives in.

mod change;
mod code;
mod sam;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::artifacts::Artifacts;
use super::aws_api::{AwsApi, Refusal};
use super::gateway_key::GatewayKey;
use super::http;
use super::instance::Instance;
use super::postgres;
use super::record::Record;
use super::report::Reporter;
use super::stamp::{self, Fingerprint};
use super::tools::Tools;
use change::Change;
use sam::Outputs;

/// What is deployed, where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Deployment {
    /// Of what is deployed besides code, and of the database that it was pointed at.
    frame: String,
    /// Each function by its logical id.
    functions: BTreeMap<String, Function>,
    /// The gateway whose memory holds it.
    gateway_pid: i32,
    gateway_start_ticks: u64,
    pub outputs: Outputs,
}

/// A deployed function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Function {
    /// As Lambda knows it.
    name: String,
    /// Fingerprint of the code that it runs. None when a change of it was begun and not finished.
    code: Option<String>,
    /// Whether the code came past `sam deploy`, which then does not know what runs.
    patched: bool,
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

    fn write(&self, instance: &Instance) -> Result<()> {
        stamp::write_whole(&file(instance), serde_json::to_string_pretty(self)?)
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
    artifacts: &Artifacts,
    reporter: &Reporter,
) -> Result<Deployment> {
    let secret = owner_secret(instance)?;
    let frame = Fingerprint::new().text(&artifacts.frame).text(&secret.to_string()).finish();
    let deployed = Deployment::read(instance, gateway);
    match change::needed(deployed, &frame, &artifacts.code) {
        Change::Nothing(deployment) => Ok(deployment),
        Change::Code(deployment, ids) => {
            let what = format!("Putting new code on the stack ({})", ids.join(", "));
            reporter.step(&what, replace_code(instance, artifacts, deployment, &ids)).await
        }
        Change::Everything(patched) => {
            stamp::write_whole(&begun_file(instance), "")?;
            let unknown = patched.is_none() && file_is_of_this_gateway(instance, gateway);
            stamp::remove(&file(instance))?;
            let whole = async {
                // Before: the deployment runs the migrations, as it does on AWS.
                let owner_secret = put_secret(instance, &secret).await?;
                sam::deploy(instance, tools, &artifacts.template, &owner_secret).await?;
                let (outputs, names) = sam::describe(instance, tools).await?;
                let mut functions = BTreeMap::new();
                for (id, code) in &artifacts.code {
                    let name = names.get(id).with_context(|| format!("{id} is not deployed"))?;
                    let patched = unknown || patched.as_ref().is_some_and(|ids| ids.contains(id));
                    if patched {
                        code::put(instance, name, &artifacts.zip(id)?).await?;
                    }
                    let function =
                        Function { name: name.clone(), code: Some(code.clone()), patched };
                    functions.insert(id.clone(), function);
                }
                check_api(instance, &outputs.api_id).await?;
                Ok(Deployment {
                    frame,
                    functions,
                    gateway_pid: gateway.pid,
                    gateway_start_ticks: gateway.start_ticks,
                    outputs,
                })
            };
            let deployment =
                reporter.step("Deploying the stack to the gateway (sam deploy)", whole).await?;
            deployment.write(instance)?;
            stamp::remove(&begun_file(instance))?;
            Ok(deployment)
        }
    }
}

/// Gives the functions `ids` their new code. The record says first that nobody knows what they run,
/// and says what they run when that is certain.
async fn replace_code(
    instance: &Instance,
    artifacts: &Artifacts,
    mut deployment: Deployment,
    ids: &[String],
) -> Result<Deployment> {
    for id in ids {
        if let Some(function) = deployment.functions.get_mut(id) {
            function.code = None;
            function.patched = true;
        }
    }
    deployment.write(instance)?;
    for id in ids {
        if let Some(function) = deployment.functions.get_mut(id) {
            code::put(instance, &function.name, &artifacts.zip(id)?).await?;
            function.code = artifacts.code.get(id).cloned();
        }
    }
    check_api(instance, &deployment.outputs.api_id).await?;
    deployment.write(instance)?;
    Ok(deployment)
}

/// Where the API answers: a path of the gateway, since a name such as `{id}.execute-api.localhost`
/// does not resolve outside browsers.
pub(super) fn api_url(instance: &Instance, api_id: &str) -> String {
    format!("{}/_aws/execute-api/{api_id}/$default", instance.gateway_url())
}

/// Whether a deployment of this gateway was written down in a form that this version does not read.
fn file_is_of_this_gateway(instance: &Instance, gateway: &Record) -> bool {
    let text = fs::read_to_string(file(instance)).unwrap_or_default();
    let written: Value = serde_json::from_str(&text).unwrap_or_default();
    written["gatewayPid"] == gateway.pid && written["gatewayStartTicks"] == gateway.start_ticks
}

fn file(instance: &Instance) -> PathBuf {
    instance.dir.join("deployment.json")
}

fn begun_file(instance: &Instance) -> PathBuf {
    instance.dir.join("deployment.begun")
}

/// The owner's, as RDS writes it. That of the functions the stack makes itself, and the migrator
/// makes their role by it.
fn owner_secret(instance: &Instance) -> Result<Value> {
    Ok(json!({
        "engine": "postgres",
        "host": "127.0.0.1",
        "port": instance.ports.postgres,
        "dbname": postgres::NAME,
        "username": postgres::NAME,
        "password": postgres::password(instance)?,
    }))
}

/// Makes the secret, or gives it its value, as an operator does before a deployment; its ARN.
async fn put_secret(instance: &Instance, secret: &Value) -> Result<String> {
    const NAME: &str = "aigen-database-owner";
    let api = AwsApi::new(&instance.gateway_url(), &GatewayKey::read(instance)?)?;
    let call = async |action: &str, name: &str| {
        let request = json!({
            name: NAME,
            "SecretString": secret.to_string(),
            // Secrets Manager wants one of its callers; the same secret may be put again under the
            // same token.
            "ClientRequestToken": Fingerprint::new().text(&secret.to_string()).finish(),
        });
        api.call("secretsmanager", &format!("secretsmanager.{action}"), &request).await
    };
    let answer = match call("CreateSecret", "Name").await {
        Err(error)
            if error
                .downcast_ref::<Refusal>()
                .is_some_and(|refusal| refusal.code == "ResourceExistsException") =>
        {
            call("PutSecretValue", "SecretId").await
        }
        answer => answer,
    };
    let answer = answer.context("the database secret cannot be put")?;
    answer["ARN"].as_str().map(str::to_owned).context("the database secret has no ARN")
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
