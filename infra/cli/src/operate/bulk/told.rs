//! What is told at the end.

use super::Deed;
use super::carry::Carried;
use super::choice::Chosen;
use super::outcome::Outcome;
use super::preview::Lang;
use crate::page::Page;

/// Processes that are told one by one.
const MOST_ROWS: usize = 20;

/// Of one process; whether it is done.
pub(super) fn one(deed: &Deed<'_>, id: &str, carried: &Carried, lang: Lang) -> (String, bool) {
    let Some((_, outcome)) = carried.outcomes.first() else { return (String::new(), false) };
    match (outcome, deed) {
        (Outcome::Done { retry_process_id: Some(retry) }, _) => {
            let what = lang.say("新しい処理として再試行します", "retried as");
            (format!("{what}: {retry}\n  → cargo aigen process {retry}"), true)
        }
        (Outcome::Done { .. }, _) => {
            (format!("{}: {id}", lang.say("中止しました", "cancelled")), true)
        }
        (Outcome::Refused { code, message } | Outcome::Later { code, message }, _) => {
            let next = match code.as_str() {
                "INVALID_UUID" | "PROCESSING_NOT_FOUND" => "cargo aigen list".to_owned(),
                "VALIDATION_ERROR" => format!("cargo aigen {} --help", deed.name()),
                _ => format!("cargo aigen process {id}"),
            };
            (format!("{code}: {message}\n  → {next}"), false)
        }
        // What has ended it is told beside it.
        (Outcome::Left, _) if carried.trouble.is_some() => (String::new(), false),
        (Outcome::Left, _) => (lang.say("中断しました", "interrupted").to_owned(), false),
    }
}

/// Of many; whether all are done.
pub(super) fn many(
    deed: &Deed<'_>,
    chosen: &Chosen,
    carried: &Carried,
    lang: Lang,
) -> (String, bool) {
    let mut page = Page::of_terminal();
    let all = chosen.processes.len();
    let done = carried.count(|outcome| matches!(outcome, Outcome::Done { .. }));
    page.line(match (deed, lang) {
        (Deed::Cancel(_), Lang::Ja) => format!("{all} 件のうち {done} 件を中止しました"),
        (Deed::Cancel(_), Lang::En) => format!("cancelled {done} of {all}"),
        (Deed::Retry(_), Lang::Ja) => format!("{all} 件のうち {done} 件を再試行しました"),
        (Deed::Retry(_), Lang::En) => format!("retried {done} of {all}"),
    });
    let rows: Vec<_> = carried.outcomes.iter().filter_map(row).collect();
    if !rows.is_empty() {
        let head = match lang {
            Lang::Ja => ["できなかった処理", "コード", "理由"],
            Lang::En => ["not done", "code", "why"],
        };
        let shown = rows.len().min(MOST_ROWS);
        page.table_of_sentences(&head, &rows[..shown]);
        if rows.len() > shown {
            let more = rows.len() - shown;
            page.aside(&match lang {
                Lang::Ja => format!("ほか {more} 件（--json ですべて表示）"),
                Lang::En => format!("and {more} others (--json tells all)"),
            });
        }
    }
    let left = carried.count(|outcome| matches!(outcome, Outcome::Left));
    let later = carried.count(|outcome| matches!(outcome, Outcome::Later { .. }));
    if left > 0 {
        page.line(match lang {
            Lang::Ja => format!("{left} 件には手を付けていません"),
            Lang::En => format!("{left} were not touched"),
        });
    }
    if left + later > 0 {
        page.line(lang.say(
            "  → 同じコマンドで続きから行えます（済んだものは対象になりません）",
            "  → the same command goes on: what is done is no longer meant by it",
        ));
    }
    (page.text(), done == all)
}

fn row((id, outcome): &(String, Outcome)) -> Option<Vec<String>> {
    match outcome {
        Outcome::Refused { code, message } | Outcome::Later { code, message } => {
            Some(vec![id.clone(), code.clone(), message.clone()])
        }
        Outcome::Done { .. } | Outcome::Left => None,
    }
}
