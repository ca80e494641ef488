//! `list`, `stats` and `errors`, as they are told. Nothing of them calls for a person by itself.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::speech::{Lang, ago, clock, items, text};
use crate::page::Page;

/// A page of processes.
pub(super) fn list(data: &Value, lang: Lang, page: &mut Page) -> bool {
    let rows: Vec<_> = items(data, "processes").map(row).collect();
    if rows.is_empty() {
        page.line(lang.say("該当する処理はありません", "there is no such process"));
    } else {
        let head = match lang {
            Lang::Ja => ["ID", "種類", "状態", "%", "受け付け (UTC)", "利用者", "エラー"],
            Lang::En => ["id", "type", "status", "%", "accepted (UTC)", "user", "error"],
        };
        page.table(&head, &rows);
    }
    if data["nextCursor"].is_string() {
        let next = text(data, "nextCursor");
        page.line(format!("  → {}", lang.say("続きを見る：同じ条件に", "the next page: add")));
        page.line(format!("      --cursor {next}"));
    }
    false
}

fn row(process: &Value) -> Vec<String> {
    vec![
        text(process, "processId"),
        text(process, "type"),
        text(process, "status"),
        text(process, "progress"),
        clock(&process["createdAt"]),
        text(process, "userId"),
        text(process, "code"),
    ]
}

/// Counts, times, tokens.
pub(super) fn stats(data: &Value, lang: Lang, page: &mut Page) -> bool {
    let types: Vec<_> = items(data, "types").map(of_type).collect();
    if types.is_empty() {
        page.line(lang.say("この間に処理はありません", "there was no process in that time"));
        return false;
    }
    let head = match lang {
        Lang::Ja => {
            ["種類", "件数", "状態ごと", "失敗 %", "待ち p50/p95/最大 秒", "処理 p50/p95/最大 秒"]
        }
        Lang::En => {
            ["type", "all", "by status", "failed %", "waited p50/p95/max s", "ran p50/p95/max s"]
        }
    };
    page.table(&head, &types);
    let models: Vec<_> = items(data, "models").map(of_model).collect();
    if !models.is_empty() {
        page.line("");
        let head = match lang {
            Lang::Ja => ["モデル", "呼び出し", "入力", "出力", "平均 ms"],
            Lang::En => ["model", "calls", "tokens in", "out", "mean ms"],
        };
        page.table(&head, &models);
    }
    if data["isCut"] == true {
        page.aside(lang.say(
            "新しい 20,000 件だけを数えました",
            "only the newest 20,000 are \
            counted",
        ));
    }
    false
}

fn of_type(of: &Value) -> Vec<String> {
    let counts = of["counts"].as_object().into_iter().flatten();
    let counts: Vec<_> = counts.map(|(status, count)| format!("{status} {count}")).collect();
    let spread = |name: &str| {
        let spread = &of[name];
        let parts = ["p50", "p95", "max"].map(|part| {
            spread[part].as_f64().map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1}"))
        });
        parts.join(" / ")
    };
    vec![
        text(of, "type"),
        text(of, "total"),
        counts.join(", "),
        text(of, "errorPercent"),
        spread("waiting"),
        spread("running"),
    ]
}

fn of_model(model: &Value) -> Vec<String> {
    let number = |name: &str| model[name].as_i64().unwrap_or_default();
    let mean = number("latencyMs") / number("calls").max(1);
    vec![
        text(model, "modelId"),
        text(model, "calls"),
        text(model, "inputTokens"),
        text(model, "outputTokens"),
        mean.to_string(),
    ]
}

/// What failed.
pub(super) fn errors(data: &Value, lang: Lang, now: DateTime<Utc>, page: &mut Page) -> bool {
    let rows: Vec<_> = items(data, "errors").map(|group| group_row(group, now)).collect();
    if rows.is_empty() {
        page.line(lang.say("この間に失敗はありません", "nothing failed in that time"));
        return false;
    }
    let head = match lang {
        Lang::Ja => ["件数", "コード", "最初", "最後", "例", "原因"],
        Lang::En => ["count", "code", "first", "last", "example", "cause"],
    };
    page.table(&head, &rows);
    if let Some(first) = items(data, "errors").next() {
        page.line(format!("  → {}", lang.say("例を調べる", "look at an example")));
        page.line(format!("      cargo aigen process {}", text(first, "example")));
    }
    false
}

fn group_row(group: &Value, now: DateTime<Utc>) -> Vec<String> {
    vec![
        text(group, "count"),
        text(group, "code"),
        ago(&group["firstAt"], now),
        ago(&group["lastAt"], now),
        text(group, "example"),
        text(group, "cause"),
    ]
}
