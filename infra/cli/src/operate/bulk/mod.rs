//! `cancel` and `retry`: one process, or all that a filter names. Of many it is shown first which
//! they are, and asked whether they are meant; then each is cancelled or retried by its id, so that
//! never more than was shown is touched. They are the same functions that users reach, so that
//! limits, fairness and the history are the same; the history tells besides who did it, and why.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verbs, and the order of things |
//! | `args` | what they can be told |
//! | `choice` | which processes: the filter, and the candidates that diagnostics has for it |
//! | `preview` | what is shown before it is asked |
//! | `carry` | doing it, so many a second, and what became of each |
//! | `outcome` | what a function's answer says about one process: pure |
//! | `told` | what is told at the end |
//!
//! Exit code 0: done. 1: not with all of them. 2: nothing was changed.

mod args;
mod carry;
mod choice;
mod outcome;
mod preview;
#[cfg(test)]
mod tests;
mod told;

use std::cell::Cell;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::place::Place;
use super::reconciler::Functions;
use crate::{asked, output, stack};
use args::How;
pub(crate) use args::{CancelArgs, RetryArgs};
use carry::{Carried, Pace};
use choice::Filter;
use preview::Lang;

/// Characters of a reason that the functions take.
const REASON_LENGTH: usize = 500;

/// What is done, and to which.
pub(super) enum Deed<'a> {
    Cancel(&'a CancelArgs),
    Retry(&'a RetryArgs),
}

impl Deed<'_> {
    const fn how(&self) -> &How {
        match self {
            Self::Cancel(args) => &args.how,
            Self::Retry(args) => &args.how,
        }
    }

    const fn id(&self) -> Option<&String> {
        match self {
            Self::Cancel(args) => args.id.as_ref(),
            Self::Retry(args) => args.id.as_ref(),
        }
    }

    /// Whether nothing is said of which processes of many are meant.
    const fn is_unfiltered(&self) -> bool {
        match self {
            Self::Cancel(args) => args.filter.is_empty(),
            Self::Retry(args) => args.filter.is_empty() && args.code.is_none() && !args.parts,
        }
    }

    const fn filter(&self) -> &Filter {
        match self {
            Self::Cancel(args) => &args.filter,
            Self::Retry(args) => &args.filter,
        }
    }

    /// The function that does it to one process.
    const fn function(&self) -> &'static str {
        match self {
            Self::Cancel(_) => "cancel-handler",
            Self::Retry(_) => "retry-handler",
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Cancel(_) => "cancel",
            Self::Retry(_) => "retry",
        }
    }

    /// What diagnostics is asked for the candidates besides the filter.
    fn query(&self) -> Map<String, Value> {
        let mut query = Map::new();
        query.insert("check".to_owned(), "candidates".into());
        query.insert("action".to_owned(), self.name().into());
        query.insert("lang".to_owned(), self.how().telling.lang().tag().into());
        if let Self::Retry(args) = self {
            if args.force {
                query.insert("force".to_owned(), true.into());
            }
            if args.parts {
                query.insert("parts".to_owned(), true.into());
            }
            if let Some(code) = &args.code {
                query.insert("code".to_owned(), code.to_uppercase().into());
            }
        }
        query
    }

    /// What the function is asked about the process `id`. Of many, none presses: users who ask
    /// meanwhile come first.
    fn payload(&self, id: &str, by: &str) -> Value {
        let lang = self.how().telling.lang().tag();
        let mut payload = json!({"processId": id, "by": by, "lang": lang});
        if let Some(reason) = &self.how().reason {
            payload["reason"] = reason.as_str().into();
        }
        if let Self::Retry(args) = self {
            if args.force {
                payload["force"] = true.into();
            }
            if args.failed {
                payload["priority"] = "low".into();
            }
        }
        payload
    }

    /// What would say nothing is refused, so that nobody believes that it did.
    fn ensure_meant(&self) -> Result<()> {
        let How { reason, dry_run, yes, telling, .. } = self.how();
        let lang = telling.lang();
        if let Some(reason) = reason {
            let length = reason.trim().chars().count();
            ensure!(
                (1..=REASON_LENGTH).contains(&length),
                match lang {
                    Lang::Ja =>
                        format!("--reason は 1〜{REASON_LENGTH} 文字です（{length} 文字あります）"),
                    Lang::En => format!(
                        "--reason has {length} characters: 1 to {REASON_LENGTH} can be kept in a \
                         history"
                    ),
                }
            );
        }
        if self.id().is_some() {
            ensure!(
                !dry_run && !yes && self.is_unfiltered(),
                lang.say(
                    "絞り込み、--dry-run、--yes は複数の処理のためのものです。ID で指定した 1 件には\
                     使えません",
                    "filters, --dry-run and --yes are for many processes, and one is named by its \
                     id",
                )
            );
        } else {
            ensure!(
                reason.is_some() || *dry_run,
                lang.say(
                    "--reason がありません。各処理の履歴に残る理由を書いてください\
                     （先に対象だけを見るには --dry-run）",
                    "--reason is missing: say why, for the history of each process (or look first, \
                     with --dry-run)",
                )
            );
        }
        Ok(())
    }
}

/// Does it, and tells what became of each.
pub(super) async fn run(deed: &Deed<'_>, place: &Place) -> Result<ExitCode> {
    deed.ensure_meant()?;
    let how = deed.how();
    let lang = how.telling.lang();
    if let Some(id) = deed.id() {
        let by = place.operator().await?;
        let ids = vec![id.clone()];
        let carried = carry_on(deed, place, ids, &by).await?;
        let (text, is_done) = told::one(deed, id, &carried, lang);
        let code = print(how, place, &carried.data(deed, 1), text, is_done);
        carried.trouble.iter().for_each(output::trouble);
        return Ok(code);
    }
    let chosen = stack::unless_interrupted(choice::choose(deed, place)).await?;
    let chosen = chosen.context(
        lang.say("中断しました。何も変更していません", "interrupted: nothing was changed"),
    )??;
    let shown = place.as_typed(preview::of(deed, &chosen, lang));
    if how.dry_run {
        return Ok(print(how, place, &chosen.data(deed), shown, true));
    }
    output::aside(&shown);
    if chosen.processes.is_empty() {
        return Ok(print(how, place, &chosen.data(deed), String::new(), true));
    }
    if !how.yes && !is_meant(chosen.processes.len(), lang).await? {
        output::aside(lang.say("何も変更していません", "nothing was changed"));
        return Ok(ExitCode::from(2));
    }
    let by = place.operator().await?;
    let ids = chosen.processes.iter().map(|process| process.id.clone()).collect();
    let carried = carry_on(deed, place, ids, &by).await?;
    let (text, is_done) = told::many(deed, &chosen, &carried, lang);
    let code = print(how, place, &carried.data(deed, chosen.processes.len()), text, is_done);
    carried.trouble.iter().for_each(output::trouble);
    Ok(code)
}

fn print(how: &How, place: &Place, data: &Value, text: String, is_done: bool) -> ExitCode {
    if how.telling.is_json() {
        output::line(data);
    } else if !text.is_empty() {
        output::line(place.as_typed(text));
    }
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number is typed, and not a y: who types it has read it.
async fn is_meant(count: usize, lang: Lang) -> Result<bool> {
    ensure!(
        std::io::stdin().is_terminal(),
        lang.say(
            "確認する人がいないため、何も変更していません。--yes を付けてください",
            "nobody is there to ask whether these are meant, and nothing was changed: add --yes",
        )
    );
    output::aside(preview::question(count, lang));
    Ok(asked::typed().await?.is_some_and(|line| line == count.to_string()))
}

/// What was begun is waited for, also when it is interrupted; the rest is left as it is.
async fn carry_on(
    deed: &Deed<'_>,
    functions: &impl Functions,
    ids: Vec<String>,
    by: &str,
) -> Result<Carried> {
    let stopped = Cell::new(false);
    let pace = Pace {
        every: Duration::from_secs(1) / deed.how().per_second,
        again: carry::AGAIN,
        bar: carry::bar(ids.len() as u64),
    };
    let act = async |id: &str| functions.invoke(deed.function(), &deed.payload(id, by)).await;
    let mut work = Box::pin(carry::carry(ids, act, &pace, &stopped));
    if let Some(carried) = stack::unless_interrupted(&mut work).await? {
        return Ok(carried);
    }
    stopped.set(true);
    Ok(work.await)
}
