//! The functions of a stack on AWS.
//!
//! - The **prefix** stands in front of every deployed name. An output of the stack tells it.
//! - An **attempt** is a call that may fail, with what a person must know of it then.
//!
//! | file | holds |
//! |---|---|
//! | this one | finding the functions and invoking them, each within its time |
//! | `access` | credentials, region, time limits: how AWS is spoken to |
//! | `deployed` | what AWS says of the code that is deployed |
//! | `trouble` | what went wrong, and what to do about it |

mod access;
mod deployed;
mod trouble;

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::operation::{RequestId, invoke::InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use serde::Deserialize;
use serde_json::Value;

use super::place::PlaceArgs;
use crate::output;
use crate::stack::StackEnv;
use access::Access;
pub(super) use deployed::Running;
use trouble::Attempt;

/// The output of the stack by which its functions' names are known.
const OUTPUT: &str = "DiagnosticsFunction";
/// That of the state machine.
const MACHINE: &str = "StateMachineArn";
/// The parameter that says how a new version takes over, and its value where there are none.
const DEPLOYMENT: &str = "Deployment";
const UNVERSIONED: &str = "Unversioned";
/// The stack of this machine, by samconfig.toml.
const LOCAL: &str = "aigen";
/// What that function is called behind the prefix. Nothing changes by asking it.
const DIAGNOSTICS: &str = "diagnostics";

/// A stack of an account, as who has signed in reaches it.
pub(super) struct Account {
    access: Access,
    stack: String,
    lambda: aws_sdk_lambda::Client,
    /// What stands in front of the deployed names.
    prefix: String,
    /// The ARN of the state machine, where an output tells it.
    machine: Option<String>,
    /// How new versions take over, where a parameter says it.
    deployment: Option<String>,
}

impl Account {
    /// Signs in and finds the stack's functions.
    pub(super) async fn reach(stack: String, args: &PlaceArgs, options: &str) -> Result<Self> {
        let (profile, region) = (args.profile.as_deref(), args.region.as_deref());
        let command = format!("{}{options}", output::program());
        let access = Access::load(profile, region, command).await?;
        Self::of(access, stack).await
    }

    /// The stack of this machine, asked as one on AWS is.
    pub(super) async fn local(env: &StackEnv) -> Result<Self> {
        Self::of(Access::local(env, output::program().to_owned()), LOCAL.to_owned()).await
    }

    async fn of(access: Access, stack: String) -> Result<Self> {
        let About { prefix, machine, deployment } = about(&access, &stack).await?;
        let lambda = aws_sdk_lambda::Client::new(&access.config);
        Ok(Self { access, stack, lambda, prefix, machine, deployment })
    }

    /// What stands in front of the deployed names.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether functions are called by their aliases.
    pub(super) fn calls_by_alias(&self) -> bool {
        self.deployment.as_ref().is_some_and(|deployment| deployment != UNVERSIONED)
    }

    /// The stack's name and its region.
    pub(super) fn stack(&self) -> (&str, &str) {
        (&self.stack, &self.access.region)
    }

    /// Which stack it is.
    pub(super) fn place(&self) -> String {
        format!("stack {} in {}", self.stack, self.access.region)
    }

    /// The ARN of who has signed in.
    pub(super) async fn caller(&self) -> Result<String> {
        let client = aws_sdk_sts::Client::new(&self.access.config);
        let action = "sts:GetCallerIdentity";
        let attempt = Attempt { access: &self.access, action, of: "*".to_owned(), changes: false };
        let identity = client.get_caller_identity().send().await;
        let identity = identity.map_err(|error| attempt.failed(&error));
        let identity = identity.context("who has signed in is not known")?;
        identity.arn.context("STS does not say who has signed in")
    }

    /// What the function `name`, without its prefix, answers to `payload`; a refusal is an answer.
    pub(super) async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        self.invoke_within(limit(name), name, payload).await
    }

    async fn invoke_within(&self, limit: Duration, name: &str, payload: &Value) -> Result<Value> {
        let deployed = format!("{}{name}", self.prefix);
        // Nothing changes by asking diagnostics again. Of everything else it is not known, when an
        // answer was lost, whether it was done.
        let changes = name != DIAGNOSTICS;
        let retries = if changes { RetryConfig::disabled() } else { access::retries() };
        let limits = TimeoutConfig::builder()
            .connect_timeout(access::CONNECT)
            .operation_timeout(limit)
            .build();
        let config = aws_sdk_lambda::config::Config::builder();
        let config = config.retry_config(retries).timeout_config(limits);
        let invoke = self.lambda.invoke().function_name(&deployed);
        let invoke = invoke.payload(Blob::new(payload.to_string()));
        let answer = invoke.customize().config_override(config).send().await;
        let action = "lambda:InvokeFunction";
        let attempt = Attempt { access: &self.access, action, of: deployed.clone(), changes };
        let answer = answer.map_err(|error| attempt.failed(&error))?;
        if answer.function_error.is_some() {
            return Err(self.broken(&deployed, &answer));
        }
        let bytes = answer.payload.map(Blob::into_inner).unwrap_or_default();
        serde_json::from_slice(&bytes).with_context(|| format!("{deployed}'s answer is not JSON"))
    }

    /// A function that did not answer but broke, by what the Lambda runtime says of it.
    fn broken(&self, deployed: &str, answer: &InvokeOutput) -> anyhow::Error {
        let payload = answer.payload.as_ref().map(AsRef::as_ref).unwrap_or_default();
        let told: Broken = serde_json::from_slice(payload).unwrap_or_default();
        let Broken { error_type, error_message } = told;
        let id = answer.request_id().unwrap_or("unknown");
        let options = self.access.options();
        anyhow!(
            "its log: `aws logs filter-log-events --log-group-name /aws/lambda/{deployed} \
             --filter-pattern '\"{id}\"'{options}`"
        )
        .context(format!("{deployed} broke with {error_type}: {error_message} (request {id})"))
    }
}

/// What Lambda says of a function that broke.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Broken {
    error_type: String,
    error_message: String,
}

/// How long a call of the function `name` may take: a little more than the function itself may, so
/// that its own end is what is told.
fn limit(name: &str) -> Duration {
    let of_function = match name {
        "async-processing-handler" | "cancel-handler" | "retry-handler" => 10,
        "migrator" => 900,
        _ => 60,
    };
    Duration::from_secs(of_function + 5)
}

/// What a stack tells of itself.
struct About {
    prefix: String,
    machine: Option<String>,
    deployment: Option<String>,
}

/// What the stack tells.
async fn about(access: &Access, stack: &str) -> Result<About> {
    let client = aws_sdk_cloudformation::Client::new(&access.config);
    let action = "cloudformation:DescribeStacks";
    let attempt = Attempt { access, action, of: stack.to_owned(), changes: false };
    let found = client.describe_stacks().stack_name(stack).send().await;
    let found = found.map_err(|error| attempt.failed(&error))?;
    let output = |key: &str| {
        let all = found.stacks().iter().flat_map(aws_sdk_cloudformation::types::Stack::outputs);
        let mut named = all.filter(|output| output.output_key() == Some(key));
        named.find_map(|output| output.output_value()).map(str::to_owned)
    };
    let all = found.stacks().iter().flat_map(aws_sdk_cloudformation::types::Stack::parameters);
    let mut named = all.filter(|parameter| parameter.parameter_key() == Some(DEPLOYMENT));
    let deployment = named.find_map(|it| it.parameter_value()).map(str::to_owned);
    match output(OUTPUT).as_ref().and_then(|function| function.strip_suffix(DIAGNOSTICS)) {
        Some(prefix) => {
            Ok(About { prefix: prefix.to_owned(), machine: output(MACHINE), deployment })
        }
        None => bail!(
            "the stack {stack} in {} is none of this project's, or is to be deployed again: it has \
             no output {OUTPUT}",
            access.region
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    /// An account whose Lambda takes connections and never answers.
    async fn silent() -> (Account, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let access = Access::of_test(&url);
        let lambda = aws_sdk_lambda::Client::new(&access.config);
        let (stack, prefix) = ("s".to_owned(), "aigen-".to_owned());
        let account = Account { access, stack, lambda, prefix, machine: None, deployment: None };
        (account, listener)
    }

    #[tokio::test]
    async fn no_answer_in_time_is_told_and_that_a_change_may_have_been_made() {
        let (account, _listener) = silent().await;
        let ask = async |name| {
            let answer = account.invoke_within(Duration::from_millis(50), name, &Value::Null).await;
            format!("{:#}", answer.unwrap_err())
        };
        let asked = ask("diagnostics").await;
        assert!(asked.starts_with("aigen-diagnostics did not answer in time"), "{asked}");
        assert!(!asked.contains("not known"), "{asked}");
        let changed = ask("reconciler").await;
        assert!(changed.contains("whether it was done is not known; `aigen limit`"), "{changed}");
    }

    #[tokio::test]
    async fn a_change_that_was_never_sent_was_not_made() {
        let (account, listener) = silent().await;
        drop(listener);
        let error = account.invoke("reconciler", &Value::Null).await.unwrap_err();
        let told = format!("{error:#}");
        assert!(told.starts_with("AWS cannot be reached") && !told.contains("not known"), "{told}");
    }

    /// The policies in the papers: one for who changes things, one for who looks.
    #[test]
    fn the_papers_allow_to_invoke_what_is_deployed() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let template = read("infra/template.yaml");
        let allowed = |paper: &str| -> Vec<Vec<String>> {
            let text = read(paper);
            let policies = text.split("```json").skip(1).map(|it| it.split("```").next().unwrap());
            policies.map(invoked_by).collect()
        };
        let english = allowed("docs/operators.md");
        assert_eq!(english, allowed("docs/operators.ja.md"));
        assert_eq!(english[1], ["diagnostics"]);
        let changing = ["retry-handler", "cancel-handler", "reconciler", "migrator"];
        assert_eq!(english[0], [&changing[..], &["diagnostics"]].concat());
        assert!(template.contains("  NamePrefix:\n    Type: String\n    Default: aigen-\n"));
        for name in &english[0] {
            let deployed = format!("FunctionName: !Sub \"${{NamePrefix}}{name}\"");
            assert!(template.contains(&deployed), "{name}");
        }
    }

    /// The functions in the second statement of a policy.
    fn invoked_by(policy: &str) -> Vec<String> {
        let policy: Value = serde_json::from_str(policy).unwrap();
        let resource = &policy["Statement"][1]["Resource"];
        let arns = resource.as_array().map_or(std::slice::from_ref(resource), Vec::as_slice);
        let names = arns.iter().map(|arn| arn.as_str().unwrap().rsplit(':').next().unwrap());
        names.map(|name| name.strip_prefix("aigen-").unwrap().to_owned()).collect()
    }

    #[test]
    fn a_call_may_take_a_little_longer_than_its_function() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let template = fs::read_to_string(root.join("infra/template.yaml")).unwrap();
        let mut lines = template.lines().map(str::trim);
        let mut compared = 0;
        while let Some(line) = lines.next() {
            let Some(name) = line.strip_prefix("FunctionName: !Sub \"${NamePrefix}") else {
                continue;
            };
            let name = name.trim_end_matches('"');
            let timeout = lines.find_map(|line| line.strip_prefix("Timeout: ")).unwrap();
            // The state machine alone invokes the worker.
            if name != "ai-generation-worker" {
                let function = Duration::from_secs(timeout.parse().unwrap());
                assert_eq!(limit(name), function + Duration::from_secs(5), "{name}");
                compared += 1;
            }
        }
        assert_eq!(compared, 6);
    }
}
