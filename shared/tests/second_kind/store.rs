//! Its tables, and its statements. A kind of the product would have them in a folder beside
//! `store/chart/`, in `.sql` files that are checked while compiling.

use chrono::{DateTime, Utc};
use serde_json::Value;
use shared::{
    process::{
        Actor, Failure, Generation, ProcessId, UserId,
        request_batch::{Scope, Surroundings},
    },
    store::{Completion, Connection, FoundTarget, NewRows, Observed, StoredGeneration, Submission},
};
use sqlx::Row;
use uuid::Uuid;

use crate::haiku::{Haiku, Of, Page, Params};

/// What its migration would be.
pub const MIGRATION: &str = "
    CREATE TABLE haiku_book (id uuid PRIMARY KEY, user_id text NOT NULL);
    CREATE TABLE haiku_page (
        id         uuid PRIMARY KEY,
        book_id    uuid NOT NULL REFERENCES haiku_book (id) ON DELETE CASCADE,
        season     text NOT NULL,
        lines      text[],
        process_id uuid
    );
    ALTER TABLE processing_state
        DROP CONSTRAINT processing_state_type,
        ADD CONSTRAINT processing_state_type CHECK (type IN (
            'SUBGOAL_GENERATION', 'ACTION_GENERATION', 'TASK_GENERATION', 'CHART_GENERATION',
            'HAIKU_GENERATION'
        ))";

/// The pages with one of the ids $2, or of the books among them, that belong to the user $1.
const FIND: &str = "
    SELECT page.id, page.season, page.lines IS NOT NULL AS occupied
    FROM haiku_page page
    JOIN haiku_book book ON book.id = page.book_id
    WHERE book.user_id = $1 AND (page.id = ANY ($2) OR book.id = ANY ($2))
    ORDER BY page.id";

/// Without the rate limit, which a kind of the product would repeat from the chart's statement.
const SUBMIT: &str = "
    WITH repeat AS (
        SELECT id, created_at, type = $3 AND params = $5 AS same_request
        FROM processing_state
        WHERE user_id = $2 AND idempotency_key = $6
    ), target AS (
        SELECT book.user_id, page.lines IS NOT NULL AS occupied
        FROM haiku_page page
        JOIN haiku_book book ON book.id = page.book_id
        WHERE page.id = ANY ($7) OR book.id = ANY ($7)
    ), running AS (
        SELECT id, user_id
        FROM processing_state
        WHERE type = $3 AND target_id = $4 AND status IN ('PENDING', 'PROCESSING')
    ), retry AS (
        SELECT id, status, created_at
        FROM processing_state
        WHERE original_process_id = $8 AND status <> 'CANCELLED'
    ), obstacle AS (
        SELECT FROM target WHERE user_id <> $2 OR occupied
        UNION ALL SELECT WHERE NOT EXISTS (SELECT FROM target)
        UNION ALL SELECT FROM running
        UNION ALL SELECT FROM retry
        UNION ALL SELECT FROM repeat
    ), created AS (
        INSERT INTO processing_state (
            id, user_id, type, status, target_id, params,
            retry_count, original_process_id, idempotency_key, created_at, updated_at, admitted_at
        )
        SELECT $1, $2, $3, 'PENDING', $4, $5, $9, $8, $6, $10, $10, NULL
        WHERE NOT EXISTS (SELECT FROM obstacle)
        ON CONFLICT DO NOTHING
        RETURNING id
    ), event AS (
        INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor)
        SELECT $10, id, 0, 'submitted', 'PENDING', $11 FROM created
    )
    SELECT EXISTS (SELECT FROM created) AS created,
           (SELECT id FROM repeat) AS repeat_id,
           (SELECT created_at FROM repeat) AS repeat_created_at,
           (SELECT same_request FROM repeat) AS same_request,
           (SELECT user_id FROM target ORDER BY user_id = $2 LIMIT 1) AS target_user,
           COALESCE((SELECT bool_or(occupied) FROM target), false) AS occupied,
           (SELECT id FROM running) AS running_id,
           (SELECT user_id FROM running) AS running_user,
           (SELECT id FROM retry) AS retry_id,
           (SELECT status FROM retry) AS retry_status,
           (SELECT created_at FROM retry) AS retry_created_at,
           recent_seconds($3, $10) AS recent_seconds";

/// What SUBMIT sees of one request, for each of a batch: the pages or books with the ids $3.
const LOOK_AROUND: &str = "
    SELECT (SELECT user_id
            FROM haiku_book book
            JOIN haiku_page page ON page.book_id = book.id
            WHERE page.id = ANY ($3) OR book.id = ANY ($3)
            ORDER BY user_id = $1
            LIMIT 1) AS target_user,
           EXISTS (SELECT FROM haiku_page
                   WHERE (id = ANY ($3) OR book_id = ANY ($3)) AND lines IS NOT NULL) AS occupied,
           running.id, running.user_id
    FROM (VALUES (1)) one (row)
    LEFT JOIN processing_state running
           ON running.type = $2 AND running.target_id = $4
          AND running.status IN ('PENDING', 'PROCESSING')";

const COMPLETE: &str = "
    WITH before AS (
        SELECT id, status
        FROM processing_state
        WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
        FOR UPDATE
    ), new AS (
        SELECT page_id, string_to_array(text, E'\\n') AS lines
        FROM UNNEST($4::uuid[], $5::text[]) AS new (page_id, text)
    ), target AS (
        SELECT page.id, page.lines IS NOT NULL AS occupied
        FROM haiku_page page
        JOIN haiku_book book ON book.id = page.book_id
        WHERE page.id IN (SELECT page_id FROM new) AND book.user_id = $3
        FOR UPDATE OF page
    ), ready AS (
        SELECT (SELECT count(*) FROM target) = (SELECT count(*) FROM new) AS targets,
               NOT EXISTS (SELECT FROM target WHERE occupied) AS empty
    ), done AS (
        UPDATE processing_state process
        SET status = 'COMPLETED', progress = 100, result = $6, error = NULL,
            updated_at = $8, completed_at = $8
        FROM before, ready
        WHERE process.id = before.id AND ready.targets AND ready.empty
        RETURNING process.id
    ), written AS (
        UPDATE haiku_page page
        SET lines = new.lines, process_id = done.id
        FROM new, done
        WHERE page.id = new.page_id
    ), event AS (
        INSERT INTO processing_event (
            at, process_id, attempt, kind, from_status, to_status, actor, detail
        )
        SELECT $8, done.id, $2, 'completed', before.status, 'COMPLETED', $9, $7
        FROM done
        JOIN before USING (id)
    )
    SELECT EXISTS (SELECT FROM before), EXISTS (SELECT FROM done),
           (SELECT targets FROM ready), (SELECT empty FROM ready)";

/// The pages or the book that params are about.
fn wanted(params: &Params) -> Vec<Uuid> {
    match (&params.only, params.of) {
        (Some(only), _) => only.clone(),
        (None, Of::PageId(id) | Of::BookId(id)) => vec![id],
    }
}

impl StoredGeneration for Haiku {
    const TABLES: &'static [&'static str] = &["haiku_book", "haiku_page"];

    async fn try_submit(
        connection: &mut Connection,
        submission: &Submission<Self>,
        params: &Value,
    ) -> Result<Observed, sqlx::Error> {
        let row = sqlx::query(SUBMIT)
            .bind(submission.id.0)
            .bind(&submission.user_id.0)
            .bind(Self::process_type(&submission.params).as_str())
            .bind(Self::target_id(&submission.params))
            .bind(params)
            .bind(&submission.idempotency_key)
            .bind(wanted(&submission.params))
            .bind(submission.retry.as_ref().map(|retry| retry.of.0))
            .bind(submission.retry.as_ref().map_or(0, |retry| retry.count))
            .bind(submission.now)
            .bind(submission.actor.as_str())
            .fetch_one(connection)
            .await?;
        Ok(Observed {
            created: row.try_get("created")?,
            repeat_id: row.try_get("repeat_id")?,
            repeat_created_at: row.try_get("repeat_created_at")?,
            same_request: row.try_get("same_request")?,
            exhausted: false,
            // Not asked: it waits, and whoever stores it asks whose turn it is.
            admitted: None,
            refused_for: None,
            tokens_left: None,
            target_user: row.try_get("target_user")?,
            target_gone: false,
            occupied: row.try_get("occupied")?,
            running_id: row.try_get("running_id")?,
            running_user: row.try_get("running_user")?,
            retry_id: row.try_get("retry_id")?,
            retry_status: row.try_get("retry_status")?,
            retry_created_at: row.try_get("retry_created_at")?,
            recent_seconds: row.try_get("recent_seconds")?,
            limit: None,
            slots: None,
            repeat_unstarted: None,
            retry_unstarted: None,
            window_start: None,
        })
    }

    async fn look_around(
        connection: &mut Connection,
        user: &UserId,
        requests: &[&Params],
    ) -> Result<Vec<Surroundings>, Failure> {
        let mut all = Vec::new();
        for params in requests {
            let row = sqlx::query(LOOK_AROUND)
                .bind(&user.0)
                .bind(Self::process_type(params).as_str())
                .bind(wanted(params))
                .bind(Self::target_id(params))
                .fetch_one(&mut *connection)
                .await?;
            let running: Option<Uuid> = row.try_get("id")?;
            all.push(Surroundings {
                target_user: row.try_get::<Option<String>, _>("target_user")?.map(UserId),
                occupied: row.try_get("occupied")?,
                running: running.map(ProcessId).zip(row.try_get("user_id").ok().map(UserId)),
                // A page and its book do not exclude each other, as in SUBMIT.
                scope: Scope::default(),
            });
        }
        Ok(all)
    }

    async fn find_targets(
        connection: &mut Connection,
        user: &UserId,
        params: &Params,
        ids: Option<&[Uuid]>,
    ) -> Result<Vec<FoundTarget<Page>>, Failure> {
        let ids = ids.map_or_else(|| wanted(params), <[Uuid]>::to_vec);
        let rows: Vec<(Uuid, String, bool)> =
            sqlx::query_as(FIND).bind(&user.0).bind(ids).fetch_all(connection).await?;
        let found = |(id, season, occupied)| {
            let theme = params.theme.clone();
            FoundTarget { target: Page { id, season, theme }, occupied }
        };
        Ok(rows.into_iter().map(found).collect())
    }

    async fn complete(
        connection: &mut Connection,
        id: ProcessId,
        attempt: i32,
        new: &NewRows<'_, Self>,
        actor: Actor,
        now: DateTime<Utc>,
    ) -> Result<Completion, Failure> {
        let pages: Vec<Uuid> = new.parts.iter().map(|(page, _)| *page).collect();
        let poems: Vec<String> = new.parts.iter().map(|(_, poem)| poem.lines.join("\n")).collect();
        let (current, done, targets, empty): (bool, bool, bool, bool) = sqlx::query_as(COMPLETE)
            .bind(id.0)
            .bind(attempt)
            .bind(&new.user_id.0)
            .bind(pages)
            .bind(poems)
            .bind(new.result)
            .bind(new.detail)
            .bind(now)
            .bind(actor.as_str())
            .fetch_one(connection)
            .await?;
        Ok(match (current, done, targets, empty) {
            (_, true, ..) => Completion::Completed,
            (false, ..) => Completion::Fenced,
            (_, _, false, _) => Completion::TargetNotFound,
            (_, _, _, false) => Completion::TargetNotEmpty,
            (true, false, true, true) => unreachable!("nothing stood in the way"),
        })
    }
}
