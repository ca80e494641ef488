//! `export`: processes with their histories, one line of JSON each, in the order in which they were
//! accepted. Diagnostics gives them page by page, so that it works where the database cannot be
//! reached from here.
//!
//! What was fetched is kept when it is interrupted, and the command that goes on is told.

mod sink;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use indicatif::ProgressBar;
use serde_json::{Map, Value};

use super::diagnose::{Lang, moment};
use super::kind::Kind;
use super::pages::{Pages, bar};
use super::reconciler::Functions;
use super::words::{counted, quoted};
use crate::{output, stack};
use sink::{Line, Sink};

/// Which processes, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct ExportArgs {
    /// Only those accepted since: an RFC 3339 time, or so long ago (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only those accepted before: by default, before now.
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// Only this type, such as `SUBGOAL_GENERATION`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Kind>,
    /// Only those of this user.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only this status, such as FAILED.
    #[arg(long)]
    status: Option<String>,
    /// Leave out what users wrote and what was written for them.
    #[arg(long)]
    no_params: bool,
    /// Only those after this process: where an interrupted export goes on.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Write into this file, which is there only once everything is in it; by default, print.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl ExportArgs {
    /// What diagnostics is asked, but for the place in it; and before which time they were
    /// accepted.
    fn query(&self, now: DateTime<Utc>) -> Result<(Map<String, Value>, Value)> {
        let time = |name, text: &Option<String>| {
            text.as_ref().map(|text| moment(name, text, now)).transpose()
        };
        let usual = now.to_rfc3339_opts(SecondsFormat::Millis, true);
        let until = time("--until", &self.until)?.unwrap_or_else(|| usual.into());
        let mut query = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                query.insert(name.to_owned(), value);
            }
        };
        set("cursor", self.after.clone().map(Value::from));
        set("since", time("--since", &self.since)?);
        set("until", Some(until.clone()));
        set("type", self.kind.clone().map(Value::from));
        set("userId", self.user.clone().map(Value::from));
        set("status", self.status.as_ref().map(|status| status.to_uppercase().into()));
        set("withoutTexts", self.no_params.then_some(Value::Bool(true)));
        Ok((query, until))
    }
}

/// How far it has come.
#[derive(Debug, Default)]
struct SoFar {
    /// After which process it goes on.
    after: Option<String>,
    processes: u64,
    events: u64,
    /// When the last of them was accepted.
    up_to: Option<DateTime<Utc>>,
}

impl SoFar {
    fn told(&self) -> String {
        let processes = counted(self.processes, "process", "processes");
        format!("{processes} with {}", counted(self.events, "event", "events"))
    }

    /// What goes on from here: the command that was given, `words`, with the place and the end.
    fn command(&self, words: impl Iterator<Item = String>, until: &str) -> Option<String> {
        let after = self.after.as_ref()?;
        let mut kept = Vec::new();
        let mut words = words.skip(1);
        while let Some(word) = words.next() {
            let name = word.split('=').next().unwrap_or_default();
            match name {
                "--after" | "--until" if name == word => drop(words.next()),
                "--after" | "--until" => {}
                _ => kept.push(quoted(&word)),
            }
        }
        let program = output::program();
        Some(format!("{program} {} --until {until} --after {after}", kept.join(" ")))
    }
}

/// Exports, and tells how it ended.
pub(super) async fn run(args: &ExportArgs, functions: &impl Functions) -> Result<ExitCode> {
    let (query, until) = args.query(super::now())?;
    let until = until.as_str().unwrap_or_default().to_owned();
    let mut sink = Sink::open(args.out.as_deref(), args.after.as_deref())?;
    let mut so_far = SoFar { after: args.after.clone(), ..SoFar::default() };
    let bar = bar("exporting");
    let pages = Pages::of(functions, query, Lang::chosen(None));
    let fetching = fetch(pages, &mut sink, &mut so_far, &bar);
    let outcome = stack::unless_interrupted(fetching).await;
    bar.finish_and_clear();
    let ended = match outcome? {
        Some(ended) => ended.and_then(|()| sink.finish()),
        None => return Ok(interrupted(&so_far, &until)),
    };
    match ended {
        Ok(place) => {
            output::aside(format_args!("{} {place}", so_far.told()));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Err(told_how_to_go_on(error, &so_far, &until)),
    }
}

fn interrupted(so_far: &SoFar, until: &str) -> ExitCode {
    output::aside(format_args!("interrupted after {}", so_far.told()));
    if let Some(command) = so_far.command(std::env::args(), until) {
        output::aside(format_args!("next      {command}"));
    }
    ExitCode::FAILURE
}

fn told_how_to_go_on(error: Error, so_far: &SoFar, until: &str) -> Error {
    match so_far.command(std::env::args(), until) {
        Some(command) => {
            error.context(format!("ended after {}; go on with: {command}", so_far.told()))
        }
        None => error,
    }
}

/// Fetches page after page. `so_far` says what is written, whenever it ends.
async fn fetch(
    mut pages: Pages<'_, impl Functions>,
    sink: &mut Sink,
    so_far: &mut SoFar,
    bar: &ProgressBar,
) -> Result<()> {
    while let Some(page) = pages.next().await? {
        let lines = page.processes.iter().map(Line::of).collect::<Result<Vec<_>>>()?;
        sink.write(&lines)?;
        so_far.processes += lines.len() as u64;
        so_far.events += lines.iter().map(Line::events).sum::<u64>();
        if let Some(last) = lines.last() {
            so_far.up_to = Some(last.accepted_at());
            so_far.after = Some(last.id().to_owned());
        }
        if let Some(up_to) = so_far.up_to {
            let up_to = up_to.format("%Y-%m-%d %H:%M");
            bar.set_message(format!("{}, up to {up_to} UTC", so_far.told()));
        }
        if let Some(next) = page.next_cursor {
            so_far.after = Some(next);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
