//! `logs`, as it is told. Nothing of it calls for a person by itself.

use serde_json::Value;

use super::speech::{Lang, items, moment, plain, text};
use crate::page::Page;

/// The lines, and the invocations that wrote them.
pub(super) fn tell(data: &Value, lang: Lang, page: &mut Page) -> bool {
    let lines: Vec<_> = items(data, "lines").map(|it| line(it, &data["processId"])).collect();
    if lines.is_empty() {
        let hours = text(data, "hours");
        page.line(match lang {
            Lang::Ja => {
                format!("この {hours} 時間のログに、この ID の行はありません（--hours で広げる）")
            }
            Lang::En => {
                format!("no line of the last {hours} h names this id (--hours looks further back)")
            }
        });
    } else {
        let head = match lang {
            Lang::Ja => ["時刻 (UTC)", "関数", "レベル", "内容"],
            Lang::En => ["at (UTC)", "function", "level", "what"],
        };
        page.table(&head, &lines);
    }
    let invocations: Vec<_> = items(data, "invocations").map(invocation).collect();
    if !invocations.is_empty() {
        page.line("");
        let head = match lang {
            Lang::Ja => ["終了 (UTC)", "関数", "ms", "メモリー MB", "コールド ms", "結果"],
            Lang::En => ["ended (UTC)", "function", "ms", "memory MB", "cold ms", "ended by"],
        };
        page.table(&head, &invocations);
    }
    for part in items(data, "notChecked") {
        let what = lang.say("読み切れなかったログ", "log not read to its end");
        page.line(format!("{what}: {}: {}", text(part, "what"), text(part, "why")));
    }
    false
}

fn line(line: &Value, asked: &Value) -> Vec<String> {
    let fields = line["fields"].as_object().into_iter().flatten();
    // Whoever asked for an id knows it.
    let fields = fields.filter(|(_, value)| *value != asked);
    let fields = fields.map(|(name, value)| format!("{name}={}", plain(value)));
    let what: Vec<_> = [text(line, "message")].into_iter().chain(fields).collect();
    // A panic has several lines.
    let what = what.join("  ").replace('\n', " ⏎ ");
    vec![moment(&line["at"]), text(line, "function"), text(line, "level"), what]
}

fn invocation(invocation: &Value) -> Vec<String> {
    let whole = |name: &str| {
        invocation[name].as_f64().map_or_else(String::new, |number| format!("{number:.0}"))
    };
    let memory = format!("{} / {}", whole("memoryUsed"), whole("memorySize"));
    vec![
        moment(&invocation["at"]),
        text(invocation, "function"),
        whole("duration"),
        memory,
        whole("initDuration"),
        text(invocation, "status"),
    ]
}
