//! What is drawn over time.

use chrono::{DateTime, FixedOffset};
use maud::{Markup, html};

use super::super::super::diagnose::Lang;
use super::super::figures::{Busy, Figures, Moment, Spread};
use super::super::window::Window;
use super::chart::{Chart, Colour, Look, Mark, Series, Unit};
use super::words::length;

/// Words beneath a picture, at the most.
const MOST_MARKS: usize = 9;
/// Minutes from one to the next.
const STEPS: [i64; 11] = [5, 10, 15, 30, 60, 120, 180, 360, 720, DAY, 7 * DAY];
const DAY: i64 = 24 * 60;

/// Throughput, what was at it at once, and times; nothing where nothing happened.
pub(super) fn section(figures: &Figures, lang: Lang) -> Markup {
    let waiting = figures.waiting.busy();
    let running = figures.running.busy();
    let is_busy = |busy: &[Busy]| busy.iter().any(|busy| busy.most > 0);
    if figures.counts.accepted == 0 && !is_busy(&waiting) && !is_busy(&running) {
        return html! {};
    }
    let time = Time { figures, lang };
    html! {
        section {
            h2 { (lang.say("時間ごとの推移", "Over time")) }
            (time.throughput().draw())
            (time.at_once(&waiting, &running).draw())
            @if figures.counts.accepted > 0 {
                div.pair { (time.waiting().draw()) (time.running().draw()) }
            }
        }
    }
}

struct Time<'a> {
    figures: &'a Figures,
    lang: Lang,
}

impl Time<'_> {
    fn throughput(&self) -> Chart {
        let lang = self.lang;
        let of = |name, look, colour, count: fn(&Moment) -> u64| Series {
            name,
            look,
            colour,
            values: self.figures.moments.iter().map(|moment| Some(number(count(moment)))).collect(),
        };
        let width = self.width();
        let about = match lang {
            Lang::Ja => format!("{width}ごとの件数。棒は終了したもの、線は受け付けたものです。"),
            Lang::En => {
                format!("In each {width}: bars are what ended, the line what was accepted.")
            }
        };
        let ja_en = lang.say("処理件数", "Throughput");
        self.chart(
            ja_en,
            about,
            Unit::Count,
            vec![
                of(lang.say("完了", "completed"), Look::Bar, Colour::Blue, |it| it.completed),
                of(lang.say("キャンセル", "cancelled"), Look::Bar, Colour::Grey, |it| {
                    it.cancelled
                }),
                of(lang.say("失敗", "failed"), Look::Bar, Colour::Red, |it| it.failed),
                of(lang.say("受け付け", "accepted"), Look::Line, Colour::Ink, |it| it.accepted),
            ],
        )
    }

    fn at_once(&self, waiting: &[Busy], running: &[Busy]) -> Chart {
        let lang = self.lang;
        let of = |name, look, colour, busy: &[Busy], of: fn(&Busy) -> f64| Series {
            name,
            look,
            colour,
            values: busy.iter().map(|busy| Some(of(busy))).collect(),
        };
        let width = self.width();
        let about = match lang {
            Lang::Ja => format!("{width}ごとに、同時に実行中だった数と待っていた数の最大です。"),
            Lang::En => {
                format!("The most that ran, and the most that waited, at once in each {width}.")
            }
        };
        self.chart(
            lang.say("同時に動いた数", "At once"),
            about,
            Unit::Count,
            vec![
                of(lang.say("実行中", "running"), Look::Bar, Colour::Blue, running, |it| {
                    it.most.into()
                }),
                of(lang.say("待ち", "waiting"), Look::Line, Colour::Amber, waiting, |it| {
                    it.most.into()
                }),
            ],
        )
    }

    fn waiting(&self) -> Chart {
        let title = self.lang.say("待ち時間", "Waiting time");
        self.times(title, Colour::Amber, |moment| &moment.times.waiting)
    }

    fn running(&self) -> Chart {
        let title = self.lang.say("実行時間", "Running time");
        self.times(title, Colour::Blue, |moment| &moment.times.running)
    }

    fn times(&self, title: &str, colour: Colour, of: fn(&Moment) -> &Spread) -> Chart {
        let part = |name, look, part| Series {
            name,
            look,
            colour,
            values: self.figures.moments.iter().map(|moment| of(moment).at(part)).collect(),
        };
        let about = self.lang.say("受け付けた時刻で分けています。", "By when they were accepted.");
        self.chart(
            title,
            about.to_owned(),
            Unit::Seconds,
            vec![
                part(self.lang.say("中央値", "median"), Look::Line, 0.5),
                part("p95", Look::Dashes, 0.95),
            ],
        )
    }

    fn chart(&self, title: &str, about: String, unit: Unit, series: Vec<Series>) -> Chart {
        let window = &self.figures.window;
        Chart {
            title: title.to_owned(),
            about,
            axis: self.lang.say("時刻", "from"),
            columns: window.starts().map(|at| at.format("%m-%d %H:%M").to_string()).collect(),
            marks: marks(window),
            unit,
            series,
            is_part: false,
            lang: self.lang,
        }
    }

    /// How wide a bucket is, in words.
    fn width(&self) -> String {
        #[expect(clippy::cast_precision_loss, reason = "a day at the most")]
        length(self.figures.window.width.num_seconds() as f64, self.lang)
    }
}

/// The full hours, or days, beneath the picture.
fn marks(window: &Window) -> Vec<Mark> {
    let starts: Vec<_> = window.starts().collect();
    let minutes = |at: &DateTime<FixedOffset>| at.naive_local().and_utc().timestamp() / 60;
    let of_step = |step: i64| {
        let is_full = move |at: &&DateTime<FixedOffset>| minutes(at) % step == 0;
        starts.iter().filter(is_full).count()
    };
    let width = window.width.num_minutes();
    let is_fit = |step: &i64| *step >= width && of_step(*step) <= MOST_MARKS;
    let step = STEPS.into_iter().find(is_fit).unwrap_or(7 * DAY);
    let full = starts.iter().enumerate().filter(|(_, at)| minutes(at) % step == 0);
    let mark = |(column, at): (usize, &DateTime<FixedOffset>)| {
        let is_day = minutes(at) % DAY == 0;
        let text = at.format(if is_day { "%-m/%-d" } else { "%H:%M" }).to_string();
        Mark { column, text }
    };
    full.map(mark).collect()
}

fn number(count: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
    let number = count as f64;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_a_few_full_times_beneath_it_however_long_it_is() {
        for hours in 1..=744 {
            let until = "2026-11-26T04:13:30Z".parse().unwrap();
            let window = Window::ending(until, hours, "+09:00".parse().unwrap());
            let marks = marks(&window);
            assert!((2..=MOST_MARKS).contains(&marks.len()), "{hours}: {}", marks.len());
        }
    }
}
