//! `submit`: sends the goals of a file, of any length, in batches, and goes on where it stopped.
//!
//! - A **row** is one request of the file: a line of JSON, or a record of CSV. Rows are counted
//!   from 1, the unreadable ones too.
//! - A **batch** is what one call sends: the rows that were held, then the next of the file. It
//!   follows from the file and the state alone, so that a run that was cut off sends the same one
//!   again under the same key, and nothing is doubled.
//! - A **held** row was refused for now (`TOO_MANY_WAITING`), and goes with the next batch.
//! - The **state** is what is known to be done. It is written after each batch.

mod api;
mod batch;
mod csv_rows;
mod job;
mod json_lines;
mod pace;
mod progress;
mod refused;
mod request;
mod rows;
mod source;
mod state;
mod summary;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::value_parser;

use crate::output;
use crate::stack::{self, InstanceName};
use api::Api;
use job::Job;
use pace::Pace;
use progress::Progress;
use request::Priority;
use source::Source;
use state::Options;

/// What `submit` can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SubmitArgs {
    /// JSON lines (`{"type":…,"params":{…}}`, or only the params), or CSV whose header names
    /// params: goalId, title, description, deadline, background, constraints …
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The local user in whose name it is asked; made on first use.
    #[arg(long = "as", value_name = "USER", default_value = "demo")]
    user: String,
    /// Requests that do not say their priority are to give way to others (as in any batch).
    #[arg(long, conflicts_with = "normal")]
    low: bool,
    /// Requests that do not say their priority are as urgent as single ones.
    #[arg(long)]
    normal: bool,
    /// The type of rows that do not name theirs.
    #[arg(
        long = "type",
        value_name = "TYPE",
        default_value = "SUBGOAL_GENERATION",
        value_parser =
            ["SUBGOAL_GENERATION", "ACTION_GENERATION", "TASK_GENERATION", "CHART_GENERATION"]
    )]
    kind: String,
    /// Have each row judged, and nothing accepted.
    #[arg(long)]
    dry_run: bool,
    /// Where refused rows go; by default beside FILE, as FILE.refused.jsonl.
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// Where it is kept how far the run is; by default beside FILE, as FILE.aigen-state.json.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Rows that are sent at once.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 100,
        value_parser = value_parser!(u16).range(1..=100)
    )]
    batch_size: u16,
}

impl SubmitArgs {
    fn options(&self) -> Options {
        let priority = match (self.low, self.normal) {
            (true, _) => Some(Priority::Low),
            (_, true) => Some(Priority::Normal),
            _ => None,
        };
        Options {
            user: self.user.clone(),
            kind: self.kind.clone(),
            priority,
            batch_size: self.batch_size,
        }
    }

    /// A dry run has a file of its own: that of a run that is under way is not to be lost.
    fn refused_path(&self) -> PathBuf {
        let usual = if self.dry_run { ".dry-run.refused.jsonl" } else { ".refused.jsonl" };
        self.refused.clone().unwrap_or_else(|| beside(&self.file, usual))
    }

    fn state_path(&self) -> PathBuf {
        self.state.clone().unwrap_or_else(|| beside(&self.file, ".aigen-state.json"))
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(ending);
    path.into()
}

/// Sends the file to a local stack. Exit code 0: all was accepted. 1: some was refused. An error:
/// it did not come to its end.
pub(crate) async fn run(args: &SubmitArgs, instance: InstanceName) -> Result<ExitCode> {
    let env = stack::current(instance)?;
    let api = Api::new(&env.api_url, async || stack::token(&env, &args.user).await)?;
    send(args, &api, Pace::USUAL).await
}

async fn send(
    args: &SubmitArgs,
    api: &Api<impl AsyncFn() -> Result<String>>,
    pace: Pace,
) -> Result<ExitCode> {
    let started = Instant::now();
    let source = Source::open(&args.file)?;
    let mut job = Job::begin(args, source)?;
    let was_whole = job.state().whole;
    if !was_whole {
        let mut progress = Progress::on_stderr(job.state());
        let outcome = stack::unless_interrupted(job.run(api, pace, &mut progress)).await;
        progress.clear();
        outcome?.unwrap_or_else(|| bail!("interrupted")).inspect_err(|_| {
            output::aside(format_args!("· {}", summary::unfinished(job.state(), args.dry_run)));
        })?;
    }
    let told = summary::Told {
        file: &args.file,
        state_file: &args.state_path(),
        refused_file: &args.refused_path(),
        dry_run: args.dry_run,
        took: (!was_whole).then(|| started.elapsed()),
    };
    output::line(told.text(job.state()));
    let all_accepted = job.state().refused() == 0;
    Ok(if all_accepted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
