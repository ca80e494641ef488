//! The deployed functions, as who holds the stack's own key can invoke them, and what the gateway
//! tells of them.

use anyhow::Result;
use serde_json::{Value, json};

use super::aws_api::AwsApi;
use super::stack_env::StackEnv;

/// Lines that one call tells.
pub(crate) const MOST_LINES: usize = 10_000;

/// The functions of a local stack, whose names have no prefix.
pub(crate) struct LocalFunctions {
    api: AwsApi,
}

impl LocalFunctions {
    /// Those of the stack that `env` describes.
    pub(crate) fn of(env: &StackEnv) -> Result<Self> {
        Ok(Self { api: AwsApi::new(&env.gateway_url, &env.gateway_key())? })
    }

    /// What the function `name` answers to `payload`; a refusal is an answer.
    pub(crate) async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        self.api.invoke(name, payload).await
    }

    /// Deploys the function `name` anew, as it is: its environments are ended once they are idle,
    /// and others take their place.
    pub(crate) async fn deploy_again(&self, name: &str) -> Result<()> {
        let path = format!("2015-03-31/functions/{name}/configuration");
        let now = self.api.get("lambda", &path).await?;
        let same = json!({"Description": now["Description"].as_str().unwrap_or_default()});
        self.api.put("lambda", &path, same.to_string()).await?;
        Ok(())
    }

    /// All executions of the state machine, by name and status.
    pub(crate) async fn executions(&self, machine: &str) -> Result<Vec<(String, String)>> {
        let mut found = Vec::new();
        let mut request = json!({"stateMachineArn": machine, "maxResults": 1_000});
        loop {
            let page = self.api.call("states", "AWSStepFunctions.ListExecutions", &request).await?;
            let text = |item: &Value, name: &str| item[name].as_str().map(str::to_owned);
            let items = page["executions"].as_array().into_iter().flatten();
            found.extend(items.filter_map(|it| Some((text(it, "name")?, text(it, "status")?))));
            match page["nextToken"].as_str() {
                Some(next) => request["nextToken"] = next.into(),
                None => return Ok(found),
            }
        }
    }

    /// The lines of a log group from one time to another, in milliseconds since 1970, both
    /// included. The gateway tells no more than [`MOST_LINES`] of them.
    pub(crate) async fn log_lines(&self, group: &str, from: i64, to: i64) -> Result<Vec<String>> {
        let request = json!({
            "logGroupName": group, "startTime": from, "endTime": to, "limit": MOST_LINES,
        });
        let answer = self.api.call("logs", "Logs_20140328.FilterLogEvents", &request).await?;
        let events = answer["events"].as_array().into_iter().flatten();
        Ok(events.filter_map(|event| event["message"].as_str().map(str::to_owned)).collect())
    }

    /// The names of the log groups.
    pub(crate) async fn log_groups(&self) -> Result<Vec<String>> {
        let answer =
            self.api.call("logs", "Logs_20140328.DescribeLogGroups", &json!({"limit": 50})).await?;
        let groups = answer["logGroups"].as_array().into_iter().flatten();
        Ok(groups.filter_map(|group| group["logGroupName"].as_str().map(str::to_owned)).collect())
    }
}
