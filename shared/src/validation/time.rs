//! Times and dates as clients write them, within the years that every part of the product can hold:
//! Postgres knows years before the first, and chrono years after 9999, which RFC 3339 cannot write.

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

/// The time that `text` is in RFC 3339, within the years 1–9999 in UTC, with a `T` between date and
/// time. A second 60 there is only at the end of a day in UTC. The parser would take a space, and a
/// second 60 in every minute.
#[must_use]
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    const SECOND: u32 = 1_000_000_000;
    let has_t = matches!(text.as_bytes().get("2030-01-01".len()), Some(b'T' | b't'));
    let time = DateTime::parse_from_rfc3339(text).ok().filter(|_| has_t)?.to_utc();
    let is_second_60 = time.nanosecond() >= SECOND;
    let is_possible = !is_second_60 || (time.hour(), time.minute()) == (23, 59);
    ((1..=9999).contains(&time.year()) && is_possible).then_some(time)
}

/// The date that `text` is, as four digits, two and two, within the years 1–9999. The parser of
/// dates would also take signs and spaces.
#[must_use]
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let as_digits = |(position, byte): (usize, u8)| match position {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if text.len() != "2030-01-01".len() || !text.bytes().enumerate().all(as_digits) {
        return None;
    }
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|day| day.year() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    // World 16, security S8.
    #[test]
    fn only_four_digits_two_and_two_are_a_day() {
        assert_eq!(parse_day("2026-02-28"), NaiveDate::from_ymd_opt(2026, 2, 28));
        assert_eq!(parse_day("0001-01-01"), NaiveDate::from_ymd_opt(1, 1, 1));
        for text in [
            "-9999-12-1",
            "-9999-1-01",
            "-4713-1-01",
            "2026- 1- 1",
            "+99999-1-1",
            "0000-01-01",
            "2026-02-30",
            "2026-1-1",
            "２０26-01",
            "",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }

    #[test]
    fn a_second_60_is_only_at_the_end_of_a_day_in_utc() {
        assert!(parse_time("2016-12-31T23:59:60Z").is_some());
        assert!(parse_time("2017-01-01T08:59:60.5+09:00").is_some());
        for text in ["2030-01-01T00:00:60Z", "2030-01-01T23:59:60+09:00", "2030-01-01T23:58:60Z"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_lies_within_the_years_1_to_9999_in_utc() {
        assert!(parse_time("0001-01-01T00:00:00Z").is_some());
        assert!(parse_time("9999-12-31T23:59:59.999Z").is_some());
        for text in [
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "10000-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
