//! The figures as a page of HTML that asks nobody for anything: its style and its pictures are in
//! it, and it has no script. What comes from outside is escaped by the template.
//!
//! | file | holds |
//! |---|---|
//! | this one | the page, from top to bottom |
//! | `verdict` | how it went, in words |
//! | `over_time` | what is drawn over time |
//! | `chart`, `scale` | drawing it |
//! | `kinds` | times by type |
//! | `tables` | failures, repairs, models |
//! | `words`, `rules` | numbers and names as people read them |

mod chart;
mod kinds;
mod over_time;
mod rules;
mod scale;
mod tables;
mod verdict;
mod words;

use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::super::diagnose::Lang;
use super::LEAD;
use super::figures::Figures;
use crate::operate::prices::Prices;
use verdict::Verdict;
use words::{clock, count, dollars, length_or_none, moment, percent, rough};

const STYLE: &str = include_str!("style.css");
/// Whatever may be in the page, nothing is fetched and nothing runs.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// What the page says of itself.
pub(super) struct About {
    pub lang: Lang,
    pub made_at: DateTime<Utc>,
    /// Of which stack it tells, in words.
    pub place: String,
    pub prices: Prices,
    pub commands: Commands,
}

/// What comes next, as it is typed.
pub(super) struct Commands {
    /// Groups what failed.
    pub errors: String,
    /// Looks at a process, whose id is put behind it.
    pub process: String,
    /// Says how it is now.
    pub health: String,
}

/// All of it.
pub(super) fn page(figures: &Figures, about: &About) -> String {
    let lang = about.lang;
    let title = lang.say("AI 生成レポート", "AI generation report");
    let is_empty = figures.counts.accepted == 0;
    let markup = html! {
        (DOCTYPE)
        html lang=(lang.tag()) {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="referrer" content="no-referrer";
                title { (title) " · " (about.place) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (head(title, figures, about))
                main {
                    (verdict(figures, lang))
                    @if !is_empty { (cards(figures, about)) }
                    (over_time::section(figures, lang))
                    @if !is_empty {
                        (kinds::section(figures, lang))
                        (tables::failures(figures, about))
                    }
                    (tables::repairs(figures, lang))
                    @if !is_empty { (tables::models(figures, about)) }
                }
                (foot(figures, about))
            }
        }
    };
    markup.into_string()
}

fn head(title: &str, figures: &Figures, about: &About) -> Markup {
    let (window, lang) = (&figures.window, about.lang);
    let hours = (window.until - window.since).num_hours();
    html! {
        header {
            h1 { (title) }
            p {
                (about.place) " · "
                span.id { (moment(window.shown(window.since))) } " – "
                span.id { (moment(window.shown(window.until))) }
                " (" (clock(window.offset)) ", " (hours) (lang.say(" 時間", " h")) ")"
            }
        }
    }
}

fn verdict(figures: &Figures, lang: Lang) -> Markup {
    let verdict = Verdict::of(figures, lang);
    html! {
        div.(verdict.level.class()) {
            span.tag { (verdict.level.word(lang)) }
            strong { (verdict.headline) }
            @for more in &verdict.more { p { (more) } }
        }
    }
}

/// The figures that matter.
fn cards(figures: &Figures, about: &About) -> Markup {
    let (counts, times, lang) = (&figures.counts, &figures.times, about.lang);
    let told = |part: Option<f64>| length_or_none(part, lang);
    let success = counts.success().map_or_else(|| "–".to_owned(), percent);
    let ends = match lang {
        Lang::Ja => format!(
            "完了 {}、失敗 {}、キャンセル {}",
            count(counts.completed),
            count(counts.failed),
            count(counts.cancelled)
        ),
        Lang::En => format!(
            "{} completed, {} failed, {} cancelled",
            count(counts.completed),
            count(counts.failed),
            count(counts.cancelled)
        ),
    };
    let now = match lang {
        Lang::Ja => format!("待ち {}、実行中 {}", count(counts.waiting), count(counts.running)),
        Lang::En => format!("{} waiting, {} running", count(counts.waiting), count(counts.running)),
    };
    let spent =
        |median: Option<f64>, most: Option<f64>| (told(median), format!("p95 {}", told(most)));
    let waiting = spent(times.waiting.median(), times.waiting.at(0.95));
    let running = spent(times.running.median(), times.running.at(0.95));
    let tokens: u64 = figures.models.values().map(|model| model.input + model.output).sum();
    let cost = tables::total_cost(figures, &about.prices);
    let calls: u64 = figures.models.values().map(|model| model.calls).sum();
    let calls = match lang {
        Lang::Ja => format!("呼び出し {} 回", count(calls)),
        Lang::En => format!("in {} calls", count(calls)),
    };
    let cost = cost.map_or(calls.clone(), |cost| format!("{}, {calls}", dollars(cost)));
    let heading = lang.say("主な数字", "The figures that matter");
    let cards = [
        (lang.say("受け付け", "Accepted"), count(counts.accepted), now),
        (lang.say("成功率", "Success rate"), success, ends),
        (lang.say("待ち時間(中央値)", "Waiting, median"), waiting.0, waiting.1),
        (lang.say("実行時間(中央値)", "Running, median"), running.0, running.1),
        (lang.say("トークン", "Tokens"), rough(tokens, lang), cost),
    ];
    html! {
        section aria-label=(heading) {
            dl.cards {
                @for (name, value, more) in cards {
                    div.card { dt { (name) } dd { b { (value) } small { (more) } } }
                }
            }
        }
    }
}

fn foot(figures: &Figures, about: &About) -> Markup {
    let (window, lang) = (&figures.window, about.lang);
    let made_at = moment(window.shown(about.made_at));
    let counted = match lang {
        Lang::Ja => format!(
            "件数、時間、失敗、トークンは、この期間に受け付けた処理のものです。\
             時間ごとの件数と同時数には、期間の {LEAD} 時間前までに受け付けた処理も含みます。"
        ),
        Lang::En => format!(
            "Counts, times, failures and tokens are those of jobs accepted in this time. What \
             happened over time, and what ran at once, includes jobs accepted up to {LEAD} hours \
             before."
        ),
    };
    let notes = [
        lang.say(
            "待ち時間は受け付けから許可まで、実行時間は許可から完了まで(完了した処理だけ)です。\
             p95 は、20 件のうち 19 件がそれ以下だったことを表します。",
            "Waiting lasts from acceptance to admission, running from admission to completion (of \
             completed jobs only). p95: nineteen of twenty took no longer.",
        ),
        lang.say(
            "成功率は、完了、失敗、時間切れのうち完了の割合です。キャンセルは含みません。",
            "The success rate is the part that completed of what completed, failed or timed out; \
             what was cancelled does not count.",
        ),
        lang.say(
            "このページは利用者の文章も ID も含まず、外部と通信しません。",
            "This page holds neither texts nor ids of users, and talks to nobody.",
        ),
    ];
    html! {
        footer {
            p.next { (lang.say("今の状態: ", "How it is now: ")) code { (about.commands.health) } }
            ul { li { (counted) } @for note in notes { li { (note) } } }
            p { (lang.say("作成: ", "Made at ")) (made_at) " (" (clock(window.offset)) ")" }
        }
    }
}

#[cfg(test)]
mod tests;
