//! The local stack: PostgreSQL, the model double and an AWS gateway as plain processes of this
//! machine, with the real template deployed to it. No Docker, no account.
//!
//! - An **instance** is one such stack of this clone: `dev` for the developer, `test` for a test
//!   run.
//! - A **part** is one of its processes.
//! - A **record** says which process a part is, so that exactly that one is ended, and never one
//!   that got its pid.
//! - A **stamp** says what a step was made from, so that it is done again when, and only when, that
//!   has changed.
//! - The **artifacts** are the built functions and the template that names them: quick ones for the
//!   inner loop, or those that are shipped.
//!
//! `up` is a list of steps that each look first and act only if need be. So it can be repeated,
//! interrupted anywhere and run again, and it repairs what has died since.

mod artifacts;
mod authority;
mod aws_api;
#[cfg(test)]
mod circles;
mod command;
mod deployment;
mod functions;
mod gateway;
mod gateway_key;
mod hands;
mod health;
mod http;
mod instance;
mod interrupt;
mod lifecycle;
mod lock;
mod migrations;
mod model;
mod part;
mod ports;
mod postgres;
mod private;
mod process;
mod queries;
mod record;
mod report;
mod stack_env;
mod stamp;
mod status;
mod tally;
mod testing;
mod tools;
mod users;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub(crate) use artifacts::ArtifactsArgs;
pub use artifacts::BuildArgs;
pub(crate) use functions::{LocalFunctions, MOST_LINES};
pub(crate) use hands::{Hands, Process, Stopped};
pub use instance::InstanceName;
pub(crate) use interrupt::{interruptible, unless_interrupted};
pub(crate) use ports::MODEL as MODEL_PORT;
pub use report::Reporter;
pub use stack_env::StackEnv;
pub use testing::TestArgs;

use crate::output;
use deployment::Deployment;
use instance::Instance;
use lock::Lock;
use model::ModelArgs;
use part::Part;
use record::Record;
use tools::Tools;

/// What `up` can be told.
#[derive(Debug, Default, clap::Args)]
pub struct UpArgs {
    #[command(flatten)]
    build: BuildArgs,
    #[command(flatten)]
    model: ModelArgs,
}

/// Ensures that the developer's stack is up, and says how to reach it. Quick when all is there.
///
/// # Errors
///
/// What is missing on the machine, in use, or broken: one sentence, and what to do.
pub async fn up(build: &BuildArgs, reporter: &Reporter) -> Result<StackEnv> {
    let instance = Instance::find(InstanceName::Dev)?;
    lifecycle::bring_up(&instance, build.kind(instance.name), reporter).await
}

/// A JWT of the local user `name`, who is made on first use.
///
/// # Errors
///
/// When the gateway does not answer or its user pool refuses.
pub async fn token(env: &StackEnv, name: &str) -> Result<String> {
    users::token(env, name).await
}

/// The `sub` of a token: how the database knows its user.
///
/// # Errors
///
/// When it is no token.
pub(crate) fn subject(token: &str) -> Result<String> {
    users::subject(token)
}

/// The stack as it runs now.
///
/// # Errors
///
/// When it is not up.
pub(crate) fn current(name: InstanceName) -> Result<StackEnv> {
    let instance = Instance::find(name)?;
    let alive = |part| Record::read(&instance.dir, part).filter(Record::is_alive);
    let deployment = alive(Part::Gateway).and_then(|gateway| Deployment::read(&instance, &gateway));
    let down = Part::ALL.into_iter().find(|part| alive(*part).is_none());
    ensure!(
        down.is_none(),
        "the stack is not up ({} is down): run `cargo aigen up`",
        down.unwrap_or(Part::Gateway)
    );
    let deployment =
        deployment.context("the stack is not up (nothing is deployed): run `cargo aigen up`")?;
    StackEnv::new(&instance, &deployment)
}

/// `up`, and what to do next.
pub(crate) async fn up_verb(name: InstanceName, args: UpArgs, reporter: &Reporter) -> Result<()> {
    let started = Instant::now();
    let instance = Instance::find(name)?;
    let upstream = model::choose(&instance, args.model)?;
    let env = lifecycle::bring_up(&instance, args.build.kind(name), reporter).await?;
    if let Some(upstream) = upstream {
        reporter.note(&upstream.told());
    }
    reporter.note(&format!(
        "the stack is up at {} ({:.1} s)",
        env.api_url,
        started.elapsed().as_secs_f64()
    ));
    reporter.note(
        "next: eval \"$(cargo aigen env)\" points plain commands at it; `cargo aigen down` ends it",
    );
    Ok(())
}

/// `down`: ends what `up` started, and with `wipe` throws its data away.
pub(crate) async fn down(name: InstanceName, wipe: bool, reporter: &Reporter) -> Result<()> {
    let instance = Instance::find(name)?;
    lifecycle::take_down(&instance, reporter).await?;
    if wipe {
        postgres::wipe(&instance)?;
        reporter.note("the database is gone");
    }
    Ok(())
}

/// `status`.
pub(crate) async fn status(name: InstanceName) -> Result<ExitCode> {
    status::print(&Instance::find(name)?).await
}

/// `test`.
pub(crate) async fn test(args: &TestArgs, reporter: &Reporter) -> Result<ExitCode> {
    testing::run(args, reporter).await
}

/// `migrate`: the database that is named, or else the running stack's.
pub(crate) async fn migrate(
    name: InstanceName,
    database_url: Option<String>,
    reporter: &Reporter,
) -> Result<()> {
    let url = match database_url {
        Some(url) => url,
        None => current(name).context("no DATABASE_URL is given")?.database_url,
    };
    migrations::apply(&url, reporter).await?;
    // Also where nothing was left to apply: silence would not tell that from a wrong database.
    output::line(migrations::told());
    Ok(())
}

/// `migrate --adopt`: the tables of an app, in the database that is named.
pub(crate) async fn adopt(
    database_url: Option<String>,
    dry_run: bool,
    retention_days: u32,
) -> Result<ExitCode> {
    let url = database_url.context(
        "--adopt is for a database that is named: set DATABASE_URL, or name a deployed stack with \
         --stack",
    )?;
    migrations::adopt(&url, dry_run, retention_days).await
}

/// The schema on a connection of one's own.
pub(crate) async fn migrate_connection(connection: &mut sqlx::PgConnection) -> Result<()> {
    migrations::apply_to(connection).await
}

/// `prepare`: the descriptions of the queries in `.sqlx`.
pub(crate) async fn prepare(name: InstanceName, check: bool, reporter: &Reporter) -> Result<()> {
    let instance = Instance::find(name)?;
    queries::prepare(&instance, check, reporter).await
}

/// `artifacts`: the functions and their papers as a release holds them.
pub(crate) async fn artifacts(args: &ArtifactsArgs, reporter: &Reporter) -> Result<()> {
    artifacts::release(args, reporter).await
}

/// The zip of a function's program, as `sam deploy` makes it.
pub(crate) fn packed(program: &[u8]) -> Result<Vec<u8>> {
    const ZIP_S_OWN: i64 = 6;
    artifacts::packed(program, ZIP_S_OWN)
}

/// `tools`: the `PATH` that has them in front, the linters too where they are asked for.
pub(crate) async fn tools(with_linters: bool, reporter: &Reporter) -> Result<String> {
    let instance = Instance::find(InstanceName::Dev)?;
    let _lock = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
    let tools = Tools::of(&instance);
    tools.ensure(&instance, reporter).await?;
    let path = command::path_with(&tools.bin);
    if !with_linters {
        return Ok(path);
    }
    let linters = tools.ensure_linters(&instance, reporter).await?;
    // Behind: of what both have, the tools' own is meant.
    Ok(format!("{path}:{}", linters.display()))
}

/// The Python with the second interpreter of state machines, which the first call installs. It
/// needs no stack.
///
/// # Errors
///
/// When there is no Python, or its packages cannot be had.
pub async fn interpreter(reporter: &Reporter) -> Result<PathBuf> {
    let instance = Instance::find(InstanceName::Dev)?;
    let _lock = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
    Tools::of(&instance).ensure_interpreter(&instance, reporter).await
}
