//! What is told in tables: by code, by rule, by model.

use maud::{Markup, html};

use super::super::super::diagnose::Lang;
use super::super::figures::{Figures, Seen, Tokens};
use super::About;
use super::rules;
use super::words::{count, dollars, length, moment};
use crate::operate::prices::Prices;

/// Rows of a table, at the most; the rest is told as a number.
const MOST_ROWS: usize = 20;

/// What failed, by code.
pub(super) fn failures(figures: &Figures, about: &About) -> Markup {
    let lang = about.lang;
    let mut rows: Vec<_> = figures.errors.iter().collect();
    rows.sort_by_key(|(_, seen)| std::cmp::Reverse(seen.count));
    html! {
        section {
            h2 { (lang.say("失敗", "Failures")) }
            @if rows.is_empty() {
                p.about {
                    (lang.say("この間に失敗はありません。", "Nothing failed in this time."))
                }
            } @else {
                div.panel {
                    (seen(
                        figures,
                        [
                            lang.say("コード", "code"),
                            lang.say("原因(最後の例)", "cause, of the last"),
                        ],
                        rows.iter().map(|(code, seen)| (code.as_str(), seen.cause.as_str(), *seen)),
                        lang,
                    ))
                    p.next {
                        (lang.say("原因ごとに見る: ", "By cause: "))
                        code { (about.commands.errors) }
                    }
                    @if let Some((_, first)) = rows.first() {
                        p.next {
                            (lang.say("例を調べる: ", "Look at an example: "))
                            code { (about.commands.process) " " (first.example) }
                        }
                    }
                }
            }
        }
    }
}

/// What the reconciler repaired, by rule.
pub(super) fn repairs(figures: &Figures, lang: Lang) -> Markup {
    let mut rows: Vec<_> = figures.repairs.iter().collect();
    rows.sort_by_key(|(rule, _)| rules::number(rule));
    html! {
        section {
            h2 { (lang.say("自動で直した食い違い", "Repaired by itself")) }
            p.about {
                (lang.say(
                    "処理とその実行が食い違い、リコンサイラーが直したものです。",
                    "Where a job and its execution disagreed, and the reconciler repaired it.",
                ))
            }
            @if rows.is_empty() {
                p.about { (lang.say("この間にはありません。", "There was nothing to repair.")) }
            } @else {
                div.panel {
                    (seen(
                        figures,
                        [
                            lang.say("規則", "rule"),
                            lang.say("見つけたことと、したこと", "what it was"),
                        ],
                        rows.iter().map(|(rule, seen)| {
                            (rule.as_str(), rules::meaning(rule, lang), *seen)
                        }),
                        lang,
                    ))
                }
            }
        }
    }
}

/// What was seen several times: name, how often, when last, in which process, and what it is.
fn seen<'a>(
    figures: &Figures,
    [name, what]: [&str; 2],
    rows: impl Iterator<Item = (&'a str, &'a str, &'a Seen)>,
    lang: Lang,
) -> Markup {
    let rows: Vec<_> = rows.collect();
    let shown = |seen: &Seen| moment(figures.window.shown(seen.last));
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table {
                thead {
                    tr {
                        th scope="col" { (name) }
                        th.number scope="col" { (lang.say("件数", "count")) }
                        th scope="col" { (what) }
                        th scope="col" { (lang.say("最後", "last")) }
                        th scope="col" { (lang.say("例", "example")) }
                    }
                }
                tbody {
                    @for (name, what, seen) in rows.iter().take(MOST_ROWS) {
                        tr {
                            th.id scope="row" { @if name.is_empty() { "–" } @else { (name) } }
                            td.number { (count(seen.count)) }
                            td.wide { (what) }
                            td.id { (shown(seen)) }
                            td.id { code { (seen.example) } }
                        }
                    }
                }
            }
        }
        @if rows.len() > MOST_ROWS {
            p.about { (lang.say("ほかに ", "And others: ")) (rows.len() - MOST_ROWS) }
        }
    }
}

/// Tokens by model, and what they cost where prices were given.
pub(super) fn models(figures: &Figures, about: &About) -> Markup {
    let lang = about.lang;
    let priced = !about.prices.is_empty();
    let is_cached = figures.models.values().any(|model| model.cache_read + model.cache_write > 0);
    html! {
        section {
            h2 { (lang.say("モデルとトークン", "Models and tokens")) }
            @if figures.models.is_empty() {
                p.about { (lang.say("使われたモデルはありません。", "No model was used.")) }
            } @else {
                div.panel {
                    div.scroll tabindex="0" role="region" aria-label=(lang.say("モデル", "model")) {
                        table {
                            thead { (model_head(is_cached, priced, lang)) }
                            tbody {
                                @for (name, tokens) in &figures.models {
                                    (model_row(name, *tokens, is_cached, about))
                                }
                            }
                            @if let Some(total) = total_cost(figures, &about.prices) {
                                tfoot {
                                    tr {
                                        th scope="row" { (lang.say("合計", "total")) }
                                        td colspan=(if is_cached { 6 } else { 4 }) {}
                                        td.number { (dollars(total)) }
                                    }
                                }
                            }
                        }
                    }
                    p.about { (model_notes(priced, lang)) }
                }
            }
        }
    }
}

fn model_head(is_cached: bool, priced: bool, lang: Lang) -> Markup {
    html! {
        tr {
            th scope="col" { (lang.say("モデル", "model")) }
            th.number scope="col" { (lang.say("呼び出し", "calls")) }
            th.number scope="col" { (lang.say("入力", "tokens in")) }
            @if is_cached {
                th.number scope="col" { (lang.say("キャッシュから", "from cache")) }
                th.number scope="col" { (lang.say("キャッシュへ", "into cache")) }
            }
            th.number scope="col" { (lang.say("出力", "tokens out")) }
            th.number scope="col" { (lang.say("平均", "mean time")) }
            @if priced { th.number scope="col" { (lang.say("費用", "cost")) } }
        }
    }
}

fn model_row(name: &str, tokens: Tokens, is_cached: bool, about: &About) -> Markup {
    #[expect(clippy::cast_precision_loss, reason = "no sum comes near 2^53 ms")]
    let mean = tokens.latency_ms as f64 / 1e3 / tokens.calls.max(1) as f64;
    let cost = about.prices.of(name).map(|price| tokens.cost(price));
    html! {
        tr {
            th.id scope="row" { (name) }
            td.number { (count(tokens.calls)) }
            td.number { (count(tokens.input)) }
            @if is_cached {
                td.number { (count(tokens.cache_read)) }
                td.number { (count(tokens.cache_write)) }
            }
            td.number { (count(tokens.output)) }
            td.number { (length(mean, about.lang)) }
            @if !about.prices.is_empty() {
                td.number { (cost.map_or_else(|| "–".to_owned(), dollars)) }
            }
        }
    }
}

const fn model_notes(priced: bool, lang: Lang) -> &'static str {
    if priced {
        lang.say(
            "費用は指定された単価で計算した目安です(キャッシュからの読み出しは入力の 10 %、\
             書き込みは 125 %)。失敗した処理が使ったトークンは、記録に残っている分だけ含みます。",
            "Costs are estimates by the prices that were given (a token from the cache a tenth of \
             one in, one into it a quarter more). Of jobs that failed, only what their histories \
             tell is counted.",
        )
    } else {
        lang.say(
            "失敗した処理が使ったトークンは、記録に残っている分だけ含みます。\
             --price 'MODEL=IN,OUT'(100 万トークンあたりの US ドル)で費用も示します。",
            "Of jobs that failed, only what their histories tell is counted. --price \
             'MODEL=IN,OUT' (US dollars for a million tokens) shows costs as well.",
        )
    }
}

/// What all models with a price cost; `None`: no model has one.
pub(super) fn total_cost(figures: &Figures, prices: &Prices) -> Option<f64> {
    let costs = figures.models.iter();
    let costs = costs.filter_map(|(name, tokens)| Some(tokens.cost(prices.of(name)?)));
    costs.reduce(|sum, cost| sum + cost)
}
