//! All of it in a sentence or two.

use super::super::super::diagnose::Lang;
use super::super::figures::Figures;
use super::words::{count, length, percent};

/// From which part of completed ones on all is well, and from which on it is to be watched.
const WELL: f64 = 0.99;
const TO_WATCH: f64 = 0.95;

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Well,
    ToWatch,
    Bad,
    /// There is nothing to judge.
    Nothing,
}

/// How it went, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub level: Level,
    pub headline: String,
    pub more: Vec<String>,
}

impl Level {
    /// In a word.
    pub(super) const fn word(self, lang: Lang) -> &'static str {
        match self {
            Self::Well => lang.say("良好", "Well"),
            Self::ToWatch => lang.say("要注意", "To watch"),
            Self::Bad => lang.say("要対応", "Needs a look"),
            Self::Nothing => lang.say("対象なし", "Nothing to judge"),
        }
    }

    /// As the style names it.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Well => "verdict well",
            Self::ToWatch => "verdict watch",
            Self::Bad => "verdict bad",
            Self::Nothing => "verdict nothing",
        }
    }
}

impl Verdict {
    pub(super) fn of(figures: &Figures, lang: Lang) -> Self {
        let level = match figures.counts.success() {
            None => Level::Nothing,
            Some(part) if part >= WELL => Level::Well,
            Some(part) if part >= TO_WATCH => Level::ToWatch,
            Some(_) => Level::Bad,
        };
        let more = [failures(figures, lang), active(figures, lang), repairs(figures, lang)];
        let more = more.into_iter().flatten().collect();
        Self { level, headline: headline(figures, lang), more }
    }
}

fn headline(figures: &Figures, lang: Lang) -> String {
    let counts = figures.counts;
    let (all, completed) = (count(counts.ended()), count(counts.completed));
    match counts.success() {
        _ if counts.accepted == 0 => lang
            .say("この間に受け付けた処理はありません。", "No job was accepted in this time.")
            .into(),
        None => {
            lang.say("終了した処理はまだありません。", "No job has come to its end yet.").into()
        }
        Some(_) if counts.failed == 0 => match lang {
            Lang::Ja => format!("終了した処理 {all} 件は、すべて完了しました。"),
            Lang::En if counts.completed == 1 => "The one job that ended completed.".to_owned(),
            Lang::En => format!("All {all} jobs that ended completed."),
        },
        Some(part) => {
            let percent = percent(part);
            match lang {
                Lang::Ja => {
                    format!("終了した処理 {all} 件のうち {completed} 件({percent})が完了しました。")
                }
                Lang::En => {
                    format!("{completed} of the {all} jobs that ended completed ({percent}).")
                }
            }
        }
    }
}

fn failures(figures: &Figures, lang: Lang) -> Option<String> {
    let (code, seen) = figures.errors.iter().max_by_key(|(_, seen)| seen.count)?;
    let code = if code.is_empty() {
        lang.say("コードのないもの", "one without a code")
    } else {
        code
    };
    let times = count(seen.count);
    Some(match lang {
        Lang::Ja => format!("最も多い失敗は {code} です({times} 件)。"),
        Lang::En => format!("The most frequent failure is {code} ({times})."),
    })
}

fn active(figures: &Figures, lang: Lang) -> Option<String> {
    let counts = figures.counts;
    if counts.waiting + counts.running == 0 {
        return None;
    }
    let (waiting, running) = (count(counts.waiting), count(counts.running));
    #[expect(clippy::cast_precision_loss, reason = "no time comes near 2^53 s")]
    let longest = figures.longest_wait.map(|wait| length(wait.num_seconds() as f64, lang));
    let longest = longest.map_or_else(String::new, |longest| match lang {
        Lang::Ja => format!("(最長 {longest})"),
        Lang::En => format!(" (the first for {longest})"),
    });
    Some(match lang {
        Lang::Ja => format!("待っているものは {waiting} 件{longest}、実行中は {running} 件です。"),
        Lang::En => format!("Waiting: {waiting}{longest}; running: {running}."),
    })
}

fn repairs(figures: &Figures, lang: Lang) -> Option<String> {
    let repaired = figures.repaired();
    (repaired > 0).then(|| match lang {
        Lang::Ja => format!("食い違い {} 件が自動で直されました。", count(repaired)),
        Lang::En => format!("Disagreements that were repaired by themselves: {}.", count(repaired)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::figures::{Counts, Seen};
    use super::super::super::window::Window;
    use super::*;

    fn verdict(completed: u64, failed: u64) -> Verdict {
        let until = "2026-11-26T04:00:00Z".parse().unwrap();
        let window = Window::ending(until, 24, "+00:00".parse().unwrap());
        let mut figures = Figures::of(window).unwrap();
        let accepted = completed + failed;
        figures.counts = Counts { accepted, completed, failed, ..Counts::default() };
        if failed > 0 {
            let seen = Seen { count: failed, ..Seen::default() };
            figures.errors.insert("AI_ERROR".to_owned(), seen);
        }
        Verdict::of(&figures, Lang::En)
    }

    #[test]
    fn it_is_well_as_long_as_one_of_a_hundred_fails() {
        let level = |completed, failed| verdict(completed, failed).level;
        assert_eq!(level(99, 1), Level::Well);
        assert_eq!(level(98, 2), Level::ToWatch);
        assert_eq!(level(95, 5), Level::ToWatch);
        assert_eq!(level(94, 6), Level::Bad);
        assert_eq!(level(0, 0), Level::Nothing);
    }

    #[test]
    fn all_is_said_of_all_only_and_else_what_failed_most() {
        assert_eq!(verdict(7, 0).headline, "All 7 jobs that ended completed.");
        assert_eq!(verdict(1, 0).headline, "The one job that ended completed.");
        let nearly = verdict(9_999, 1);
        assert_eq!(nearly.headline, "9,999 of the 10,000 jobs that ended completed (99.9 %).");
        assert_eq!(nearly.more, ["The most frequent failure is AI_ERROR (1)."]);
    }
}
