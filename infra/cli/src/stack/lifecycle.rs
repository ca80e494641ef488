//! `up` and `down` of one instance: the steps, in their order.

use std::future::Future;
use std::pin::Pin;

use anyhow::Result;

use super::artifacts::{self, Build};
use super::deployment;
use super::gateway;
use super::instance::Instance;
use super::lock::Lock;
use super::migrations;
use super::model;
use super::part::Part;
use super::ports;
use super::postgres;
use super::process;
use super::record::Record;
use super::report::Reporter;
use super::stack_env::StackEnv;
use super::tools::Tools;

/// Makes what is missing, starts what is down and deploys what has changed. Boxed, since the steps
/// together make a future that is too large for the stack of whoever awaits it.
pub(super) fn bring_up<'a>(
    instance: &'a Instance,
    build: Build,
    reporter: &'a Reporter,
) -> Pin<Box<dyn Future<Output = Result<StackEnv>> + 'a>> {
    Box::pin(bring_up_in_steps(instance, build, reporter))
}

async fn bring_up_in_steps(
    instance: &Instance,
    build: Build,
    reporter: &Reporter,
) -> Result<StackEnv> {
    instance.make_dirs()?;
    let _lock = Lock::take(&instance.dir.join("lock"), reporter).await?;
    // Before the minutes of a first run, not after them.
    for part in Part::ALL {
        if Record::read(&instance.dir, part).is_none() {
            ports::ensure_free(part, instance.ports.of(part))?;
        }
    }
    // Held until the deployment is done: another instance must not build into what is being
    // deployed.
    let _shared = Lock::take(&instance.shared_dir().join("lock"), reporter).await?;
    let tools = Tools::of(instance);
    let (gateway, artifacts) = match build {
        // cargo alone makes these, so it need not wait for the tools.
        Build::Quick => {
            let servers = async {
                tools.ensure(instance, reporter).await?;
                start_servers(instance, &tools, reporter).await
            };
            tokio::try_join!(servers, artifacts::ensure(instance, build, &tools, reporter))?
        }
        Build::Shipped => {
            tools.ensure(instance, reporter).await?;
            tokio::try_join!(
                start_servers(instance, &tools, reporter),
                artifacts::ensure(instance, build, &tools, reporter)
            )?
        }
    };
    let deployment = deployment::ensure(instance, &tools, &gateway, &artifacts, reporter).await?;
    StackEnv::new(instance, &deployment)
}

async fn start_servers(instance: &Instance, tools: &Tools, reporter: &Reporter) -> Result<Record> {
    postgres::ensure(instance, tools, reporter).await?;
    migrations::apply(&postgres::database_url(instance)?, reporter).await?;
    model::ensure(instance, reporter).await?;
    clean_gateway(instance, tools, reporter).await
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

/// Ends what runs of the instance; its data stay.
pub(super) async fn take_down(instance: &Instance, reporter: &Reporter) -> Result<()> {
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
