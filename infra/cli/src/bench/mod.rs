//! `bench`: measures the deployed functions themselves, each as the process that Lambda would
//! start.

mod crowd;
mod lambda;
mod reconcile;

use anyhow::Result;
use clap::Subcommand;

use crate::stack::{InstanceName, Reporter};

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// One sweep over a large table, and over a small one with as much to do: what it costs does
    /// not grow with the table.
    Reconcile(reconcile::ReconcileArgs),
    /// More than there is capacity for, on the running stack: a small quota, a crowd of one user, a
    /// whole chart, a batch.
    Crowd(crowd::CrowdArgs),
}

pub(crate) async fn run(bench: &Bench, instance: InstanceName, reporter: &Reporter) -> Result<()> {
    match bench {
        Bench::Reconcile(args) => reconcile::run(args, instance, reporter).await,
        Bench::Crowd(args) => crowd::run(args, instance, reporter).await,
    }
}
