//! The operator's verbs: they ask the deployed reconciler to admit fewer processes, or none, and
//! show what it says of the capacity; or they ask diagnostics what is wrong (`diagnose/`), or for
//! what is stored (`export/`).
//!
//! - An **order** is what the reconciler is asked.
//! - The **capacity** is what it answers to each of them: limits, what runs, what waits, and
//!   whether it is paused.
//!
//! Exit code 0: done. 1: a person is needed. 2: the command itself could not run.

mod account;
mod capacity;
mod diagnose;
mod drain;
mod export;
mod order;
mod reconciler;
#[cfg(test)]
mod testing;
mod words;

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use clap::Subcommand;
use nix::unistd::{User, getuid};

use crate::output;
use crate::stack::{self, InstanceName, LocalFunctions};
use account::Account;
pub(crate) use account::AccountArgs;
use capacity::Answer;
use order::{LimitArgs, Order, PauseArgs};
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
    /// Write processes with their histories, one line of JSON each, oldest first.
    Export(export::ExportArgs),
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
    fn answer(&self, answer: &Answer) {
        if self.json {
            output::line(&answer.data);
        } else {
            output::line(words::told(&answer.capacity, now()));
        }
    }
}

/// Runs one of them: on the stack of an account, or else on a local one.
pub(crate) async fn run(
    verb: &Verb,
    account: Option<Account>,
    instance: InstanceName,
) -> Result<ExitCode> {
    let Some(account) = account else {
        let functions = LocalFunctions::of(&stack::current(instance)?)?;
        return run_on(verb, functions, operator()).await;
    };
    // Whoever only asks leaves no trace that would have to name them.
    let by = if verb.changes() { account.caller().await? } else { operator() };
    run_on(verb, account.functions().await?, by).await
}

impl Verb {
    /// Whether it changes something.
    const fn changes(&self) -> bool {
        match self {
            Self::Pause { .. } | Self::Resume { .. } | Self::Limit { .. } | Self::Drain { .. } => {
                true
            }
            Self::Export(_) | Self::Ask(_) => false,
        }
    }
}

async fn run_on(verb: &Verb, functions: impl Functions, by: String) -> Result<ExitCode> {
    let reconciler = Reconciler::of(functions);
    let (order, print) = match verb {
        Verb::Pause { pause, print } => (Order::pause(pause, by), print),
        Verb::Resume { print } => (Order::Resume { by }, print),
        Verb::Limit { limit, print } => (Order::limit(limit, by), print),
        Verb::Drain { pause, timeout, print } => {
            let timeout = timeout.map(Duration::from_secs);
            return drain(&reconciler, &Order::pause(pause, by), timeout, print).await;
        }
        Verb::Export(args) => return export::run(args, reconciler.functions()).await,
        Verb::Ask(question) => return diagnose::run(question, reconciler.functions()).await,
    };
    print.answer(&reconciler.ask(&order).await?);
    Ok(ExitCode::SUCCESS)
}

async fn drain(
    reconciler: &Reconciler<impl Functions>,
    pause: &Order,
    timeout: Option<Duration>,
    print: &Print,
) -> Result<ExitCode> {
    let paused = reconciler.ask(pause).await?;
    let mut bar = drain::Bar::on_stderr(&paused.capacity);
    let drained = drain::until_empty(reconciler, paused, drain::EVERY, timeout, &mut bar);
    let Some(outcome) = stack::unless_interrupted(drained).await? else {
        bar.clear();
        output::aside(words::INTERRUPTED);
        return Ok(ExitCode::FAILURE);
    };
    bar.clear();
    let (end, answer) = outcome.context(words::UNWATCHED)?;
    let told = words::drained(end, &answer.capacity, now());
    if print.json {
        output::line(&answer.data);
        output::aside(told);
    } else {
        output::line(told);
    }
    Ok(if end == drain::End::Empty { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Who the reconciler's log is to name: the user of the shell, or else of this process.
fn operator() -> String {
    let of_process = || User::from_uid(getuid()).ok().flatten().map(|user| user.name);
    std::env::var("USER")
        .ok()
        .filter(|name| !name.trim().is_empty())
        .or_else(of_process)
        .unwrap_or_else(|| "operator".to_owned())
}

/// This is an edge: times are told as so long ago.
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
