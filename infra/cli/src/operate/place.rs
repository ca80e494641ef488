//! Where the functions are that the verbs ask: on AWS where a stack is named, and else on this
//! machine. No verb needs to know.

use anyhow::{Context, Result, ensure};
use nix::unistd::{User, getuid};
use serde_json::Value;

use super::account::Account;
use super::reconciler::Functions;
use super::words::quoted;
use crate::output;
use crate::stack::{self, InstanceName, LocalFunctions};

/// How the functions, and this program, begin a command.
const COMMAND: &str = "cargo aigen ";

/// Which stack of which account the operator's verbs ask.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Operating a stack on AWS")]
pub(crate) struct PlaceArgs {
    /// The `CloudFormation` stack that the operator's verbs ask (or `AIGEN_STACK`); by default, the
    /// local one.
    #[arg(long, global = true, value_name = "NAME")]
    pub stack: Option<String>,
    /// The profile of ~/.aws/config to sign in by (or `AWS_PROFILE`).
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The region that the stack is in (or `AWS_REGION`, or that of the profile).
    #[arg(long, global = true, value_name = "NAME")]
    pub region: Option<String>,
}

impl PlaceArgs {
    /// Refuses them where they would say nothing.
    pub(crate) fn ensure_unused(&self) -> Result<()> {
        let Self { stack, profile, region } = self;
        ensure!(
            stack.is_none() && profile.is_none() && region.is_none(),
            "--stack, --profile and --region are for the operator's verbs, such as `aigen health`; \
             this one knows the local stack only"
        );
        Ok(())
    }

    /// Whether a stack on AWS is named, here or in the environment of the shell.
    pub(crate) fn names_a_stack(&self) -> Result<bool> {
        Ok(self.named(|name| std::env::var(name).ok())?.is_some())
    }

    /// The stack on AWS that is named, here or in the environment.
    fn named(&self, environment: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
        let stack = self.stack.clone().or_else(|| environment("AIGEN_STACK"));
        let stack = stack.filter(|name| !name.trim().is_empty());
        ensure!(
            stack.is_some() || (self.profile.is_none() && self.region.is_none()),
            "--profile and --region say how a stack on AWS is reached; name it with --stack \
             (or AIGEN_STACK)"
        );
        Ok(stack)
    }

    /// The options that name the same stack again, each with a space in front. What stands in the
    /// environment of the shell need not be typed.
    fn options(&self) -> String {
        let options =
            [("stack", &self.stack), ("profile", &self.profile), ("region", &self.region)];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        given
            .fold(String::new(), |told, (name, value)| format!("{told} --{name} {}", quoted(value)))
    }
}

/// Where they are.
pub(super) enum Place {
    /// The stack on this machine.
    Local(LocalFunctions),
    /// One on AWS, and the options that name it.
    Aws { account: Box<Account>, options: String },
}

/// The account of the stack that is named; the local one has an account of its own.
pub(super) async fn account(args: &PlaceArgs, instance: InstanceName) -> Result<Account> {
    let Some(stack) = args.named(|name| std::env::var(name).ok())? else {
        let env = stack::current(instance)
            .context("the local stack cannot be asked; --stack NAME asks one on AWS")?;
        return Account::local(&env).await;
    };
    Account::reach(stack, args, &args.options()).await
}

impl Place {
    /// The place that is named.
    pub(super) async fn find(args: &PlaceArgs, instance: InstanceName) -> Result<Self> {
        let Some(stack) = args.named(|name| std::env::var(name).ok())? else {
            let env = stack::current(instance)
                .context("the local stack cannot be asked; --stack NAME asks one on AWS")?;
            return Ok(Self::Local(LocalFunctions::of(&env)?));
        };
        let options = args.options();
        let account = Box::new(Account::reach(stack, args, &options).await?);
        Ok(Self::Aws { account, options })
    }

    /// The name and the region of a stack on AWS.
    pub(super) fn stack(&self) -> Option<(&str, &str)> {
        match self {
            Self::Local(_) => None,
            Self::Aws { account, .. } => Some(account.stack()),
        }
    }

    /// Who is to be named for what is changed. On AWS it says, before, what is about to be changed.
    pub(super) async fn operator(&self) -> Result<String> {
        match self {
            Self::Local(_) => Ok(login_name()),
            Self::Aws { account, .. } => {
                let arn = account.caller().await?;
                output::aside(format_args!("· {}, as {arn}", account.place()));
                Ok(arn)
            }
        }
    }
}

impl Functions for Place {
    async fn invoke(&self, name: &str, payload: &Value) -> Result<Value> {
        match self {
            Self::Local(functions) => functions.invoke(name, payload).await,
            Self::Aws { account, .. } => account.invoke(name, payload).await,
        }
    }

    fn as_typed(&self, told: String) -> String {
        match self {
            Self::Local(_) => told.replace(COMMAND, &format!("{} ", output::program())),
            Self::Aws { options, .. } => for_aws(&told, output::program(), options),
        }
    }
}

/// What is told, with its commands for a stack on AWS. Watching goes by a user's token of the local
/// stack: `process` tells the same.
pub(crate) fn for_aws(told: &str, program: &str, options: &str) -> String {
    let mut commands = told.split(COMMAND);
    let first = commands.next().unwrap_or_default().to_owned();
    commands.fold(first, |before, command| {
        if let Some(id) = command.strip_prefix("watch ") {
            format!("{before}{program}{options} process {id}")
        } else {
            format!("{before}{program}{options} {command}")
        }
    })
}

/// The user of the shell, or else of this process.
fn login_name() -> String {
    let of_process = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    std::env::var("USER")
        .ok()
        .filter(|name| !name.trim().is_empty())
        .or_else(of_process)
        .unwrap_or_else(|| "operator".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(stack: Option<&str>, profile: Option<&str>) -> PlaceArgs {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        PlaceArgs { stack: owned(stack), profile: owned(profile), region: None }
    }

    #[test]
    fn a_stack_is_named_by_the_option_or_else_by_the_shell() {
        let shell = |name: &str| (name == "AIGEN_STACK").then(|| "of-shell".to_owned());
        assert_eq!(args(Some("x"), None).named(shell).unwrap().as_deref(), Some("x"));
        assert_eq!(args(None, Some("p")).named(shell).unwrap().as_deref(), Some("of-shell"));
        assert_eq!(args(None, None).named(|_| Some(" ".to_owned())).unwrap(), None);
    }

    #[test]
    fn a_profile_does_not_send_a_command_to_the_local_stack() {
        assert!(args(None, Some("production")).named(|_| None).is_err());
    }

    #[test]
    fn a_command_that_comes_next_asks_the_same_stack() {
        let options = args(Some("x"), Some("my own")).options();
        assert_eq!(options, " --stack x --profile 'my own'");
        assert_eq!(args(None, None).options(), "");
        let told =
            "see\n  cargo aigen errors --hours 1\nor `cargo aigen watch 7`, cargo aigen migrate";
        assert_eq!(
            for_aws(told, "aigen", " --stack x"),
            "see\n  aigen --stack x errors --hours 1\nor `aigen --stack x process 7`, \
             aigen --stack x migrate"
        );
    }

    #[test]
    fn verbs_that_know_the_local_stack_only_take_no_other() {
        assert!(args(None, None).ensure_unused().is_ok());
        assert!(args(None, Some("p")).ensure_unused().is_err());
    }
}
