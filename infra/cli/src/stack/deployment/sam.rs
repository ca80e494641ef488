//! `sam deploy`, and what it gave.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::command;
use super::super::gateway::REGION;
use super::super::gateway_key::GatewayKey;
use super::super::instance::{Instance, architecture};
use super::super::stamp;
use super::super::tools::Tools;

/// The stack's name in samconfig.toml.
const STACK: &str = "aigen";

/// The stack's outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
pub(in super::super) struct Outputs {
    pub api_id: String,
    pub state_machine_arn: String,
    pub user_pool_id: String,
    pub user_pool_client_id: String,
    pub database_secret_arn: String,
}

/// Deploys the stack of `template`, whose schema belongs to the role of the secret `owner_secret`.
pub(super) async fn deploy(
    instance: &Instance,
    tools: &Tools,
    template: &Path,
    owner_secret: &str,
) -> Result<()> {
    let shared = fs::read_to_string(instance.root.join("samconfig.toml"))
        .context("samconfig.toml cannot be read")?;
    let config = instance.dir.join("samconfig.toml");
    let port = instance.ports.postgres.to_string();
    let of_this_machine = [
        ("Architecture", architecture()),
        ("DatabaseOwnerSecretArn", owner_secret),
        ("DatabasePort", &port),
    ];
    stamp::write_whole(&config, with_overrides(&shared, &of_this_machine)?)?;
    let mut sam = pointed_at_gateway(command::clean(tools.all_bin().join("sam")), instance)?;
    // Named, for SAM looks for it beside the template.
    sam.args(["deploy", "--config-env", "local", "--config-file"])
        .arg(config)
        .arg("--template-file")
        .arg(template);
    command::run(sam, "sam deploy", &instance.logs().join("sam-deploy.log")).await
}

/// The configuration with further parameters of a local deployment. SAM takes them from one place
/// only, and these are known to this machine alone.
fn with_overrides(config: &str, overrides: &[(&str, &str)]) -> Result<String> {
    const PLACE: &str = "parameter_overrides = [\n";
    let local = config.find("[local.deploy.parameters]");
    let place = local.and_then(|from| Some(from + config.get(from..)?.find(PLACE)? + PLACE.len()));
    let place = place.context("samconfig.toml has no parameter_overrides of a local deployment")?;
    let (before, after) = config.split_at(place);
    let lines = overrides.iter().map(|(name, value)| format!("  \"{name}={value}\",\n"));
    Ok(format!("{before}{}{after}", lines.collect::<String>()))
}

/// The outputs, and each resource's own name by its logical id.
pub(super) async fn describe(
    instance: &Instance,
    tools: &Tools,
) -> Result<(Outputs, BTreeMap<String, String>)> {
    let ask = async |action: &str| -> Result<Value> {
        let mut aws = pointed_at_gateway(command::clean(tools.all_bin().join("aws")), instance)?;
        aws.args(["cloudformation", action, "--stack-name", STACK, "--output", "json"]);
        let text = command::output(aws, "reading what is deployed").await?;
        serde_json::from_str(&text).context("the stack's description is not JSON")
    };
    let (stack, resources) =
        tokio::try_join!(ask("describe-stacks"), ask("describe-stack-resources"))?;
    Ok((parse_outputs(&stack)?, parse_names(&resources)))
}

fn parse_names(answer: &Value) -> BTreeMap<String, String> {
    let resources = answer["StackResources"].as_array().map(Vec::as_slice).unwrap_or_default();
    resources
        .iter()
        .filter_map(|resource| {
            let id = resource["LogicalResourceId"].as_str()?;
            Some((id.to_owned(), resource["PhysicalResourceId"].as_str()?.to_owned()))
        })
        .collect()
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
    use serde_json::json;

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
    fn what_only_this_machine_knows_is_added_to_the_local_deployment_and_to_no_other() {
        let config = "[local.deploy.parameters]\nparameter_overrides = [\n  \"A=1\",\n]\n\
                      [prod.deploy.parameters]\nparameter_overrides = [\n]\n";
        let with = with_overrides(config, &[("B", "2")]).unwrap();
        assert_eq!(with, config.replacen("[\n  \"A", "[\n  \"B=2\",\n  \"A", 1));
        assert!(with_overrides("[prod.deploy.parameters]\n", &[]).is_err());
        let real = include_str!("../../../../../samconfig.toml");
        assert!(with_overrides(real, &[("B", "2")]).unwrap().contains("\n  \"B=2\",\n"));
    }

    #[test]
    fn a_missing_output_is_named() {
        let error = parse_outputs(&json!({"Stacks": [{"Outputs": []}]})).unwrap_err().to_string();
        assert!(error.contains("ApiUrl"), "{error}");
    }

    #[test]
    fn a_resource_goes_by_its_logical_id() {
        let names = parse_names(&json!({"StackResources": [
            {"LogicalResourceId": "CancelHandler", "PhysicalResourceId": "cancel-handler"},
            {"LogicalResourceId": "NotMadeYet"},
        ]}));
        assert_eq!(names, BTreeMap::from([("CancelHandler".into(), "cancel-handler".into())]));
    }
}
