//! What `cancel` and `retry` can be told.

use clap::{ArgGroup, value_parser};

use super::choice::Filter;
use crate::operate::diagnose::Telling;

/// What `cancel` can be told.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "all"])))]
pub(crate) struct CancelArgs {
    /// The process's id.
    pub(super) id: Option<String>,
    /// All that wait or run, and that the filters below let through.
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) filter: Filter,
    #[command(flatten)]
    pub(super) how: How,
}

/// What `retry` can be told.
#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("which").required(true).args(["id", "failed"])))]
pub(crate) struct RetryArgs {
    /// The process's id.
    pub(super) id: Option<String>,
    /// All that FAILED or timed out in the last 24 hours (or since --since), and that the filters
    /// below let through.
    #[arg(long)]
    pub(super) failed: bool,
    /// Also those that are COMPLETED without some of their targets: only these are written then.
    #[arg(long)]
    pub(super) parts: bool,
    /// Only those that ended with this error code, such as `AI_ERROR`.
    #[arg(long)]
    pub(super) code: Option<String>,
    /// Also what would fail again in the same way.
    #[arg(long)]
    pub(super) force: bool,
    #[command(flatten)]
    pub(super) filter: Filter,
    #[command(flatten)]
    pub(super) how: How,
}

/// How it is done.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// Why, for the history of each process; with --all or --failed it has to be said.
    #[arg(long, value_name = "TEXT")]
    pub(super) reason: Option<String>,
    /// Only show which they are.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do not ask whether they are meant.
    #[arg(long)]
    pub(super) yes: bool,
    /// Begin with so many a second at most; `StopExecution` allows some 25 in most regions.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u32).range(1..=100))]
    pub(super) per_second: u32,
    #[command(flatten)]
    pub(super) telling: Telling,
}
