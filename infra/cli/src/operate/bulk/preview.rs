//! What is shown before it is asked whether it is meant: how many there are of what, the first and
//! the last, what is left out.

use std::collections::{BTreeMap, BTreeSet};

use super::Deed;
use super::choice::{Candidate, Chosen};
pub(super) use crate::operate::diagnose::speech::Lang;
use crate::page::Page;

/// Processes that are shown one by one.
const EXAMPLES: usize = 5;

/// All of it.
pub(super) fn of(deed: &Deed<'_>, chosen: &Chosen, lang: Lang) -> String {
    let mut page = Page::of_terminal();
    let count = chosen.processes.len();
    let users = chosen.processes.iter().map(|process| &process.user_id).collect::<BTreeSet<_>>();
    page.line(headline(deed, count, users.len(), chosen, lang));
    let groups = groups(&chosen.processes);
    if !groups.is_empty() {
        let head = match lang {
            Lang::Ja => ["件数", "種類", "状態", "エラー"],
            Lang::En => ["count", "type", "status", "error"],
        };
        page.table(&head, &groups);
        page.line("");
        let examples: Vec<_> = chosen.processes.iter().take(EXAMPLES).map(row).collect();
        let at = match (deed, lang) {
            (Deed::Cancel(_), Lang::Ja) => "受け付け (UTC)",
            (Deed::Cancel(_), Lang::En) => "accepted (UTC)",
            (Deed::Retry(_), Lang::Ja) => "終了 (UTC)",
            (Deed::Retry(_), Lang::En) => "ended (UTC)",
        };
        let head = match lang {
            Lang::Ja => ["例（新しい順）", "利用者", at],
            Lang::En => ["examples, newest first", "user", at],
        };
        page.table(&head, &examples);
    }
    for (why, count) in &chosen.left_out {
        page.line(left_out(why, *count, lang));
    }
    page.text()
}

fn headline(deed: &Deed<'_>, count: usize, users: usize, chosen: &Chosen, lang: Lang) -> String {
    let since = chosen.since.map(|at| at.format("%m-%d %H:%M UTC").to_string());
    match (deed, lang) {
        (Deed::Cancel(_), Lang::Ja) => format!("中止の対象: {count} 件（利用者 {users} 人）"),
        (Deed::Cancel(_), Lang::En) => {
            format!("to be cancelled: {}", of_users(count, users))
        }
        (Deed::Retry(_), Lang::Ja) => format!(
            "再試行の対象: {count} 件（利用者 {users} 人、{} 以降に終了）",
            since.unwrap_or_default()
        ),
        (Deed::Retry(_), Lang::En) => format!(
            "to be retried: {}, ended since {}",
            of_users(count, users),
            since.unwrap_or_default()
        ),
    }
}

fn of_users(count: usize, users: usize) -> String {
    let processes = if count == 1 { "process" } else { "processes" };
    let of = if users == 1 { "user" } else { "users" };
    format!("{count} {processes} of {users} {of}")
}

/// The question that is asked then.
pub(super) fn question(count: usize, lang: Lang) -> String {
    match lang {
        Lang::Ja => {
            format!("実行するには {count} と入力してください（ほかの入力では何もしません）:")
        }
        Lang::En => format!("type {count} to go on; anything else changes nothing:"),
    }
}

fn groups(processes: &[Candidate]) -> Vec<Vec<String>> {
    let mut counts = BTreeMap::<_, u64>::new();
    for process in processes {
        *counts.entry((&process.kind, &process.status, &process.code)).or_default() += 1;
    }
    let mut groups: Vec<_> = counts.into_iter().collect();
    groups.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let row = |((kind, status, code), count): ((&String, &String, &String), u64)| {
        vec![count.to_string(), kind.clone(), status.clone(), code.clone()]
    };
    groups.into_iter().map(row).collect()
}

fn row(process: &Candidate) -> Vec<String> {
    let at = process.at.format("%m-%d %H:%M:%S").to_string();
    vec![process.id.clone(), process.user_id.clone(), at]
}

fn left_out(why: &str, count: u64, lang: Lang) -> String {
    let reason = match (why, lang) {
        ("RETRIED", Lang::Ja) => "すでに再試行されています",
        ("RETRIED", Lang::En) => "retried already",
        ("RETRIES_USED_UP", Lang::Ja) => "再試行の上限（3 回）に達しています",
        ("RETRIES_USED_UP", Lang::En) => "three retries lie behind them",
        ("NOT_RETRYABLE", Lang::Ja) => "同じ理由でまた失敗します（--force で再試行できます）",
        ("NOT_RETRYABLE", Lang::En) => "they would fail again in the same way (--force retries)",
        (other, _) => other,
    };
    match lang {
        Lang::Ja => format!("除外 {count} 件: {reason}"),
        Lang::En => format!("left out, {count}: {reason}"),
    }
}
