//! `process`, as it is told.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::health::steps;
use super::speech::{Lang, ago, clock, items, plain, seconds, text};
use crate::operate::prices::{Counted, Prices};
use crate::page::{Page, coloured};

/// Tells it; whether a person is needed.
pub(super) fn tell(
    data: &Value,
    prices: &Prices,
    lang: Lang,
    now: DateTime<Utc>,
    page: &mut Page,
) -> bool {
    let status = text(data, "status");
    page.line(format!(
        "{}  {}  {} %  {}",
        coloured(&status),
        text(data, "type"),
        text(data, "progress"),
        text(data, "processId"),
    ));
    let mut pairs = vec![
        (lang.say("利用者", "user"), text(data, "userId")),
        (
            lang.say("受け付け", "accepted"),
            format!("{} UTC ({})", clock(&data["createdAt"]), ago(&data["createdAt"], now)),
        ),
        (lang.say("試行", "attempt"), text(data, "attempt")),
        (lang.say("再試行の元", "retry of"), text(data, "originalProcessId")),
        (lang.say("エラー", "error"), error(&data["error"])),
        (lang.say("実行", "execution"), execution(&data["execution"])),
        (lang.say("時間", "time"), time(&data["time"], lang)),
    ];
    let models = items(data, "models").map(|model| tokens(model, lang));
    pairs.extend(models.map(|model| (lang.say("モデル", "model"), model)));
    pairs.push((lang.say("費用", "cost"), cost(data, prices, lang)));
    let rules = items(data, "rules");
    let rules = rules.map(|rule| format!("{} {}", text(rule, "id"), text(rule, "meaning")));
    pairs.extend(rules.map(|rule| (lang.say("規則", "rule"), rule)));
    pairs.push((lang.say("自動で", "by itself"), by_itself(&data["byItself"])));
    page.pairs(&pairs);
    steps(data, page);
    let rows: Vec<_> = items(data, "timeline").map(event).collect();
    if !rows.is_empty() {
        page.line("");
        let head = match lang {
            Lang::Ja => ["時刻 (UTC)", "経過", "出来事", "誰が", "試行", "状態", "詳細"],
            Lang::En => ["at (UTC)", "after", "event", "who", "try", "status", "detail"],
        };
        page.table(&head, &rows);
    }
    let drifts = items(data, "rules").any(|rule| rule["id"] != "R2");
    drifts || matches!(status.as_str(), "FAILED" | "TIMEOUT")
}

fn by_itself(by_itself: &Value) -> String {
    let what = text(by_itself, "text");
    if by_itself["at"].is_string() {
        format!("{what} ({} UTC)", clock(&by_itself["at"]))
    } else {
        what
    }
}

fn error(error: &Value) -> String {
    let (code, cause) = (text(error, "code"), text(error, "cause"));
    if cause.is_empty() { code } else { format!("{code}: {cause}") }
}

fn execution(execution: &Value) -> String {
    let (status, error) = (text(execution, "status"), text(execution, "error"));
    let status = coloured(&status);
    if error.is_empty() { status } else { format!("{status} {error} {}", text(execution, "cause")) }
}

fn time(time: &Value, lang: Lang) -> String {
    let parts = [
        (lang.say("待ち", "waiting"), "waiting"),
        (lang.say("開始", "starting"), "starting"),
        (lang.say("処理", "running"), "running"),
        (lang.say("やり直し", "retrying"), "retrying"),
        (lang.say("合計", "total"), "total"),
    ];
    let told = parts.map(|(word, name)| format!("{word} {}", seconds(&time[name])));
    told.join(lang.say("、", ", "))
}

fn tokens(model: &Value, lang: Lang) -> String {
    let (id, calls) = (text(model, "modelId"), text(model, "calls"));
    let (input, output) = (text(model, "inputTokens"), text(model, "outputTokens"));
    let latency = seconds(&model["latencyMs"]);
    match lang {
        Lang::Ja => format!("{id}: {calls} 回、入力 {input}、出力 {output} トークン、{latency}"),
        Lang::En => format!("{id}: {calls} calls, {input} tokens in, {output} out, {latency}"),
    }
}

/// What the models cost, where prices were given; and which of them is left out.
fn cost(data: &Value, prices: &Prices, lang: Lang) -> String {
    let (mut sum, mut count, mut without) = (0.0, 0, Vec::new());
    for model in items(data, "models") {
        let id = text(model, "modelId");
        match (prices.of(&id), Counted::deserialize(model)) {
            (Some(price), Ok(tokens)) => {
                sum += price.of(tokens);
                count += 1;
            }
            _ => without.push(id),
        }
    }
    if count == 0 {
        return String::new();
    }
    let without = without.join(", ");
    match (lang, without.is_empty()) {
        (_, true) => format!("{sum:.4} US$"),
        (Lang::Ja, false) => format!("{sum:.4} US$(価格のない {without} を除く)"),
        (Lang::En, false) => format!("{sum:.4} US$, without {without}, whose price was not given"),
    }
}

fn event(event: &Value) -> Vec<String> {
    vec![
        clock(&event["at"]),
        seconds(&event["after"]),
        text(event, "kind"),
        text(event, "actor"),
        text(event, "attempt"),
        text(event, "status"),
        detail(&event["detail"]),
    ]
}

/// What a line has room for: single values, and how many calls of a model there were.
fn detail(detail: &Value) -> String {
    let fields = detail.as_object().into_iter().flatten();
    let told = fields.filter_map(|(name, value)| match value {
        Value::Array(items) if name == "usage" => Some(usage(items)),
        Value::Array(_) | Value::Object(_) | Value::Null => None,
        value if name == "message" || plain(value).is_empty() => None,
        value => Some(format!("{name}={}", plain(value))),
    });
    told.collect::<Vec<_>>().join(" ")
}

fn usage(calls: &[Value]) -> String {
    let of = |call: &Value| {
        let id = text(call, "modelId");
        let (input, output) = (text(call, "inputTokens"), text(call, "outputTokens"));
        format!("{id} {input}→{output} {}", seconds(&call["latencyMs"]))
    };
    calls.iter().map(of).collect::<Vec<_>>().join(", ")
}
