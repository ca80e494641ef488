//! The history: what its query string asks for, and how a page of it looks.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::Serialize;

use super::{ProcessView, Refusal};
use crate::{
    language::Language,
    process::{ProcessType, Status},
    store::{Cursor, Filter, Page, Window},
    validation::{Rule, Violation, parse_day, parse_time},
};

/// Processes of a page, where the client does not say.
const DEFAULT_SIZE: u32 = 20;
/// Processes of a page at most.
const MAX_SIZE: u32 = 100;
/// So many processes are counted, and can be reached by page: counting further would cost more with
/// every process. A cursor reaches them all.
pub const COUNT_LIMIT: u32 = 10_000;

const FIELDS: &str = "page, pageSize, type, status, startDate, endDate, cursor";

/// What a client wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Which processes.
    pub filter: Filter,
    /// Which part of them.
    pub window: Window,
}

impl HistoryQuery {
    /// Reads the query string.
    ///
    /// # Errors
    /// Everything that is wrong with it, each by its name.
    pub fn parse(
        query: &BTreeMap<String, String>,
        type_names: &'static [&'static str],
    ) -> Result<Self, Refusal> {
        let mut reader = QueryReader { query, violations: Vec::new() };
        let filter = Filter {
            process_type: reader.read("type", Rule::OneOf { allowed: type_names }, |text| {
                type_names.contains(&text).then(|| ProcessType::new(text))
            }),
            status: reader.read("status", Rule::OneOf { allowed: Status::NAMES }, |text| {
                text.parse::<Status>().ok()
            }),
            from: reader.read("startDate", Rule::Day, |text| time(text, TimeDelta::zero())),
            until: reader.read("endDate", Rule::Day, |text| {
                time(text, TimeDelta::days(1) - TimeDelta::microseconds(1))
            }),
        };
        if filter.from.zip(filter.until).is_some_and(|(from, until)| until < from) {
            reader.violate("endDate", Rule::Before { start: "startDate" });
        }
        let size = reader.number("pageSize", DEFAULT_SIZE, MAX_SIZE);
        let page = reader.number("page", 1, COUNT_LIMIT / size.max(1));
        let after = reader.read("cursor", Rule::Cursor, Cursor::decode);
        if query.contains_key("cursor") && query.contains_key("page") {
            reader.violate("cursor", Rule::NotWith { other: "page" });
        }
        for name in query.keys().filter(|name| !FIELDS.split(", ").any(|known| known == **name)) {
            reader.violations.push(Violation::unknown("", name, FIELDS));
        }
        if reader.violations.is_empty() {
            Ok(Self {
                filter,
                window: Window { page: after.map_or(page, |cursor| cursor.page), size, after },
            })
        } else {
            Err(Refusal::invalid(reader.violations))
        }
    }
}

struct QueryReader<'a> {
    query: &'a BTreeMap<String, String>,
    violations: Vec<Violation>,
}

impl QueryReader<'_> {
    fn violate(&mut self, field: &str, rule: Rule) {
        self.violations.push(Violation::new(field, rule));
    }

    fn read<T>(
        &mut self,
        field: &str,
        rule: Rule,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.query.get(field)?;
        let value = parse(text);
        if value.is_none() {
            self.violate(field, rule);
        }
        value
    }

    fn number(&mut self, field: &str, default: u32, max: u32) -> u32 {
        let Some(text) = self.query.get(field) else { return default };
        // Only digits: the parser would also take a plus sign.
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse::<i64>().ok()
        } else {
            None
        };
        match number.map(|actual| (actual, u32::try_from(actual))) {
            Some((_, Ok(number))) if (1..=max).contains(&number) => return number,
            Some((actual, _)) => {
                self.violate(field, Rule::Range { min: 1, max: max.into(), actual });
            }
            None => self.violate(field, Rule::Type { expected: "integer" }),
        }
        default
    }
}

/// A time, or a whole day in UTC, of which `after_midnight` picks the beginning or the end.
fn time(text: &str, after_midnight: TimeDelta) -> Option<DateTime<Utc>> {
    let day = || Some(parse_day(text)?.and_time(NaiveTime::MIN).and_utc() + after_midnight);
    parse_time(text).or_else(day)
}

/// The answer of `GET history`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HistoryView<'a> {
    processes: Vec<ProcessView<'a>>,
    pagination: Pagination,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pagination {
    page: u32,
    page_size: u32,
    total_count: i64,
    /// Whether `totalCount` is all there are; otherwise there are more.
    total_count_exact: bool,
    total_pages: i64,
    has_next: bool,
    has_previous: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<'a> HistoryView<'a> {
    /// `page`, which `listing` asked for, in `language`.
    #[must_use]
    pub fn new(listing: &HistoryQuery, page: &'a Page, language: Language) -> Self {
        let Window { page: number, size, .. } = listing.window;
        let total_count = page.total.min(COUNT_LIMIT.into());
        Self {
            processes: page
                .processes
                .iter()
                .map(|process| ProcessView::new(process, language))
                .collect(),
            pagination: Pagination {
                page: number,
                page_size: size,
                total_count,
                total_count_exact: page.total <= COUNT_LIMIT.into(),
                total_pages: (total_count + i64::from(size) - 1) / i64::from(size),
                has_next: page.next.is_some(),
                has_previous: number > 1,
                next_cursor: page.next.map(|cursor| cursor.encode()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::process::ProcessId;

    fn parse(pairs: &[(&str, &str)]) -> Result<HistoryQuery, Refusal> {
        let query = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        HistoryQuery::parse(&query, &["POEM_GENERATION", "HAIKU_GENERATION"])
    }

    #[test]
    fn without_a_query_it_is_the_first_twenty() {
        let listing = parse(&[]).unwrap();
        assert_eq!(
            (listing.window, listing.filter),
            (Window { page: 1, size: 20, after: None }, Filter::default())
        );
    }

    #[test]
    fn each_parameter_is_read() {
        let listing = parse(&[
            ("page", "3"),
            ("pageSize", "100"),
            ("type", "HAIKU_GENERATION"),
            ("status", "FAILED"),
            ("startDate", "2026-11-01"),
            ("endDate", "2026-11-30T09:00:00+09:00"),
        ])
        .unwrap();
        assert_eq!(listing.window, Window { page: 3, size: 100, after: None });
        assert_eq!(listing.filter.process_type, Some(ProcessType::new("HAIKU_GENERATION")));
        assert_eq!(listing.filter.status, Some(Status::Failed));
        assert_eq!(listing.filter.from.unwrap().to_rfc3339(), "2026-11-01T00:00:00+00:00");
        assert_eq!(listing.filter.until.unwrap().to_rfc3339(), "2026-11-30T00:00:00+00:00");
    }

    #[test]
    fn a_day_is_whole() {
        let filter =
            parse(&[("startDate", "2026-11-01"), ("endDate", "2026-11-01")]).unwrap().filter;
        assert_eq!(filter.until.unwrap().to_rfc3339(), "2026-11-01T23:59:59.999999+00:00");
        assert!(filter.from < filter.until);
    }

    #[test]
    fn each_broken_rule_names_its_parameter() {
        for (pairs, field) in [
            (vec![("page", "0")], "page"),
            (vec![("page", "+1")], "page"),
            (vec![("page", "1.5")], "page"),
            (vec![("page", "99999999999999999999")], "page"),
            (vec![("page", "101"), ("pageSize", "100")], "page"),
            (vec![("pageSize", "101")], "pageSize"),
            (vec![("pageSize", "")], "pageSize"),
            (vec![("type", "POEM")], "type"),
            (vec![("status", "PENDING,FAILED")], "status"),
            (vec![("startDate", "yesterday")], "startDate"),
            (vec![("startDate", "2026-1-1")], "startDate"),
            // World 16, security S8.
            (vec![("startDate", "-9999-12-1")], "startDate"),
            (vec![("startDate", "-4713-1-01")], "startDate"),
            (vec![("startDate", "2026- 1- 1")], "startDate"),
            (vec![("startDate", "+99999-1-1")], "startDate"),
            (vec![("startDate", "0000-01-01T00:00:00Z")], "startDate"),
            (vec![("endDate", "9999-12-31T23:59:59-00:01")], "endDate"),
            (vec![("endDate", "2026-02-30")], "endDate"),
            (vec![("startDate", "2026-11-02"), ("endDate", "2026-11-01")], "endDate"),
            (vec![("cursor", "abc")], "cursor"),
            (vec![("limit", "5")], "limit"),
        ] {
            let refusal = parse(&pairs).unwrap_err();
            assert_eq!(
                refusal
                    .details
                    .iter()
                    .map(|violation| violation.field.as_str())
                    .collect::<Vec<_>>(),
                [field],
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn every_violation_is_reported_at_once() {
        assert_eq!(
            parse(&[
                ("page", "0"),
                ("pageSize", "0"),
                ("type", "x"),
                ("status", "x"),
                ("sort", "x")
            ])
            .unwrap_err()
            .details
            .len(),
            5
        );
    }

    #[test]
    fn a_cursor_brings_its_page_number_and_goes_without_another() {
        let cursor =
            Cursor { created_at: DateTime::UNIX_EPOCH, id: ProcessId(Uuid::nil()), page: 4 };
        let text = cursor.encode();
        assert_eq!(
            parse(&[("cursor", &text)]).unwrap().window,
            Window { page: 4, size: 20, after: Some(cursor) }
        );
        assert_eq!(
            parse(&[("cursor", &text), ("page", "4")]).unwrap_err().details[0].field,
            "cursor"
        );
    }

    #[test]
    fn a_count_beyond_the_limit_is_said_to_be_one() {
        let listing = parse(&[]).unwrap();
        let view = |total| {
            HistoryView::new(
                &listing,
                &Page { processes: Vec::new(), total, next: None },
                Language::English,
            )
            .pagination
        };
        assert_eq!(
            (view(41).total_count, view(41).total_pages, view(41).total_count_exact),
            (41, 3, true)
        );
        assert_eq!(
            (view(10_001).total_count, view(10_001).total_pages, view(10_001).total_count_exact),
            (10_000, 500, false)
        );
        assert_eq!(
            (view(0).total_pages, view(0).has_next, view(0).has_previous),
            (0, false, false)
        );
    }
}
