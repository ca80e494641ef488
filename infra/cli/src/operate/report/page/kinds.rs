//! The types: how many there were of each, how long they took, and how that is distributed.

use maud::{Markup, html};

use super::super::super::diagnose::Lang;
use super::super::figures::{Figures, Kind, Spread};
use super::chart::{Chart, Colour, Look, Mark, Series, Unit};
use super::words::{self, count, length, length_or_none, percent};

/// Where one bin of a distribution ends and the next begins, in milliseconds: roughly three to a
/// power of ten, and at what clocks have names for.
const BOUNDS: [u64; 13] = [
    100, 300, 1_000, 3_000, 10_000, 30_000, 60_000, 180_000, 600_000, 1_800_000, 3_600_000,
    10_800_000, 43_200_000,
];

/// Counts and times by type.
pub(super) fn section(figures: &Figures, lang: Lang) -> Markup {
    let bins = bins(figures);
    html! {
        section {
            h2 { (lang.say("種類ごとの時間", "Times by type")) }
            p.about {
                (lang.say(
                    "待ちは許可されたもの、実行は完了したものの時間です。",
                    "Waiting is of those that were admitted, running of those that completed.",
                ))
            }
            div.pair { @for (name, kind) in &figures.kinds { (of_kind(name, kind, &bins, lang)) } }
        }
    }
}

fn of_kind(name: &str, kind: &Kind, bins: &[Bin], lang: Lang) -> Markup {
    let title = match words::kind(name, lang) {
        "" => name,
        known => known,
    };
    let success = kind.counts.success().map_or_else(|| "–".to_owned(), percent);
    let rows = [
        (lang.say("待ち", "waiting"), &kind.times.waiting),
        (lang.say("実行", "running"), &kind.times.running),
    ];
    html! {
        article.panel {
            h3 { (title) }
            p.about {
                code { (name) } " · " (count(kind.counts.accepted)) (lang.say(" 件", " accepted"))
                " · " (lang.say("成功率 ", "success ")) (success)
            }
            div.scroll tabindex="0" role="region" aria-label=(title) {
                table {
                    thead {
                        tr {
                            th scope="col" { (lang.say("時間", "time")) }
                            @for name in [lang.say("件数", "of"), "p50", "p95", "p99"] {
                                th.number scope="col" { (name) }
                            }
                            th.number scope="col" { (lang.say("最大", "max")) }
                        }
                    }
                    tbody {
                        @for (name, spread) in rows {
                            tr {
                                th scope="row" { (name) }
                                td.number { (count(spread.count())) }
                                @for part in [0.5, 0.95, 0.99, 1.0] {
                                    td.number { (length_or_none(spread.at(part), lang)) }
                                }
                            }
                        }
                    }
                }
            }
            (distribution(title, kind, bins, lang).draw())
        }
    }
}

/// From when to when, in milliseconds; the last has no end.
type Bin = (u64, u64);

/// The bins from the first to the last in which any type has something.
fn bins(figures: &Figures) -> Vec<Bin> {
    let froms = [0].into_iter().chain(BOUNDS);
    let all: Vec<_> = froms.zip(BOUNDS.into_iter().chain([u64::MAX])).collect();
    let spreads =
        || figures.kinds.values().flat_map(|kind| [&kind.times.waiting, &kind.times.running]);
    let is_used = |(from, below): &Bin| spreads().any(|spread| spread.between(*from, *below) > 0);
    let first = all.iter().position(is_used).unwrap_or(0);
    let last = all.iter().rposition(is_used).unwrap_or(0);
    // A picture of one column says nothing about where it lies.
    let (first, last) = (first.saturating_sub(1), (last + 1).min(all.len() - 1));
    all[first..=last].to_vec()
}

fn distribution(title: &str, kind: &Kind, bins: &[Bin], lang: Lang) -> Chart {
    #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
    let values = |spread: &Spread| -> Vec<_> {
        bins.iter().map(|(from, below)| Some(spread.between(*from, *below) as f64)).collect()
    };
    let series =
        |name, colour, spread| Series { name, look: Look::Beside, colour, values: values(spread) };
    let bound = |millis: u64| {
        #[expect(clippy::cast_precision_loss, reason = "half a day at the most")]
        let seconds = millis as f64 / 1e3;
        // Tenths of seconds are shorter than milliseconds.
        if (1..1_000).contains(&millis) {
            format!("{seconds} {}", lang.say("秒", "s"))
        } else {
            length(seconds, lang)
        }
    };
    let column = |(from, below): &Bin| match (*from, *below) {
        (0, below) => format!("< {}", bound(below)),
        (from, u64::MAX) => format!("≥ {}", bound(from)),
        (from, below) => format!("{} – {}", bound(from), bound(below)),
    };
    let marks = bins.iter().enumerate().filter(|(_, (from, _))| *from > 0);
    let title = match lang {
        Lang::Ja => format!("時間の分布({title})"),
        Lang::En => format!("How long they took: {title}"),
    };
    let about = lang.say("区切りは等間隔ではありません。", "The steps grow from left to right.");
    Chart {
        title,
        about: about.to_owned(),
        axis: lang.say("時間", "time"),
        columns: bins.iter().map(column).collect(),
        marks: marks.map(|(column, (from, _))| Mark { column, text: bound(*from) }).collect(),
        unit: Unit::Count,
        series: vec![
            series(lang.say("待ち", "waiting"), Colour::Amber, &kind.times.waiting),
            series(lang.say("実行", "running"), Colour::Blue, &kind.times.running),
        ],
        is_part: true,
        lang,
    }
}
