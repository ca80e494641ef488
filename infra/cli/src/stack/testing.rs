//! `test`: all tests, on a stack that is made for them beside the developer's and ended afterwards.

use std::process::{ExitCode, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::artifacts::{self, Build};
use super::command;
use super::instance::{Instance, InstanceName};
use super::interrupt::interruptible;
use super::lifecycle::{bring_up, take_down};
use super::postgres;
use super::report::Reporter;
use super::stack_env::StackEnv;
use super::tally::Tally;
use crate::output;

/// What `test` can be told.
#[derive(clap::Args)]
pub struct TestArgs {
    /// Leave the test stack up afterwards: look at it with `cargo aigen --instance test status`.
    #[arg(long)]
    keep: bool,

    /// What goes to `cargo test`, after `--`.
    #[arg(last = true)]
    cargo_args: Vec<String>,
}

/// Runs the tests and cleans up, whatever happens. Exit code 0 when all passed.
pub(super) async fn run(args: &TestArgs, reporter: &Reporter) -> Result<ExitCode> {
    let started = Instant::now();
    let instance = Instance::find(InstanceName::Test)?;
    let outcome = interruptible(async {
        // What is tested is what is shipped.
        let env = bring_up(&instance, Build::Shipped, reporter).await?;
        cargo_test(&instance, &env, &args.cargo_args).await
    })
    .await;
    let cleaned = if args.keep {
        reporter.note("the test stack stays up: `cargo aigen --instance test down` ends it");
        Ok(())
    } else {
        clean_up(&instance, reporter).await
    };
    let (tally, success) = outcome?;
    cleaned?;
    for name in &tally.failures {
        output::line(format_args!("failed: {name}"));
    }
    output::line(tally.summary());
    output::line(format_args!("in {:.0} s", started.elapsed().as_secs_f64()));
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Ends the stack and throws its data away; its logs stay for whoever asks what happened.
async fn clean_up(instance: &Instance, reporter: &Reporter) -> Result<()> {
    take_down(instance, reporter).await?;
    postgres::wipe(instance)
}

async fn cargo_test(
    instance: &Instance,
    env: &StackEnv,
    cargo_args: &[String],
) -> Result<(Tally, bool)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = command::clean(cargo);
    command.arg("test").arg("--no-fail-fast").current_dir(&instance.root);
    if !cargo_args.iter().any(|arg| arg == "-p" || arg.starts_with("--package")) {
        command.arg("--workspace");
    }
    command
        .args(cargo_args)
        .envs(env.variables())
        .envs(env.test_variables())
        .env("AIGEN_INSTANCE", "test")
        .env("AIGEN_TEMPLATE", artifacts::shipped_template(instance))
        // Queries are checked against the committed descriptions, as in every build that is
        // deployed.
        .env("SQLX_OFFLINE", "true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .context("cargo could not be started")?;
    let output = child.stdout.take().context("cargo has no output")?;
    let mut lines = BufReader::new(output).lines();
    let mut tally = Tally::default();
    while let Some(line) = lines.next_line().await.context("cargo's output cannot be read")? {
        output::line(&line);
        tally.read(&line);
    }
    let status = child.wait().await.context("cargo could not be waited for")?;
    Ok((tally, status.success()))
}
