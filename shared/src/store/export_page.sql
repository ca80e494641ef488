-- The next processes after an id, in the order of their ids, as many as fit into a page.
--
--  $1 after this id          $5 with this type, or NULL
--  $2 before this id         $6 in this status, or NULL
--  $3 accepted then or later $7 of this user, or NULL
--  $4 accepted before that   $8 how many rows to look at
--                            $9 how many processes to give
--                            $10 how many characters they may come to, but for the first
--                            $11 whether with what users wrote and were written
--
-- One row too large for an answer by itself is given without its texts, so that it does not stand
-- in the way of those after it.
WITH looked_at AS MATERIALIZED (
    SELECT id, type, status, user_id, created_at
    FROM processing_state
    WHERE id > $1 AND id < $2
    ORDER BY id
    LIMIT $8
), last AS (
    SELECT count(*) AS rows, (array_agg(id ORDER BY id DESC))[1] AS id
    FROM looked_at
), passing AS (
    SELECT id
    FROM looked_at
    WHERE ($3::timestamptz IS NULL OR created_at >= $3)
      AND ($4::timestamptz IS NULL OR created_at < $4)
      AND ($5::text IS NULL OR type = $5)
      AND ($6::text IS NULL OR status = $6)
      AND ($7::text IS NULL OR user_id = $7)
    ORDER BY id
    LIMIT $9
), weighed AS (
    SELECT process.*,
           CASE
               WHEN $11::boolean THEN octet_length(process.params::text)
                             + COALESCE(octet_length(process.result::text), 0)
               ELSE 0
           END AS texts,
           500 + COALESCE(octet_length(process.error::text), 0)
               + (
                     SELECT COALESCE(sum(200 + COALESCE(octet_length(event.detail::text), 0)), 0)
                     FROM processing_event event
                     WHERE event.process_id = process.id
                 ) AS rest
    FROM passing
    JOIN processing_state process ON process.id = passing.id
), page AS (
    SELECT weighed.*,
           sum(rest + texts) OVER (ORDER BY id) AS so_far,
           row_number() OVER (ORDER BY id) AS place
    FROM weighed
)
SELECT last.rows AS "rows!",
       last.id AS last_id,
       (SELECT count(*) FROM passing) AS "passing!",
       page.id AS "id?",
       page.user_id AS "user_id?",
       page.type AS "process_type?",
       page.status AS "status?",
       page.target_id AS "target_id?",
       page.goal_id,
       CASE WHEN $11 AND texts <= $10::bigint THEN page.params END AS params,
       CASE
           WHEN $11 AND texts <= $10::bigint THEN page.result
           WHEN page.result ? 'usage' THEN jsonb_build_object('usage', page.result -> 'usage')
       END AS result,
       ($11 AND texts > $10::bigint) AS is_cut,
       page.progress AS "progress?",
       page.error,
       page.retry_count AS "retry_count?",
       page.original_process_id,
       page.request_batch_id,
       page.attempt AS "attempt?",
       page.priority AS "priority?",
       page.execution_arn,
       CASE WHEN $11 THEN page.idempotency_key END AS idempotency_key,
       CASE WHEN $11 THEN page.cancel_reason END AS cancel_reason,
       page.created_at AS "created_at?",
       page.admitted_at,
       page.started_at,
       page.updated_at AS "updated_at?",
       page.completed_at
FROM last
LEFT JOIN page ON page.so_far <= $10::bigint OR page.place = 1
ORDER BY page.id
