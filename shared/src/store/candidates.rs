//! The processes that an operator may act upon together: all that are active, to cancel them, and
//! those that ended badly, to retry them. Each page looks at a bounded part of an index, the newest
//! first; whoever asks picks from what it gives.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Cursor, Store, connection::Connection, find::parse_stored_name};
use crate::process::{Failure, ProcessId, Status};

/// Which they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Candidates {
    /// Those that wait or run; their time is when they were accepted.
    Active,
    /// Those that became FAILED or TIMEOUT; their time is when they did.
    EndedBadly,
    /// These, and those that are COMPLETED without some of their targets.
    EndedBadlyOrInPart,
}

/// A page of them.
#[derive(Debug, Clone, PartialEq)]
pub struct CandidatePage {
    /// The newest first.
    pub candidates: Vec<Candidate>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Cursor>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which process.
    pub id: ProcessId,
    /// Whose.
    pub user_id: String,
    /// What it generates.
    pub process_type: String,
    /// Where it stands.
    pub status: Status,
    /// The code of its error as it is stored, or of a target that failed, one that may be retried
    /// first; empty: none.
    pub code: String,
    /// Retries before it.
    pub retry_count: i16,
    /// Whether it has been retried, by one that was not cancelled.
    pub is_retried: bool,
    /// When it was accepted, or ended.
    pub at: DateTime<Utc>,
}

struct CandidateRow {
    id: Uuid,
    user_id: String,
    process_type: String,
    status: String,
    code: String,
    retry_count: i16,
    is_retried: bool,
    /// `false`: it was looked at, and is none.
    is_one: bool,
    at: DateTime<Utc>,
}

impl Store {
    /// Those of `which` among up to `size` processes whose time lies after `since` and not after
    /// `until`, beginning behind `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn candidates(
        &self,
        which: Candidates,
        since: Option<DateTime<Utc>>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
        size: u32,
    ) -> Result<CandidatePage, Failure> {
        let since = since.unwrap_or(DateTime::UNIX_EPOCH);
        // The whole of the place, or nothing of it: a time alone would leave out its equals.
        let (after_at, after_id) = after
            .map_or((until, Uuid::max()), |cursor| (cursor.created_at.min(until), cursor.id.0));
        let mut connection = self.database.connection().await?;
        let rows = match which {
            // What waits and what runs have an index each, whose words these are.
            Candidates::Active => {
                sqlx::query_as!(
                    CandidateRow,
                    r#"
                    WITH active AS (
                        SELECT * FROM processing_state
                        WHERE status IN ('PENDING', 'PROCESSING')
                          AND NOT (
                              status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
                          )
                        UNION ALL
                        SELECT * FROM processing_state
                        WHERE status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
                    )
                    SELECT id AS "id!", user_id AS "user_id!", type AS "process_type!",
                           status AS "status!", '' AS "code!", retry_count AS "retry_count!",
                           false AS "is_retried!", true AS "is_one!", created_at AS "at!"
                    FROM active
                    WHERE created_at > $1 AND (created_at, id) < ($2, $3)
                    ORDER BY created_at DESC, id DESC
                    LIMIT $4
                    "#,
                    since,
                    after_at,
                    after_id,
                    i64::from(size),
                )
                .fetch_all(&mut *connection)
                .await
            }
            Candidates::EndedBadly => {
                sqlx::query_as!(
                    CandidateRow,
                    r#"
                    SELECT id, user_id, type AS process_type, status,
                           COALESCE(error ->> 'code', '') AS "code!", retry_count,
                           EXISTS (
                               SELECT FROM processing_state retry
                               WHERE retry.original_process_id = ended.id
                                 AND retry.status <> 'CANCELLED'
                           ) AS "is_retried!",
                           true AS "is_one!",
                           completed_at AS "at!"
                    FROM processing_state ended
                    WHERE status IN ('FAILED', 'TIMEOUT')
                      AND completed_at > $1
                      AND completed_at <= $2
                      AND (completed_at, id) < ($2, $3)
                    ORDER BY completed_at DESC, id DESC
                    LIMIT $4
                    "#,
                    since,
                    after_at,
                    after_id,
                    i64::from(size),
                )
                .fetch_all(&mut *connection)
                .await
            }
            Candidates::EndedBadlyOrInPart => {
                let place = (after_at, after_id);
                ended_badly_or_in_part(&mut connection, since, place, size).await
            }
        }?;
        let is_full = u32::try_from(rows.len()).is_ok_and(|count| count >= size);
        let last = rows.last().filter(|_| is_full);
        let next = last.map(|last| Cursor { created_at: last.at, id: ProcessId(last.id), page: 1 });
        let candidates = rows.into_iter().filter(|row| row.is_one).map(CandidateRow::candidate);
        Ok(CandidatePage { candidates: candidates.collect::<Result<_, _>>()?, next })
    }
}

/// What is missing stands in the result alone, which is read of each that is looked at.
async fn ended_badly_or_in_part(
    connection: &mut Connection,
    since: DateTime<Utc>,
    (after_at, after_id): (DateTime<Utc>, Uuid),
    size: u32,
) -> sqlx::Result<Vec<CandidateRow>> {
    sqlx::query_as!(
        CandidateRow,
        r#"
        WITH ended AS (
            SELECT * FROM processing_state
            WHERE status IN ('COMPLETED', 'FAILED', 'TIMEOUT')
              AND completed_at > $1
              AND completed_at <= $2
              AND (completed_at, id) < ($2, $3)
            ORDER BY completed_at DESC, id DESC
            LIMIT $4
        )
        SELECT id AS "id!", user_id AS "user_id!", type AS "process_type!",
               status AS "status!",
               COALESCE(part.code, error ->> 'code', '') AS "code!",
               retry_count AS "retry_count!",
               EXISTS (
                   SELECT FROM processing_state retry
                   WHERE retry.original_process_id = ended.id
                     AND retry.status <> 'CANCELLED'
               ) AS "is_retried!",
               (status <> 'COMPLETED' OR part.number IS NOT NULL) AS "is_one!",
               completed_at AS "at!"
        FROM ended
        LEFT JOIN LATERAL (
            SELECT target ->> 'code' AS code, number
            FROM jsonb_array_elements(
                CASE WHEN status = 'COMPLETED'
                      AND jsonb_typeof(result -> 'failedTargets') = 'array'
                     THEN result -> 'failedTargets' END
            ) WITH ORDINALITY AS failed (target, number)
            ORDER BY target -> 'retryable' = 'true' DESC NULLS LAST, number
            LIMIT 1
        ) part ON true
        ORDER BY completed_at DESC, id DESC
        "#,
        since,
        after_at,
        after_id,
        i64::from(size),
    )
    .fetch_all(connection)
    .await
}

impl CandidateRow {
    fn candidate(self) -> Result<Candidate, Failure> {
        Ok(Candidate {
            id: ProcessId(self.id),
            user_id: self.user_id,
            process_type: self.process_type,
            status: parse_stored_name(&self.status)?,
            code: self.code,
            retry_count: self.retry_count,
            is_retried: self.is_retried,
            at: self.at,
        })
    }
}
