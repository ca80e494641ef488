use serde::Deserialize;
use serde_json::{Value, json};

use super::super::process::Process;
use super::super::window::Window;
use super::*;

const HOSTILE: &str = "<script>alert('x')</script>\"><img src=//evil onerror=alert(1)>";

fn about(lang: Lang) -> About {
    About {
        lang,
        made_at: "2026-11-26T04:00:00Z".parse().unwrap(),
        place: "stack <aigen> in ap-northeast-1".to_owned(),
        prices: Prices::example("m=3,15"),
        commands: Commands {
            errors: "aigen errors --hours 24".to_owned(),
            process: "aigen process".to_owned(),
            health: "aigen health".to_owned(),
        },
    }
}

/// So many that completed, so many that failed with that code and cause.
fn figures(completed: u32, failed: u32, text: &str) -> Figures {
    let until = "2026-11-26T04:00:00Z".parse().unwrap();
    let mut figures = Figures::of(Window::ending(until, 24, "+09:00".parse().unwrap())).unwrap();
    let process = |status: &str, error: Value| {
        json!({
            "processId": "p-1", "userId": text, "type": "CHART_GENERATION", "status": status,
            "error": error, "createdAt": "2026-11-26T03:00:00Z",
            "admittedAt": "2026-11-26T03:00:10Z", "updatedAt": "2026-11-26T03:00:30Z",
            "completedAt": "2026-11-26T03:00:30Z",
            "result": {"usage": [{"modelId": "m", "calls": 1, "inputTokens": 1_000_000,
                                  "outputTokens": 0, "latencyMs": 1_500}]},
            "events": [{"at": "2026-11-26T03:00:30Z", "kind": "repaired", "actor": "reconciler",
                        "attempt": 1, "detail": {"rule": "R13"}}],
        })
    };
    for _ in 0..completed {
        let process = process("COMPLETED", Value::Null);
        figures.add(&Process::deserialize(process).unwrap()).unwrap();
    }
    for _ in 0..failed {
        let mut process = process("FAILED", json!({"code": text, "cause": text}));
        process["type"] = json!(text);
        process["processId"] = json!(text);
        process["result"]["usage"][0]["modelId"] = json!(text);
        process["events"][0]["detail"]["rule"] = json!(text);
        figures.add(&Process::deserialize(process).unwrap()).unwrap();
    }
    figures
}

/// The text of `page` without its marks.
fn text(page: &str) -> String {
    let body = page.split_once("<body>").unwrap().1;
    let texts = body.split('<').filter_map(|part| part.split_once('>').map(|(_, text)| text));
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("|")
}

#[test]
fn the_page_asks_nobody_for_anything() {
    for lang in [Lang::Ja, Lang::En] {
        let page = page(&figures(3, 1, "AI_ERROR"), &about(lang));
        let outside = [
            "http:",
            "https:",
            "//",
            "src=",
            "href=",
            "@import",
            "url(",
            "<link",
            "<script",
            "<iframe",
            "<object",
            "<base",
            "<form",
            "javascript:",
            "xmlns",
        ];
        for mark in outside {
            assert!(!page.contains(mark), "{mark}");
        }
        assert!(page.contains("default-src &#39;none&#39;") || page.contains("default-src 'none'"));
    }
}

#[test]
fn what_comes_from_outside_is_shown_as_text() {
    let hostile = figures(1, 2, HOSTILE);
    let page = page(&hostile, &About { place: HOSTILE.to_owned(), ..about(Lang::En) });
    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("'x')\">"));
    assert!(page.contains("&lt;script&gt;"), "it is shown all the same");
    // Nor does it end an attribute: every quote of it is written as an entity.
    assert_eq!(page.matches("&quot;&gt;&lt;img").count(), page.matches("&lt;img").count());
}

#[test]
fn no_user_is_named() {
    let figures = figures(2, 0, "hanako@example");
    assert!(!page(&figures, &about(Lang::En)).contains("hanako"));
}

#[test]
fn a_time_in_which_nothing_was_accepted_is_told_as_such() {
    let page = page(&figures(0, 0, ""), &about(Lang::En));
    assert!(text(&page).contains("No job was accepted in this time."), "{page}");
    assert!(!page.contains("<figure") && !page.contains("Models"), "{page}");
}

#[test]
fn the_head_says_what_matters() {
    let told = text(&page(&figures(3, 1, "AI_ERROR"), &about(Lang::En)));
    for part in [
        "stack &lt;aigen&gt; in ap-northeast-1 · |2026-11-25 13:00| – |2026-11-26 13:00",
        "(UTC+09:00, 24 h)",
        "Needs a look|3 of the 4 jobs that ended completed (75 %).",
        "The most frequent failure is AI_ERROR (1).",
        "Success rate|75 %|3 completed, 1 failed, 0 cancelled",
        "Waiting, median|10 s|p95 10 s",
        "aigen process AI_ERROR",
        "corrected",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn costs_are_told_where_there_is_a_price_only() {
    let priced = text(&page(&figures(2, 1, "other"), &about(Lang::En)));
    assert!(priced.contains("m|2|2,000,000|0|1.5 s|US$ 6.00"), "{priced}");
    assert!(priced.contains("other|1|1,000,000|0|1.5 s|–"), "{priced}");
    let plain = About { prices: Prices::default(), ..about(Lang::En) };
    assert!(!page(&figures(2, 1, "other"), &plain).contains("US$ "));
}

#[test]
fn who_does_not_see_finds_words_for_every_picture() {
    for lang in [Lang::Ja, Lang::En] {
        let page = page(&figures(3, 1, "AI_ERROR"), &about(lang));
        assert!(page.contains(&format!("<html lang=\"{}\">", lang.tag())));
        let pictures = page.matches("<svg ").count();
        assert!(pictures >= 6, "{pictures}");
        assert_eq!(page.matches("role=\"img\" aria-label=\"").count(), pictures);
        assert_eq!(page.matches("<details>").count(), pictures, "each has its table");
        assert_eq!(page.matches("<h1>").count(), 1);
    }
}
