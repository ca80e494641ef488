//! A user's processes, newest first, by page or by cursor.
//!
//! A page is counted from the newest process, so it shifts when new ones come. A cursor is the
//! place after one process: what comes after it stays the same, whatever is added before it.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Store, find::SummaryRow};
use crate::process::{Failure, ProcessId, ProcessSummary, ProcessType, Status, UserId};

/// Hands the pieces of the statement to `$callback`, with `$filter` in the two places where it
/// belongs. Each combination of type and status is a statement of its own: one for all would, after
/// some executions, get a plan that fits none of them. Its other filters are ranges over the same
/// index, whether they are given or not.
macro_rules! history_sql {
    ($callback:ident, $filter:literal) => {
        $callback!(
            "WITH counted AS (
                SELECT count(*) AS total
                FROM (SELECT FROM processing_state
                      WHERE user_id = $1 AND ",
            $filter,
            "
                        AND created_at BETWEEN COALESCE($4::timestamptz, '-infinity')
                                           AND COALESCE($5::timestamptz, 'infinity')
                      LIMIT $10::bigint + 1) counted_at_most
            ), page AS MATERIALIZED (
                SELECT id, user_id, type, status, progress, error, retry_count,
                       original_process_id, attempt, cancel_reason,
                       created_at, started_at, updated_at, completed_at
                FROM processing_state
                WHERE user_id = $1 AND ",
            $filter,
            "
                  AND created_at BETWEEN COALESCE($4::timestamptz, '-infinity')
                                     AND COALESCE($5::timestamptz, 'infinity')
                  AND (created_at, id)
                      < (COALESCE($6::timestamptz, 'infinity'),
                         COALESCE($7::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
                ORDER BY created_at DESC, id DESC
                LIMIT $8::bigint + 1 OFFSET $9::bigint
            )
            -- The count comes along also where the page is empty.
            SELECT total AS \"total!\",
                   id AS \"id?\",
                   user_id AS \"user_id?\",
                   type AS \"process_type?\",
                   status AS \"status?\",
                   progress AS \"progress?\",
                   error,
                   retry_count AS \"retry_count?\",
                   original_process_id,
                   attempt AS \"attempt?\",
                   cancel_reason,
                   created_at AS \"created_at?\",
                   started_at,
                   updated_at AS \"updated_at?\",
                   completed_at
            FROM counted LEFT JOIN page ON true
            ORDER BY created_at DESC, id DESC"
        )
    };
}

macro_rules! text {
    ($($piece:literal),+) => { concat!($($piece),+) };
}

/// The statements of [`Store::history`] without a filter, by type, by status, and by both: for the
/// test that asks how Postgres executes them.
pub const HISTORY_SQL: [&str; 4] = [
    history_sql!(text, "$2::text IS NULL AND $3::text IS NULL"),
    history_sql!(text, "type = $2 AND $3::text IS NULL"),
    history_sql!(text, "$2::text IS NULL AND status = $3"),
    history_sql!(text, "type = $2 AND status = $3"),
];

/// A row of the answer.
struct HistoryRow {
    total: i64,
    id: Option<Uuid>,
    user_id: Option<String>,
    process_type: Option<String>,
    status: Option<String>,
    progress: Option<i16>,
    error: Option<Value>,
    retry_count: Option<i16>,
    original_process_id: Option<Uuid>,
    attempt: Option<i32>,
    cancel_reason: Option<String>,
    created_at: Option<DateTime<Utc>>,
    started_at: Option<DateTime<Utc>>,
    updated_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

impl HistoryRow {
    /// Its process; an empty page is one row that brings the count only.
    fn summary(self) -> Option<SummaryRow> {
        Some(SummaryRow {
            id: self.id?,
            user_id: self.user_id?,
            process_type: self.process_type?,
            status: self.status?,
            progress: self.progress?,
            error: self.error,
            retry_count: self.retry_count?,
            original_process_id: self.original_process_id,
            attempt: self.attempt?,
            cancel_reason: self.cancel_reason,
            created_at: self.created_at?,
            started_at: self.started_at,
            updated_at: self.updated_at?,
            completed_at: self.completed_at,
        })
    }
}

/// Which processes; a filter that is `None` lets all through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Only this type.
    pub process_type: Option<ProcessType>,
    /// Only this status.
    pub status: Option<Status>,
    /// Accepted then or later.
    pub from: Option<DateTime<Utc>>,
    /// Accepted then or earlier.
    pub until: Option<DateTime<Utc>>,
}

/// Which part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Number of the page, from 1.
    pub page: u32,
    /// Processes of a page.
    pub size: u32,
    /// Where the page begins, if the client came by a cursor.
    pub after: Option<Cursor>,
}

/// The place after one process, and the number of the page that begins there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// When that process was accepted.
    pub created_at: DateTime<Utc>,
    /// Its id.
    pub id: ProcessId,
    /// The page.
    pub page: u32,
}

/// Bytes of a cursor: when (8), which (16), page (4).
const CURSOR_BYTES: usize = 28;
/// Characters of a cursor.
pub const CURSOR_LENGTH: usize = 38;

impl Cursor {
    /// As clients see it: a text to hand back, not to look into.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bytes = Vec::with_capacity(CURSOR_BYTES);
        bytes.extend(self.created_at.timestamp_micros().to_be_bytes());
        bytes.extend(self.id.0.as_bytes());
        bytes.extend(self.page.to_be_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads it back; `None`: nothing that we gave out.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; CURSOR_BYTES] =
            BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (when, rest) = bytes.split_first_chunk::<8>()?;
        let (id, page) = rest.split_first_chunk::<16>()?;
        let page = u32::from_be_bytes(page.try_into().ok()?);
        let created_at = DateTime::from_timestamp_micros(i64::from_be_bytes(*when))?;
        // Years that the database cannot store are none that we gave out.
        let known = (DateTime::from_timestamp(-62_135_596_800, 0)?
            ..DateTime::from_timestamp(253_402_300_800, 0)?)
            .contains(&created_at);
        (known && page > 0).then_some(Self {
            created_at,
            id: ProcessId(Uuid::from_bytes(*id)),
            page,
        })
    }
}

/// A part of a user's processes.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub processes: Vec<ProcessSummary>,
    /// How many pass the filter; counting stops at the limit that was given, and one more says that
    /// there are more.
    pub total: i64,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

impl Store {
    /// The processes of `user` that pass `filter`, from where `window` says. Counts `count_limit` +
    /// 1 at most.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history(
        &self,
        user: &UserId,
        filter: &Filter,
        window: &Window,
        count_limit: i64,
    ) -> Result<Page, Failure> {
        let offset = if window.after.is_some() {
            0
        } else {
            i64::from(window.page.saturating_sub(1)) * i64::from(window.size)
        };
        let process_type = filter.process_type.as_ref().map(ProcessType::as_str);
        let status = filter.status.map(Status::as_str);
        let mut connection = self.database.connection().await?;
        macro_rules! fetch {
            ($first:literal $(, $piece:literal)+) => {
                sqlx::query_as!(
                    HistoryRow,
                    $first $(+ $piece)+,
                    user.0,
                    process_type,
                    status,
                    filter.from,
                    filter.until,
                    window.after.map(|cursor| cursor.created_at),
                    window.after.map(|cursor| cursor.id.0),
                    i64::from(window.size),
                    offset,
                    count_limit,
                )
                .fetch_all(&mut *connection)
                .await
            };
        }
        let rows = match (process_type, status) {
            (None, None) => history_sql!(fetch, "$2::text IS NULL AND $3::text IS NULL"),
            (Some(_), None) => history_sql!(fetch, "type = $2 AND $3::text IS NULL"),
            (None, Some(_)) => history_sql!(fetch, "$2::text IS NULL AND status = $3"),
            (Some(_), Some(_)) => history_sql!(fetch, "type = $2 AND status = $3"),
        }?;
        let total = rows.first().map_or(0, |row| row.total);
        let processes: Result<Vec<_>, _> = rows
            .into_iter()
            .filter_map(HistoryRow::summary)
            .map(ProcessSummary::try_from)
            .collect();
        let mut processes = processes?;
        let size = usize::try_from(window.size).unwrap_or(usize::MAX);
        let more = processes.len() > size;
        processes.truncate(size);
        let next = processes.last().filter(|_| more).map(|last| Cursor {
            created_at: last.created_at,
            id: last.id,
            page: window.page.saturating_add(1),
        });
        Ok(Page { processes, total, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_has_its_length() {
        let cursor = Cursor {
            created_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
            id: ProcessId(Uuid::from_u128(7)),
            page: 3,
        };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
        assert_eq!(cursor.encode().len(), CURSOR_LENGTH);
    }

    #[test]
    fn what_we_never_gave_out_is_no_cursor() {
        for text in [
            "",
            "abc",
            "!!!!",
            &"A".repeat(37),
            &"A".repeat(39),
            &BASE64_URL_SAFE_NO_PAD.encode([0x7f; CURSOR_BYTES]),
        ] {
            assert_eq!(Cursor::decode(text), None, "{text}");
        }
        assert_eq!(Cursor::decode(&"A".repeat(CURSOR_LENGTH)), None, "page 0");
    }
}
