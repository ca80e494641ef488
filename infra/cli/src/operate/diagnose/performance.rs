//! `performance`, as it is told.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::health::{not_checked, tell_finding};
use super::speech::{Lang, items, text};
use crate::page::{Page, coloured};

/// Tells it; whether a person is needed.
pub(super) fn tell(data: &Value, lang: Lang, now: DateTime<Utc>, page: &mut Page) -> bool {
    let verdict = text(data, "verdict");
    let hours = text(data, "hours");
    page.line(match lang {
        Lang::Ja => format!("{}  直近 {hours} 時間", coloured(&verdict)),
        Lang::En => format!("{}  of the last {hours} h", coloured(&verdict)),
    });
    for finding in items(data, "findings") {
        page.line("");
        tell_finding(finding, lang, now, page);
    }
    types(data, lang, page);
    functions(data, lang, page);
    models(data, lang, page);
    statements(data, lang, page);
    not_checked(data, lang, page);
    verdict != "well"
}

fn table(page: &mut Page, head: &[&str], rows: &[Vec<String>]) {
    if !rows.is_empty() {
        page.line("");
        page.table(head, rows);
    }
}

fn types(data: &Value, lang: Lang, page: &mut Page) {
    let spread = |of: &Value| {
        let parts = ["mean", "p50", "p95", "p99", "max"].map(|part| {
            of[part].as_f64().map_or_else(|| "–".to_owned(), |seconds| format!("{seconds:.1}"))
        });
        parts.join(" / ")
    };
    let row = |of: &Value| {
        vec![
            text(of, "type"),
            text(of, "total"),
            text(of, "errorPercent"),
            spread(&of["waiting"]),
            spread(&of["running"]),
            text(of, "attemptsAgain"),
            text(of, "callsPerPlanned"),
        ]
    };
    let rows: Vec<_> = items(data, "types").map(row).collect();
    let head = match lang {
        Lang::Ja => [
            "種類",
            "件数",
            "失敗 %",
            "待ち 平均/p50/p95/p99/最大 秒",
            "処理 平均/p50/p95/p99/最大 秒",
            "やり直し",
            "呼び出し/予定",
        ],
        Lang::En => [
            "type",
            "all",
            "failed %",
            "waited mean/p50/p95/p99/max s",
            "ran mean/p50/p95/p99/max s",
            "again",
            "calls/planned",
        ],
    };
    if rows.is_empty() {
        page.line("");
        page.line(lang.say("この間に処理はありません", "there was no process in that time"));
    }
    table(page, &head, &rows);
}

fn functions(data: &Value, lang: Lang, page: &mut Page) {
    let millis = |of: &Value| ["p50", "p95", "max"].map(|part| text(of, part)).join(" / ");
    let row = |of: &Value| {
        let whole =
            |name: &str| of[name].as_f64().map_or_else(String::new, |mb| format!("{mb:.0}"));
        let init = if of["init"].is_object() { millis(&of["init"]) } else { String::new() };
        vec![
            text(of, "function"),
            text(of, "invocations"),
            millis(&of["duration"]),
            text(of, "coldStarts"),
            init,
            if of["memoryUsed"].is_null() {
                format!("– / {}", whole("memorySize"))
            } else {
                format!("{} / {}", whole("memoryUsed"), whole("memorySize"))
            },
            format!("{} / {}", text(of, "timeouts"), text(of, "crashes")),
        ]
    };
    let rows: Vec<_> = items(data, "functions").map(row).collect();
    let head = match lang {
        Lang::Ja => [
            "関数",
            "呼び出し",
            "p50/p95/最大 ms",
            "コールド",
            "起動 p50/p95/最大 ms",
            "メモリー MB",
            "時間切れ/異常終了",
        ],
        Lang::En => [
            "function",
            "calls",
            "p50/p95/max ms",
            "cold",
            "start p50/p95/max ms",
            "memory MB",
            "timed out/crashed",
        ],
    };
    table(page, &head, &rows);
}

fn models(data: &Value, lang: Lang, page: &mut Page) {
    let row = |of: &Value| {
        let number = |name: &str| of[name].as_i64().unwrap_or_default();
        vec![
            text(of, "modelId"),
            text(of, "calls"),
            text(of, "inputTokens"),
            text(of, "outputTokens"),
            (number("latencyMs") / number("calls").max(1)).to_string(),
        ]
    };
    let rows: Vec<_> = items(data, "models").map(row).collect();
    let head = match lang {
        Lang::Ja => ["モデル", "呼び出し", "入力", "出力", "平均 ms"],
        Lang::En => ["model", "calls", "tokens in", "out", "mean ms"],
    };
    table(page, &head, &rows);
}

fn statements(data: &Value, lang: Lang, page: &mut Page) {
    let row = |of: &Value| {
        let millis =
            |name: &str| of[name].as_f64().map_or_else(String::new, |ms| format!("{ms:.1}"));
        vec![
            millis("totalMs"),
            text(of, "calls"),
            millis("meanMs"),
            millis("maxMs"),
            text(of, "statement"),
        ]
    };
    let rows: Vec<_> = items(data, "statements").map(row).collect();
    let head = match lang {
        Lang::Ja => ["合計 ms", "回数", "平均 ms", "最大 ms", "データベースの文"],
        Lang::En => ["all ms", "calls", "mean ms", "max ms", "statement"],
    };
    table(page, &head, &rows);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(data: &Value, lang: Lang) -> (String, bool) {
        let mut page = Page::of_width(None);
        let needed = tell(data, lang, DateTime::UNIX_EPOCH, &mut page);
        (console::strip_ansi_codes(&page.text()).into_owned(), needed)
    }

    #[test]
    fn waiting_is_told_apart_from_running_and_each_part_has_its_table() {
        let millis = json!({"p50": 1, "p95": 2, "p99": 3, "max": 4});
        let seconds = json!({"mean": 1.0, "p50": 1.0, "p95": 2.0, "p99": 3.0, "max": 4.0});
        let data = json!({
            "verdict": "well", "hours": 24, "findings": [],
            "types": [{"type": "T", "total": 7, "errorPercent": 0.0, "waiting": seconds,
                       "running": seconds, "attemptsAgain": 0, "callsPerPlanned": 1.25}],
            "functions": [{"function": "worker", "invocations": 9, "duration": millis,
                           "coldStarts": 1, "init": millis, "memorySize": 128.0,
                           "memoryUsed": 31.0, "timeouts": 0, "crashes": 0}],
            "models": [{"modelId": "m", "calls": 2, "inputTokens": 3, "outputTokens": 4,
                        "latencyMs": 10}],
            "statements": [{"statement": "SELECT", "calls": 5, "meanMs": 0.25, "maxMs": 1.0,
                            "totalMs": 1.25}],
            "notChecked": [{"what": "tables", "why": "late"}],
        });
        let (text, needed) = told(&data, Lang::En);
        assert!(!needed);
        for line in [
            "T     7    0.0       1.0 / 1.0 / 2.0 / 3.0 / 4.0    1.0 / 1.0 / 2.0 / 3.0 / 4.0",
            "worker    9      1 / 2 / 4       1     1 / 2 / 4             31 / 128",
            "m      2      3          4    5",
            "1.2     5      0.2      1.0     SELECT",
            "tables: late",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn an_empty_day_says_so_and_a_finding_needs_a_person() {
        let finding = json!({"code": "INDEX_MISSING", "severity": "warning", "summary": "s",
                             "nextSteps": [{"text": "t", "command": "c"}]});
        let data = json!({"verdict": "degraded", "hours": 1, "findings": [finding]});
        let (text, needed) = told(&data, Lang::Ja);
        assert!(needed && text.contains("この間に処理はありません"), "{text}");
        assert!(text.contains("warning  INDEX_MISSING  s\n  → t\n      c"), "{text}");
    }
}
