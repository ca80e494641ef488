//! `bench`: measures the deployed functions themselves, each as the process that Lambda would
//! start.

mod crowd;
mod functions;
mod lambda;
mod optimised;
mod reconcile;
mod table;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::stack::{self, InstanceName, Reporter};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Each function as it is shipped: cold start by phase, warm calls, processor, memory, size;
    /// with target and verdict.
    Functions(functions::FunctionsArgs),
    /// One sweep over a large table, and over a small one with as much to do: what it costs does
    /// not grow with the table.
    Reconcile(reconcile::ReconcileArgs),
    /// More than there is capacity for, on the running stack: a small quota, a crowd of one user, a
    /// whole chart, a batch.
    Crowd(crowd::CrowdArgs),
}

pub(crate) async fn run(
    bench: &Bench,
    instance: InstanceName,
    reporter: &Reporter,
) -> Result<ExitCode> {
    // What a crowd waits for is seconds; in these, what answers the function counts.
    if matches!(bench, Bench::Functions(_) | Bench::Reconcile(_))
        && let Some(code) = optimised::instead(reporter)?
    {
        return Ok(code);
    }
    match bench {
        Bench::Functions(args) => functions::run(args, instance, reporter).await?,
        Bench::Reconcile(args) => reconcile::run(args, instance, reporter).await?,
        Bench::Crowd(args) => crowd::run(args, instance, reporter).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The server that benchmarks make their databases on.
struct Server {
    url: String,
    /// The certificate to trust; empty: the server has one by a public authority.
    ca_file: String,
}

impl Server {
    /// The one that is named, or that of the running stack.
    fn of(url: Option<&str>, instance: InstanceName) -> Result<Self> {
        let url = match url {
            Some(url) => url.to_owned(),
            None => stack::current(instance).context("no DATABASE_URL is given")?.database_url,
        };
        let ca_file = std::env::var("DATABASE_CA_FILE")
            .ok()
            .or_else(|| Some(stack::current(instance).ok()?.database_ca_file))
            .unwrap_or_default();
        Ok(Self { url, ca_file })
    }
}
