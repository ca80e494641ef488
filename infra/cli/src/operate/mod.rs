//! The operator's verbs: they ask the deployed reconciler to admit fewer processes, or none, and
//! show what it says of the capacity, or have it sweep (`reconcile`); they cancel and retry
//! processes, one or many (`bulk/`); or they ask diagnostics what is wrong (`diagnose/`), or for
//! what is stored (`export/`), of which they can make a page for people (`report/`); or they hold
//! what is deployed against what was built (`verify/`). The functions are those of the local stack
//! or of one on AWS (`place`, `account/`).
//!
//! - An **order** is what the reconciler is asked.
//! - The **capacity** is what it answers to each of them: limits, what runs, what waits, and
//!   whether it is paused.
//!
//! Exit code 0: done. 1: a person is needed. 2: the command itself could not run.

mod account;
mod bulk;
mod capacity;
mod diagnose;
mod drain;
mod export;
mod kind;
mod lasting;
mod migrate;
mod order;
mod pages;
mod partial;
mod place;
mod prices;
mod reconcile;
mod reconciler;
mod report;
#[cfg(test)]
mod testing;
mod verify;
mod words;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Subcommand;

use crate::output;
use crate::stack::{self, InstanceName};
use capacity::Answer;
use order::{LimitArgs, Order, PauseArgs};
use place::Place;
pub(crate) use place::PlaceArgs;
#[cfg(test)]
pub(crate) use place::for_aws;
use reconciler::{Functions, Reconciler};

/// What an operator can do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Admit no further process: what runs goes on to its end, what is asked for waits.
    Pause {
        #[command(flatten)]
        pause: PauseArgs,
        #[command(flatten)]
        print: Print,
    },
    /// Take a pause back: what waits is admitted again.
    Resume {
        #[command(flatten)]
        print: Print,
    },
    /// Show or change how many model calls may be in flight.
    Limit {
        #[command(flatten)]
        limit: LimitArgs,
        #[command(flatten)]
        print: Print,
    },
    /// Pause, and wait until nothing runs any more: before maintenance.
    Drain {
        #[command(flatten)]
        pause: PauseArgs,
        /// Give up waiting after so long; it stays paused.
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<u64>,
        #[command(flatten)]
        print: Print,
    },
    /// Cancel a process, or all that a filter names.
    Cancel(bulk::CancelArgs),
    /// Retry a process, or all that failed and that a filter names.
    Retry(bulk::RetryArgs),
    /// Sweep now: mend what the database and the executions disagree on.
    Reconcile(reconcile::ReconcileArgs),
    /// Write processes with their histories, one line of JSON each, oldest first.
    Export(export::ExportArgs),
    /// Make a page of HTML of the last hours: throughput, times, failures, repairs, tokens.
    Report(report::ReportArgs),
    /// Say whether what is deployed is what was built (`artifacts`): functions, state machine,
    /// migrations.
    Verify(verify::VerifyArgs),
    #[command(flatten)]
    Ask(diagnose::Question),
}

/// How the answer is printed.
#[derive(clap::Args)]
pub(crate) struct Print {
    /// Print what the reconciler answers, as JSON.
    #[arg(long)]
    json: bool,
}

impl Print {
    fn answer(&self, answer: &Answer, functions: &impl Functions) {
        if self.json {
            output::line(&answer.data);
        } else {
            output::line(functions.as_typed(words::told(&answer.capacity, now())));
        }
    }
}

impl Verb {
    /// Whether it changes something, so that someone has to be named for it.
    fn changes(&self) -> bool {
        match self {
            Self::Pause { .. } | Self::Resume { .. } | Self::Drain { .. } => true,
            Self::Limit { limit, .. } => limit.changes(),
            Self::Reconcile(args) => args.changes(),
            // Cancel and retry ask whether it is meant before they say who does it.
            Self::Cancel(_)
            | Self::Retry(_)
            | Self::Export(_)
            | Self::Report(_)
            | Self::Verify(_)
            | Self::Ask(_) => false,
        }
    }
}

/// Runs one of them, on the stack that is named.
pub(crate) async fn run(
    verb: &Verb,
    place: &PlaceArgs,
    instance: InstanceName,
) -> Result<ExitCode> {
    if let Verb::Verify(args) = verb {
        return verify::run(args, &place::account(place, instance).await?).await;
    }
    let place = Place::find(place, instance).await?;
    let by = if verb.changes() { place.operator().await? } else { String::new() };
    let reconciler = Reconciler::of(place);
    let (order, print) = match verb {
        Verb::Pause { pause, print } => (Order::pause(pause, by), print),
        Verb::Resume { print } => (Order::Resume { by }, print),
        Verb::Limit { limit, print } => (Order::limit(limit, by), print),
        Verb::Drain { pause, timeout, print } => {
            let timeout = timeout.map(Duration::from_secs);
            return drain(&reconciler, &Order::pause(pause, by), timeout, print).await;
        }
        Verb::Cancel(args) => {
            return bulk::run(&bulk::Deed::Cancel(args), reconciler.functions()).await;
        }
        Verb::Retry(args) => {
            return bulk::run(&bulk::Deed::Retry(args), reconciler.functions()).await;
        }
        Verb::Reconcile(args) => return reconcile::run(args, reconciler.functions()).await,
        Verb::Export(args) => return export::run(args, reconciler.functions()).await,
        Verb::Report(args) => {
            let place = reconciler.functions();
            return report::run(args, place.stack(), place).await;
        }
        // Asked of the account, above.
        Verb::Verify(_) => return Ok(ExitCode::FAILURE),
        Verb::Ask(question) => return diagnose::run(question, reconciler.functions()).await,
    };
    print.answer(&reconciler.ask(&order).await?, reconciler.functions());
    Ok(ExitCode::SUCCESS)
}

pub(crate) use migrate::adopted;

/// Has a deployed stack apply its migrations.
pub(crate) async fn migrate(
    place: &PlaceArgs,
    instance: InstanceName,
    dry_run: bool,
    adopt: bool,
) -> Result<ExitCode> {
    let place = Place::find(place, instance).await?;
    if !dry_run {
        place.operator().await?;
    }
    migrate::run(&place, dry_run, adopt).await
}

async fn drain(
    reconciler: &Reconciler<Place>,
    pause: &Order,
    timeout: Option<Duration>,
    print: &Print,
) -> Result<ExitCode> {
    let paused = reconciler.ask(pause).await?;
    let mut bar = drain::Bar::on_stderr(&paused.capacity);
    let drained = drain::until_empty(reconciler, paused, drain::EVERY, timeout, &mut bar);
    let Some(outcome) = stack::unless_interrupted(drained).await? else {
        bar.clear();
        output::aside(reconciler.functions().as_typed(words::INTERRUPTED.to_owned()));
        return Ok(ExitCode::FAILURE);
    };
    bar.clear();
    let functions = reconciler.functions();
    let (end, answer) = outcome.context(functions.as_typed(words::UNWATCHED.to_owned()))?;
    let told = functions.as_typed(words::drained(end, &answer.capacity, now()));
    if print.json {
        output::line(&answer.data);
        output::aside(told);
    } else {
        output::line(told);
    }
    Ok(if end == drain::End::Empty { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// This is an edge: times are told as so long ago.
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
