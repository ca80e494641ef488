//! The two languages of what is told.

use chrono::TimeDelta;
use shared::language::Language;

/// Says things in one language.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Words(pub(crate) Language);

impl Words {
    /// One of the two.
    pub(crate) fn say(self, ja: impl Into<String>, en: impl Into<String>) -> String {
        match self.0 {
            Language::Japanese => ja.into(),
            Language::English => en.into(),
        }
    }

    /// How long, in the two units that matter; what lies ahead, by clocks that differ, counts as
    /// now.
    pub(crate) fn length(self, time: TimeDelta) -> String {
        let seconds = time.num_seconds().max(0);
        let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
        let of = |count: i64, ja: &str, en: &str| {
            self.say(format!("{count} {ja}"), format!("{count} {en}"))
        };
        match (days, hours, minutes) {
            (0, 0, 0) => of(seconds, "秒", "s"),
            (0, 0, _) => of(minutes, "分", "min"),
            (0, _, _) => format!("{} {}", of(hours, "時間", "h"), of(minutes % 60, "分", "min")),
            _ => format!("{} {}", of(days, "日", "d"), of(hours % 24, "時間", "h")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_the_units_that_matter() {
        let en = |seconds| Words(Language::English).length(TimeDelta::seconds(seconds));
        assert_eq!(
            [-5, 59, 60, 3_600, 90_061].map(en),
            ["0 s", "59 s", "1 min", "1 h 0 min", "1 d 1 h"]
        );
        let ja = Words(Language::Japanese).length(TimeDelta::seconds(3_660));
        assert_eq!(ja, "1 時間 1 分");
    }
}
