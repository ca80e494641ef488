//! The verbs that ask `diagnostics`: what is wrong, what happened to one process, what many of them
//! did. It works where the database cannot be reached from here.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verbs, what is asked, exit codes |
//! | `asking` | asking, once or again and again |
//! | `health`, `process`, `logs`, `performance`, `survey` | how each answer is told |
//! | `page` | lines, tables, colours, and how wide they are |
//! | `speech` | the two languages |

mod asking;
mod health;
mod logs;
mod performance;
mod process;
pub(super) mod speech;
mod survey;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use clap::{Subcommand, value_parser};
use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::prices::Prices;
use super::reconciler::Functions;
use crate::envelope::Refusal;
use crate::page::Page;
use crate::stack;
use asking::{Told, asking, show};
pub(super) use speech::Lang;

/// The function's name, without the prefix of the stack that it is deployed in.
const NAME: &str = "diagnostics";
/// How often `health --watch` asks.
const EVERY: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Debug, Subcommand)]
pub(crate) enum Question {
    /// Say what is wrong, the most likely cause first, with the command that comes next.
    Health {
        #[command(flatten)]
        telling: Telling,
        /// Ask again and again, until it is interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// Say what happened to a process, where its time went, and what comes next.
    Process {
        /// The process's id.
        id: String,
        #[command(flatten)]
        prices: Prices,
        #[command(flatten)]
        telling: Telling,
    },
    /// Print what all functions logged about a process, or about an errorId that a user was told.
    Logs {
        /// The id.
        id: String,
        #[command(flatten)]
        hours: Hours,
        #[command(flatten)]
        telling: Telling,
    },
    /// Say where the time goes: by type, function, model and statement of the database.
    Performance {
        #[command(flatten)]
        hours: Hours,
        #[command(flatten)]
        telling: Telling,
    },
    /// List processes, the newest first.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        telling: Telling,
    },
    /// Count processes by type and status, with times and tokens.
    Stats {
        #[command(flatten)]
        hours: Hours,
        #[command(flatten)]
        telling: Telling,
    },
    /// Group what failed by code and cause.
    Errors {
        #[command(flatten)]
        hours: Hours,
        #[command(flatten)]
        telling: Telling,
    },
}

/// How it is told.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Telling {
    /// Print what diagnostics answers, as JSON.
    #[arg(long)]
    json: bool,
    /// In which language; by default that of the shell (`LANG`), where it is Japanese.
    #[arg(long, value_enum)]
    lang: Option<Lang>,
}

impl Telling {
    /// In which language.
    pub(super) fn lang(self) -> Lang {
        Lang::chosen(self.lang)
    }

    /// Whether it is told to a machine.
    pub(super) const fn is_json(self) -> bool {
        self.json
    }
}

/// How far back.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Hours {
    /// Of the last N hours.
    #[arg(long, value_name = "N", default_value_t = 24)]
    #[arg(value_parser = value_parser!(u32).range(1..=744))]
    pub(super) hours: u32,
}

/// Which processes.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Filter {
    /// Only this type, such as `SUBGOAL_GENERATION`.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<Kind>,
    /// Only this status, such as FAILED.
    #[arg(long)]
    status: Option<String>,
    /// Only those of this user.
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only those that ended with this error code.
    #[arg(long)]
    code: Option<String>,
    /// Only those accepted since: an RFC 3339 time, or so long ago (30m, 12h, 7d).
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// So many.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=100))]
    limit: Option<u32>,
    /// Where to go on, as the page before says.
    #[arg(long)]
    cursor: Option<String>,
}

impl Question {
    const fn telling(&self) -> Telling {
        match self {
            Self::Health { telling, .. }
            | Self::Process { telling, .. }
            | Self::Logs { telling, .. }
            | Self::Performance { telling, .. }
            | Self::List { telling, .. }
            | Self::Stats { telling, .. }
            | Self::Errors { telling, .. } => *telling,
        }
    }

    /// What diagnostics is asked.
    fn payload(&self, lang: Lang, now: DateTime<Utc>) -> Result<Value> {
        let mut payload = Map::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                payload.insert(name.to_owned(), value);
            }
        };
        set("lang", Some(lang.tag().into()));
        match self {
            Self::Health { .. } => set("check", Some("health".into())),
            Self::Process { id, .. } => {
                set("check", Some("process".into()));
                set("processId", Some(id.as_str().into()));
            }
            Self::Logs { id, hours, .. } => {
                set("check", Some("logs".into()));
                set("processId", Some(id.as_str().into()));
                set("hours", Some(hours.hours.into()));
            }
            Self::Performance { hours, .. } => {
                set("check", Some("performance".into()));
                set("hours", Some(hours.hours.into()));
            }
            Self::List { filter, .. } => {
                set("check", Some("list".into()));
                set("type", filter.kind.clone().map(Value::from));
                set("status", filter.status.as_ref().map(|it| it.to_uppercase().into()));
                set("userId", filter.user.clone().map(Value::from));
                set("code", filter.code.as_ref().map(|it| it.to_uppercase().into()));
                set(
                    "since",
                    filter.since.as_ref().map(|it| moment("--since", it, now)).transpose()?,
                );
                set("limit", filter.limit.map(Value::from));
                set("cursor", filter.cursor.clone().map(Value::from));
            }
            Self::Stats { hours, .. } => {
                set("check", Some("stats".into()));
                set("hours", Some(hours.hours.into()));
            }
            Self::Errors { hours, .. } => {
                set("check", Some("errors".into()));
                set("hours", Some(hours.hours.into()));
            }
        }
        Ok(Value::Object(payload))
    }

    /// An older diagnostics knows of health only whether all parts answer.
    fn understand(&self, data: &Value) -> Result<()> {
        if matches!(self, Self::Health { .. }) && !data["verdict"].is_string() {
            bail!(
                "the deployed diagnostics gives no verdict (it answered {data}); \
                 `cargo aigen up` deploys the present one here, `sam deploy` on AWS"
            );
        }
        Ok(())
    }

    /// What the answer says, and whether a person is needed.
    fn told(&self, data: &Value, lang: Lang, now: DateTime<Utc>) -> (String, bool) {
        let mut page = Page::of_terminal();
        let is_needed = match self {
            Self::Health { .. } => health::tell(data, lang, now, &mut page),
            Self::Process { prices, .. } => process::tell(data, prices, lang, now, &mut page),
            Self::Logs { .. } => logs::tell(data, lang, &mut page),
            Self::Performance { .. } => performance::tell(data, lang, now, &mut page),
            Self::List { .. } => survey::list(data, lang, &mut page),
            Self::Stats { .. } => survey::stats(data, lang, &mut page),
            Self::Errors { .. } => survey::errors(data, lang, now, &mut page),
        };
        (page.text(), is_needed)
    }
}

/// A time as diagnostics understands it.
pub(super) fn moment(name: &str, text: &str, now: DateTime<Utc>) -> Result<Value> {
    let ago = |unit: char, seconds: i64| {
        let count: i64 = text.strip_suffix(unit)?.parse().ok().filter(|count| *count >= 0)?;
        now.checked_sub_signed(TimeDelta::try_seconds(count.checked_mul(seconds)?)?)
    };
    let time = ago('m', 60)
        .or_else(|| ago('h', 3_600))
        .or_else(|| ago('d', 86_400))
        .or_else(|| DateTime::parse_from_rfc3339(text).ok().map(Into::into));
    match time {
        Some(time) => Ok(json!(time)),
        None => bail!("{name} is neither an RFC 3339 time nor a span such as 30m, 12h or 7d"),
    }
}

/// Asks, and tells the answer.
pub(super) async fn run(question: &Question, functions: &impl Functions) -> Result<ExitCode> {
    let telling = question.telling();
    let is_watched = matches!(question, Question::Health { watch: true, .. });
    ensure!(
        !is_watched || telling.json || std::io::stdout().is_terminal(),
        "--watch draws over itself, which takes a terminal; --watch --json prints line by line"
    );
    let every = is_watched.then_some(EVERY);
    let mut is_needed = false;
    let show = |told: Told| {
        is_needed = told.is_needed;
        show(told, functions, telling.json, is_watched)
    };
    match stack::unless_interrupted(Box::pin(asking(question, functions, every, show))).await? {
        Some(outcome) => outcome?,
        // Whoever watches ends the watching.
        None if is_watched => {}
        None => bail!("interrupted"),
    }
    Ok(if is_needed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The data of a good answer; a refusal is an error.
pub(super) async fn ask(functions: &impl Functions, payload: &Value) -> Result<Value> {
    let mut envelope =
        functions.invoke(NAME, payload).await.context("diagnostics cannot be asked")?;
    match envelope.get_mut("data") {
        Some(data) => Ok(data.take()),
        None => match Refusal::of(&envelope) {
            Some(refusal) => Err(refusal.by("diagnostics refused with")),
            None => bail!("diagnostics answered what this aigen does not understand: {envelope}"),
        },
    }
}

#[cfg(test)]
mod tests;
