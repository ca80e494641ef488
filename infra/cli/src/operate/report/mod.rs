//! `report`: what the last hours were like, as one page of HTML for people. It is made of what
//! `export` gives without texts, page by page, and keeps nothing of a process but its figures.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verb: asking, and writing the file |
//! | `process` | a process as it is read |
//! | `window` | the time that is looked at, in buckets |
//! | `figures/` | processes → figures, purely |
//! | `page/` | figures → HTML, purely |

mod figures;
mod page;
mod process;
mod window;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{DateTime, FixedOffset, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::diagnose::{Hours, Lang};
use super::pages::{Pages, bar};
use super::partial::Partial;
use super::prices::Prices;
use super::reconciler::Functions;
use super::words::counted;
use crate::{output, stack};
use figures::Figures;
use page::{About, Commands};
use process::Process;
use window::Window;

/// Those accepted so many hours before the window are asked for too: they may have run in it.
const LEAD: i64 = 6;
/// Processes of a page; without texts they are small.
const PAGE: u32 = 500;

/// Which hours, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Write the page into this file, which is there only once everything is in it.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
    #[command(flatten)]
    hours: Hours,
    /// In which language; by default that of the shell (`LANG`), where it is Japanese.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
    /// By which clock: how far it is ahead of UTC, such as +09:00.
    #[arg(long, value_name = "OFFSET", default_value = "+00:00", allow_hyphen_values = true)]
    utc_offset: FixedOffset,
    #[command(flatten)]
    prices: Prices,
}

/// Gathers the figures, and writes the page. `stack`: the name and the region of one on AWS.
pub(super) async fn run(
    args: &ReportArgs,
    stack: Option<(&str, &str)>,
    functions: &impl Functions,
) -> Result<ExitCode> {
    let now = super::now();
    let window = Window::ending(now, args.hours.hours, args.utc_offset);
    let file = Partial::open(&args.html, |_| Ok(0))?;
    let gathering = gather(Pages::of(functions, query(&window), Lang::chosen(args.lang)), window);
    let figures = match stack::unless_interrupted(gathering).await {
        Ok(Some(Ok(figures))) => figures,
        Ok(Some(Err(error))) | Err(error) => {
            file.discard();
            return Err(error);
        }
        Ok(None) => {
            file.discard();
            output::aside("interrupted: nothing was written");
            return Ok(ExitCode::FAILURE);
        }
    };
    let about = args.about(stack, now, functions);
    let place = write(file, &page::page(&figures, &about))?;
    let accepted = counted(figures.counts.accepted, "process", "processes");
    output::aside(format_args!("report of {accepted} {place}"));
    for price in args.prices.all().filter(|price| !figures.models.contains_key(&price.model)) {
        output::aside(format_args!("no call of {}: its price was not used", price.model));
    }
    Ok(ExitCode::SUCCESS)
}

impl ReportArgs {
    fn about(
        &self,
        stack: Option<(&str, &str)>,
        made_at: DateTime<Utc>,
        functions: &impl Functions,
    ) -> About {
        let lang = Lang::chosen(self.lang);
        let place = match (stack, lang) {
            (None, lang) => lang.say("ローカルのスタック", "local stack").to_owned(),
            (Some((name, region)), Lang::Ja) => format!("スタック {name}({region})"),
            (Some((name, region)), Lang::En) => format!("stack {name} in {region}"),
        };
        let typed = |command: String| functions.as_typed(format!("cargo aigen {command}"));
        let commands = Commands {
            errors: typed(format!("errors --hours {}", self.hours.hours)),
            process: typed("process".to_owned()),
            health: typed("health".to_owned()),
        };
        About { lang, made_at, place, prices: self.prices.clone(), commands }
    }
}

/// What is asked for: no texts of users, and those that were there before.
fn query(window: &Window) -> Map<String, Value> {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let fields = [
        ("since", json!(time(window.since - TimeDelta::hours(LEAD)))),
        ("until", json!(time(window.until))),
        ("withoutTexts", json!(true)),
        ("limit", json!(PAGE)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn gather(mut pages: Pages<'_, impl Functions>, window: Window) -> Result<Figures> {
    let mut figures = Figures::of(window)?;
    let bar = bar("reading");
    while let Some(page) = pages.next().await? {
        for process in &page.processes {
            let process = Process::deserialize(process)
                .context("diagnostics answered a process that this aigen does not understand")?;
            figures.add(&process)?;
        }
        bar.set_message(counted(figures.counts.accepted, "process", "processes"));
    }
    bar.finish_and_clear();
    Ok(figures)
}

/// Writes the page and gives the file its name.
fn write(mut file: Partial, page: &str) -> Result<String> {
    match file.write(|out| out.write_all(page.as_bytes())) {
        Ok(()) => file.finish(),
        Err(error) => {
            file.discard();
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests;
