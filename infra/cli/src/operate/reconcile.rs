//! `reconcile`: a sweep now, or a look at one process; what it found, and what became of it.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::diagnose::Telling;
use super::diagnose::speech::{Lang, items, seconds, text};
use super::reconciler::Functions;
use crate::envelope::Refusal;
use crate::output;
use crate::page::Page;

/// The function's name, without the prefix of the stack that it is deployed in.
const NAME: &str = "reconciler";

/// What `reconcile` can be told.
#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Only this process.
    id: Option<String>,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    telling: Telling,
}

impl ReconcileArgs {
    pub(super) const fn changes(&self) -> bool {
        !self.dry_run
    }

    fn payload(&self) -> Value {
        let mut payload = json!({});
        if self.dry_run {
            payload["dryRun"] = true.into();
        }
        if let Some(id) = &self.id {
            payload["processId"] = id.as_str().into();
        }
        payload
    }
}

/// Has it reconciled, and tells what became of it.
pub(super) async fn run(args: &ReconcileArgs, functions: &impl Functions) -> Result<ExitCode> {
    let answer = functions.invoke(NAME, &args.payload()).await;
    let envelope = answer.context("the reconciler cannot be asked")?;
    let Some(data) = envelope.get("data") else {
        match Refusal::of(&envelope) {
            Some(refusal) => return Err(refusal.by("the reconciler refused with")),
            None => {
                bail!("the reconciler answered what this aigen does not understand: {envelope}")
            }
        }
    };
    let (told, is_needed) = tell(data, args.telling.lang(), Page::of_terminal());
    if args.telling.is_json() {
        output::line(data);
    } else {
        output::line(functions.as_typed(told));
    }
    Ok(if is_needed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What it says; whether a person is needed.
fn tell(data: &Value, lang: Lang, mut page: Page) -> (String, bool) {
    let count = |name: &str| data[name].as_u64().unwrap_or_default();
    let [scanned, drift, repaired, moved, failed] =
        ["scanned", "drift", "repaired", "moved", "failed"].map(count);
    let took = seconds(&data["duration"]);
    let is_dry = data["dryRun"] == true;
    page.line(match (lang, is_dry) {
        (Lang::Ja, true) => format!("{scanned} 件を確認、ずれ {drift} 件（変更なし、{took}）"),
        (Lang::En, true) => format!("looked at {scanned}, drift {drift} (nothing changed, {took})"),
        (Lang::Ja, false) => format!(
            "{scanned} 件を確認、ずれ {drift} 件: 修復 {repaired}、先に動いたもの {moved}、\
             失敗 {failed}（{took}）"
        ),
        (Lang::En, false) => format!(
            "looked at {scanned}, drift {drift}: {repaired} repaired, {moved} moved first, \
             {failed} failed ({took})"
        ),
    });
    let deleted = count("deleted");
    if deleted > 0 {
        page.line(match lang {
            Lang::Ja => format!("保存期間を過ぎた処理 {deleted} 件を削除（dry-run では予定）"),
            Lang::En => format!("{deleted} past their retention deleted (in a dry run: to be)"),
        });
    }
    let rows: Vec<_> = items(data, "actions").map(row).collect();
    if !rows.is_empty() {
        let head = match lang {
            Lang::Ja => ["ID", "規則", "前", "後", "結果"],
            Lang::En => ["id", "rule", "from", "to", "outcome"],
        };
        page.table(&head, &rows);
    }
    if data["complete"] == false {
        page.line(lang.say(
            "時間切れです。次の突き合わせが続きから行います",
            "it ran out of time; the next sweep goes on where it stopped",
        ));
    }
    if failed > 0 {
        page.line(lang.say("  → 失敗の原因を見る", "  → why some failed"));
        page.line("      cargo aigen health");
    }
    (page.text(), failed > 0)
}

fn row(action: &Value) -> Vec<String> {
    ["processId", "rule", "from", "to", "outcome"].map(|name| text(action, name)).into()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Asked {
        #[command(flatten)]
        args: ReconcileArgs,
    }

    fn payload(args: &[&str]) -> Value {
        Asked::try_parse_from([&["aigen"], args].concat()).unwrap().args.payload()
    }

    #[test]
    fn it_asks_for_a_sweep_or_for_one_process() {
        assert_eq!(payload(&[]), json!({}));
        assert_eq!(payload(&["7", "--dry-run"]), json!({"processId": "7", "dryRun": true}));
    }

    fn told(data: &Value, lang: Lang) -> (String, bool) {
        let (text, needed) = tell(data, lang, Page::of_width(None));
        (console::strip_ansi_codes(&text).into_owned(), needed)
    }

    #[test]
    fn what_was_found_is_told_with_what_became_of_it() {
        let data = json!({
            "dryRun": false, "complete": true, "scanned": 7, "drift": 1, "repaired": 1,
            "moved": 0, "failed": 0, "duration": 120, "deleted": 0,
            "actions": [{"processId": "p", "rule": "R1", "from": "execution: none",
                         "to": "execution: started", "outcome": "repaired"}],
        });
        let (text, needed) = told(&data, Lang::En);
        assert_eq!(
            text,
            "looked at 7, drift 1: 1 repaired, 0 moved first, 0 failed (0.120 s)\n\
             id  rule  from             to                  outcome\n\
             p   R1    execution: none  execution: started  repaired"
        );
        assert!(!needed);
    }

    #[test]
    fn a_repair_that_failed_needs_a_person() {
        let data = json!({"dryRun": false, "complete": false, "failed": 2, "drift": 2});
        let (text, needed) = told(&data, Lang::Ja);
        assert!(needed && text.contains("失敗 2") && text.contains("cargo aigen health"), "{text}");
    }
}
