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
//!
//! `up` is a list of steps that each look first and act only if need be. So it can be repeated,
//! interrupted anywhere and run again, and it repairs what has died since.

mod artifacts;
mod authority;
mod aws_api;
mod command;
mod deployment;
mod gateway;
mod gateway_key;
mod health;
mod http;
mod instance;
mod interrupt;
mod lock;
mod migrations;
mod model;
mod ports;
mod postgres;
mod private;
mod process;
mod queries;
mod report;
mod stack_env;
mod stamp;
mod status;
mod tally;
mod testing;
mod tools;
mod users;
mod workspace;

use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

pub use instance::InstanceName;
pub(crate) use interrupt::interruptible;
pub use model::UpArgs;
pub use report::Reporter;
pub use stack_env::StackEnv;
pub use testing::TestArgs;

use deployment::Deployment;
use instance::{Instance, Part};
use lock::Lock;
use process::Record;
use tools::Tools;

/// Ensures that the developer's stack is up, and says how to reach it. Quick when all is there.
///
/// # Errors
///
/// What is missing on the machine, in use, or broken: one sentence, and what to do.
pub async fn up(reporter: &Reporter) -> Result<StackEnv> {
    let instance = Instance::find(InstanceName::Dev)?;
    bring_up(&instance, reporter).await
}

/// A JWT of the local user `name`, who is made on first use.
///
/// # Errors
///
/// When the gateway does not answer or its user pool refuses.
pub async fn token(env: &StackEnv, name: &str) -> Result<String> {
    users::token(env, name).await
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
    let upstream = model::choose(&instance, args)?;
    let env = bring_up(&instance, reporter).await?;
    if let Some(upstream) = upstream {
        reporter.note(&upstream.told());
    }
    reporter.note(&format!(
        "the stack is up at {} ({:.1} s)",
        env.api_url,
        started.elapsed().as_secs_f64()
    ));
    reporter.note(r#"next: eval "$(cargo aigen env)" points plain commands at it; `cargo aigen down` ends it"#);
    Ok(())
}

/// `down`: ends what `up` started, and with `wipe` throws its data away.
pub(crate) async fn down(name: InstanceName, wipe: bool, reporter: &Reporter) -> Result<()> {
    let instance = Instance::find(name)?;
    take_down(&instance, reporter).await?;
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
    migrations::apply(&url, reporter).await
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

/// `tools`: the `PATH` that has them in front.
pub(crate) async fn tools(reporter: &Reporter) -> Result<String> {
    let instance = Instance::find(InstanceName::Dev)?;
    let _lock = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
    let tools = Tools::ensure(&instance, reporter).await?;
    Ok(command::path_with(&tools.bin))
}

/// Boxed, since the steps together make a future that is too large for the stack of whoever awaits
/// it.
fn bring_up<'a>(
    instance: &'a Instance,
    reporter: &'a Reporter,
) -> Pin<Box<dyn Future<Output = Result<StackEnv>> + 'a>> {
    Box::pin(bring_up_in_steps(instance, reporter))
}

async fn bring_up_in_steps(instance: &Instance, reporter: &Reporter) -> Result<StackEnv> {
    instance.make_dirs()?;
    let _lock = Lock::take(&instance.dir.join("lock"), reporter).await?;
    let shared_lock = instance.shared_dir().join("lock");
    // Before the minutes of a first run, not after them.
    for part in Part::ALL {
        if Record::read(&instance.dir, part).is_none() {
            ports::ensure_free(part, instance.ports.of(part))?;
        }
    }

    let tools = {
        let _shared = Lock::take(&shared_lock, reporter).await?;
        Tools::ensure(instance, reporter).await?
    };
    postgres::ensure(instance, &tools, reporter).await?;
    migrations::apply(&postgres::database_url(instance)?, reporter).await?;
    model::ensure(instance, reporter).await?;
    let gateway = clean_gateway(instance, &tools, reporter).await?;
    let deployment = {
        // Held until the deployment is done: another instance must not build into what is being
        // deployed.
        let _shared = Lock::take(&shared_lock, reporter).await?;
        let artifacts = artifacts::ensure(instance, &tools, reporter).await?;
        deployment::ensure(instance, &tools, &gateway, &artifacts, reporter).await?
    };
    StackEnv::new(instance, &deployment)
}

/// A gateway that holds a whole deployment, or none.
async fn clean_gateway(instance: &Instance, tools: &Tools, reporter: &Reporter) -> Result<Record> {
    let gateway = gateway::ensure(instance, tools, reporter).await?;
    if !deployment::is_half_made(instance, &gateway) {
        return Ok(gateway);
    }
    reporter.note("the last deployment was not finished: the AWS gateway starts anew");
    process::end(instance, Part::Gateway).await?;
    gateway::ensure(instance, tools, reporter).await
}

async fn take_down(instance: &Instance, reporter: &Reporter) -> Result<()> {
    let _lock = Lock::take(&instance.dir.join("lock"), reporter).await?;
    let mut ended = false;
    for part in Part::ALL.into_iter().rev() {
        if Record::read(&instance.dir, part).is_some() {
            ended |= reporter.step(&format!("Ending {part}"), process::end(instance, part)).await?;
        }
    }
    if !ended {
        reporter.note("nothing was up");
    }
    Ok(())
}
