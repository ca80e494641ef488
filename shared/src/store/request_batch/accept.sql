-- Stores a batch of requests that has been judged, or nothing: see accept.rs.
--
--  $1 batch             $8  processes                 $12 waiting processes of one user
--  $2 user              $9  requests a minute         $13, $14 tokens a day: of one user, of all
--  $3 idempotency key   $10, $11 calls in flight:     $15 how many processes there are
--  $4 fingerprint                of all, of one user  $16 tokens that they take
--  $5 results
--  $6 now
--  $7 actor
WITH fits AS MATERIALIZED (
    SELECT batch_fits($2, $6, $10, $11, $12, $13, $14, $15, $16) AS fits
), batch AS (
    INSERT INTO request_batch (id, user_id, idempotency_key, fingerprint, results, created_at)
    SELECT $1, $2, $3, $4, $5, $6
    FROM fits
    WHERE fits
    ON CONFLICT DO NOTHING
    RETURNING id
), created AS (
    INSERT INTO processing_state (
        id, user_id, type, status, target_id, params, created_at, updated_at,
        goal_id, holds, lies_within, target_existed,
        priority, planned_calls, planned_tokens, admitted_at, request_batch_id, request_index
    )
    SELECT new.id, $2, new.type, 'PENDING', new.target_id, new.params, $6, $6,
           new.goal_id, new.holds, new.lies_within, new.target_existed,
           new.priority, new.planned_calls, new.planned_tokens, NULL, batch.id, new.index
    FROM batch,
         jsonb_to_recordset($8::jsonb) AS new (
             id uuid, index smallint, type text, target_id uuid, params jsonb,
             goal_id uuid, holds uuid[], lies_within uuid[], target_existed boolean,
             priority text, planned_calls smallint, planned_tokens integer
         )
    -- The locks that keep overlapping work apart are taken in one order by all batches, so that no
    -- two of them wait for each other.
    ORDER BY new.goal_id, new.index
    RETURNING id
), event AS (
    INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
    SELECT $6, id, 0, 'submitted', 'PENDING', $7, jsonb_build_object('batchId', $1)
    FROM created
), counted AS (
    INSERT INTO rate_limit AS bucket (user_id, window_start, slots, used, allowed)
    SELECT $2, minute.at, minute.slots[1:59] || 1, 1, $9
    FROM batch, rate_limit_minute('{}', 'epoch', $6) minute
    -- Counted when all rows are there: who waits for one of them holds up nobody else meanwhile.
    WHERE (SELECT count(*) FROM created) = $15
    ON CONFLICT (user_id) DO UPDATE
    SET (window_start, slots, used, allowed) = (
        SELECT minute.at, minute.slots[1:59] || minute.slots[60] + 1, minute.used + 1,
               COALESCE(bucket.per_minute, excluded.allowed)
        FROM rate_limit_minute(bucket.slots, bucket.window_start, $6) minute
    )
    RETURNING allowed, slots, window_start
)
SELECT allowed AS "allowed!", slots AS "slots!", window_start AS "window_start!"
FROM counted
