//! Numbers, times and names as people read them.

use chrono::{DateTime, FixedOffset};
use indicatif::HumanCount;

use super::super::super::diagnose::Lang;

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// A number with its thousands set apart.
pub(super) fn count(number: u64) -> String {
    HumanCount(number).to_string()
}

/// A number of which the first digits matter.
pub(super) fn rough(number: u64, lang: Lang) -> String {
    #[expect(clippy::cast_precision_loss, reason = "the first digits only")]
    let exact = number as f64;
    let (unit, name) = match (lang, number) {
        (_, 0..1_000_000) => return count(number),
        (Lang::Ja, 1_000_000..100_000_000) => (1e4, "万"),
        (Lang::Ja, _) => (1e8, "億"),
        (Lang::En, 1_000_000..1_000_000_000) => (1e6, "M"),
        (Lang::En, _) => (1e9, "B"),
    };
    let value = exact / unit;
    if value < 99.95 { format!("{value:.1} {name}") } else { format!("{value:.0} {name}") }
}

/// A length of time in the unit that matters.
pub(super) fn length(seconds: f64, lang: Lang) -> String {
    let (value, unit) = match seconds {
        s if s > 0.0 && s < 1.0 => (s * 1e3, lang.say("ミリ秒", "ms")),
        s if s < 2.0 * MINUTE => (s, lang.say("秒", "s")),
        s if s < 2.0 * HOUR => (s / MINUTE, lang.say("分", "min")),
        s if s < 2.0 * DAY => (s / HOUR, lang.say("時間", "h")),
        s => (s / DAY, lang.say("日", "d")),
    };
    // A tenth matters below ten, but for milliseconds.
    let is_fine = value < 9.95 && seconds >= 1.0 && (value - value.round()).abs() > 0.049;
    if is_fine { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// The same of what may not be there.
pub(super) fn length_or_none(seconds: Option<f64>, lang: Lang) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| length(seconds, lang))
}

/// A part as percent. All is only told of all: what is a little less is told as less.
pub(super) fn percent(part: f64) -> String {
    let percent = (part * 1e3).floor() / 10.0;
    if percent.fract() == 0.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// US dollars.
pub(super) fn dollars(amount: f64) -> String {
    format!("US$ {amount:.2}")
}

/// A day and a time.
pub(super) fn moment(at: DateTime<FixedOffset>) -> String {
    at.format("%Y-%m-%d %H:%M").to_string()
}

/// Which clock is shown.
pub(super) fn clock(offset: FixedOffset) -> String {
    if offset.local_minus_utc() == 0 { "UTC".to_owned() } else { format!("UTC{offset}") }
}

/// A type in words; of one that is not known, nothing.
pub(super) fn kind(kind: &str, lang: Lang) -> &'static str {
    match kind {
        "SUBGOAL_GENERATION" => lang.say("サブ目標の生成", "Sub-goals"),
        "ACTION_GENERATION" => lang.say("アクションの生成", "Actions"),
        "TASK_GENERATION" => lang.say("タスクの生成", "Tasks"),
        "CHART_GENERATION" => lang.say("チャート全体の生成", "Whole charts"),
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_unit_that_matters() {
        let told = [0.0, 0.25, 1.04, 1.5, 12.34, 119.0, 150.0, 7_200.0, 200_000.0];
        let told: Vec<_> = told.into_iter().map(|seconds| length(seconds, Lang::En)).collect();
        let expected =
            ["0 s", "250 ms", "1 s", "1.5 s", "12 s", "119 s", "2.5 min", "2 h", "2.3 d"];
        assert_eq!(told, expected);
        assert_eq!(length(90.0, Lang::Ja), "90 秒");
        assert_eq!(length_or_none(None, Lang::Ja), "–");
    }

    #[test]
    fn a_large_number_is_told_by_its_first_digits() {
        let told = |lang| [999_999, 1_064_000, 1_234_567_890].map(|number| rough(number, lang));
        assert_eq!(told(Lang::En), ["999,999", "1.1 M", "1.2 B"]);
        assert_eq!(told(Lang::Ja), ["999,999", "106 万", "12.3 億"]);
    }

    #[test]
    fn nearly_all_is_not_all() {
        let told = [1.0, 0.9999, 0.98765, 0.5, 0.0].map(percent);
        assert_eq!(told, ["100 %", "99.9 %", "98.7 %", "50 %", "0 %"]);
    }

    #[test]
    fn the_clock_is_named() {
        assert_eq!(clock("+00:00".parse().unwrap()), "UTC");
        assert_eq!(clock("+09:00".parse().unwrap()), "UTC+09:00");
    }
}
