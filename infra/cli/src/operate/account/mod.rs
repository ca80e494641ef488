//! The functions of a stack in an AWS account.
//!
//! They are reached by the AWS CLI, of version 1 or 2, which knows every way to log in there is
//! (SSO, MFA, roles, credential processes), and which whoever deploys a stack has. It also reaches
//! whatever speaks AWS's protocols at `AWS_ENDPOINT_URL`, the local stack's gateway among it.
//!
//! - The **account** is where: the stack, and by what profile and in which region it is looked for.
//! - A **trouble** is what the AWS CLI says when it cannot do it, and what helps.

mod trouble;

use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use tokio::process::Command;
use uuid::Uuid;

use super::reconciler::Functions;
use trouble::Trouble;

/// The output of the stack by which its functions' names are known.
const OUTPUT: &str = "DiagnosticsFunction";
/// What that function is called behind the prefix.
const NAME: &str = "diagnostics";
/// The functions have a minute at most.
const SECONDS: &str = "70";

/// Where the stack is.
#[derive(clap::Args)]
pub(crate) struct AccountArgs {
    /// The deployed stack that is meant; without it, the local one.
    #[arg(long, global = true, value_name = "NAME")]
    stack: Option<String>,
    /// The profile of the AWS CLI to reach it with.
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
    /// The region that it is in; by default the profile's.
    #[arg(long, global = true)]
    region: Option<String>,
}

impl AccountArgs {
    /// The account of these, if they name a stack.
    ///
    /// # Errors
    /// When they name a profile or a region, and no stack.
    pub(crate) fn account(&self) -> Result<Option<Account>> {
        let Self { stack, profile, region } = self;
        ensure!(
            stack.is_some() || (profile.is_none() && region.is_none()),
            "--profile and --region are those of a deployed stack: name it with --stack NAME"
        );
        Ok(stack.as_ref().map(|stack| Account {
            program: "aws".into(),
            stack: stack.clone(),
            profile: profile.clone(),
            region: region.clone(),
        }))
    }
}

/// A stack in an account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    /// The AWS CLI.
    program: PathBuf,
    stack: String,
    profile: Option<String>,
    region: Option<String>,
}

impl Account {
    /// Its functions, found by what the stack says of itself.
    ///
    /// # Errors
    /// When there is no such stack, or it cannot be looked at.
    pub(super) async fn functions(self) -> Result<AccountFunctions> {
        let described = self
            .aws(&["cloudformation", "describe-stacks", "--stack-name", &self.stack])
            .await
            .with_context(|| format!("the stack {} cannot be looked at", self.stack))?;
        let prefix = prefix(&described).with_context(|| {
            format!(
                "the stack {} has no output {OUTPUT}: deploy it anew, or is it another's?",
                self.stack
            )
        })?;
        Ok(AccountFunctions { account: self, prefix })
    }

    /// Who is asking, as AWS knows them: the name that the logs and histories get.
    ///
    /// # Errors
    /// When AWS does not tell.
    pub(super) async fn caller(&self) -> Result<String> {
        let identity = self.aws(&["sts", "get-caller-identity"]).await?;
        let arn = identity["Arn"].as_str().context("AWS does not tell who is asking")?;
        Ok(arn.to_owned())
    }

    /// What the AWS CLI answers to `args`, once: what changes something must not be done twice.
    async fn aws(&self, args: &[impl AsRef<OsStr>]) -> Result<Value> {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .args(["--output", "json"])
            .args(["--cli-connect-timeout", "5", "--cli-read-timeout", SECONDS])
            .env("AWS_MAX_ATTEMPTS", "1")
            .env("AWS_PAGER", "")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(profile) = &self.profile {
            command.args(["--profile", profile]);
        }
        if let Some(region) = &self.region {
            command.args(["--region", region]);
        }
        let output = match command.output().await {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "the AWS CLI (aws) is not installed, or not on the PATH: \
                 https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
            ),
            Err(error) => return Err(error).context("the AWS CLI (aws) cannot be started"),
        };
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let trouble = Trouble::of(&said);
            let said = anyhow!("{}", said.trim().trim_start_matches("aws: ").trim());
            return Err(said.context(trouble.helps(self.profile.as_deref())));
        }
        serde_json::from_slice(&output.stdout).context("the AWS CLI answers what is not JSON")
    }
}

/// What stands in front of the functions' names, by the stack's outputs.
fn prefix(described: &Value) -> Option<String> {
    let outputs = described["Stacks"][0]["Outputs"].as_array()?;
    let output = outputs.iter().find(|output| output["OutputKey"] == OUTPUT)?;
    output["OutputValue"].as_str()?.strip_suffix(NAME).map(str::to_owned)
}

/// The functions of a stack in an account.
pub(super) struct AccountFunctions {
    account: Account,
    prefix: String,
}

impl Functions for AccountFunctions {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        let full_name = format!("{}{name}", self.prefix);
        // Read from a file as bytes, a payload is the same to both versions, and no process list
        // shows it.
        let (asked, answer) = (Paper::new()?, Paper::new()?);
        fs::write(&asked.0, payload.to_string())?;
        let asked = format!("fileb://{}", asked.name()?);
        let invoke = ["lambda", "invoke", "--function-name", &full_name, "--payload", &asked];
        let told = self.account.aws(&[&invoke[..], &[answer.name()?]].concat()).await?;
        let answer: Value = serde_json::from_slice(&fs::read(&answer.0)?)
            .with_context(|| format!("{full_name} answers what is not JSON"))?;
        match told["FunctionError"].as_str() {
            None => Ok(answer),
            Some(_) => Err(broken(&full_name, &answer)),
        }
    }
}

/// A function that did not answer, and what Lambda says of it.
fn broken(name: &str, answer: &Value) -> anyhow::Error {
    let part = |part: &str| answer[part].as_str().unwrap_or_default();
    anyhow!("{name} broke with {}: {}", part("errorType"), part("errorMessage"))
}

/// A file for what is asked or answered, which may hold what users wrote: for nobody else to read,
/// and gone afterwards.
struct Paper(PathBuf);

impl Paper {
    #[expect(clippy::disallowed_methods, reason = "only a name that no other run has")]
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("aigen-{}.json", Uuid::now_v7()));
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        made.with_context(|| format!("{} cannot be made", path.display()))?;
        Ok(Self(path))
    }

    fn name(&self) -> Result<&str> {
        self.0.to_str().context("the folder for temporary files has no plain name")
    }
}

impl Drop for Paper {
    fn drop(&mut self) {
        // A file that is left behind is in a folder that is cleaned.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
