-- How many processes wait, how many ended since then, well or badly, and since when the oldest of
-- those is active that have been admitted.
--
--  $1 since
--
-- The index of what completed is in the order of the types, so the types that there are come first:
-- each is one step down the index from the one before.
--
-- What ended since then did so within a day. That is said because one plan serves all values: of a
-- span with two ends it expects a few rows and takes the index, of one without an end a third of
-- the table.
WITH RECURSIVE each (type) AS (
    SELECT min(type) FROM processing_state WHERE status = 'COMPLETED'
    UNION ALL
    SELECT (
        SELECT min(process.type)
        FROM processing_state process
        WHERE process.status = 'COMPLETED' AND process.type > each.type
    )
    FROM each
    WHERE each.type IS NOT NULL
)
SELECT (
           SELECT (
                      SELECT COALESCE(sum(waiting_normal), 0)
                      FROM processing_queue
                      WHERE waiting_normal > 0
                  ) + (
                      SELECT COALESCE(sum(waiting_low), 0)
                      FROM processing_queue
                      WHERE waiting_low > 0
                  ) + (
                      SELECT count(*)
                      FROM processing_state
                      WHERE status IN ('PENDING', 'PROCESSING')
                        AND NOT (status = 'PENDING'
                                 AND admitted_at IS NULL
                                 AND execution_arn IS NULL)
                        AND status = 'PENDING'
                  )
       ) AS "waiting!",
       (
           SELECT count(*)
           FROM processing_state
           WHERE status IN ('FAILED', 'TIMEOUT')
             AND completed_at > $1
             AND completed_at < $1 + interval '1 day'
       ) AS "ended_badly!",
       (
           SELECT count(*)
           FROM each
           JOIN processing_state process
               ON process.type = each.type
               AND process.status = 'COMPLETED'
               AND process.completed_at > $1
               AND process.completed_at < $1 + interval '1 day'
       ) AS "ended_well!",
       (
           SELECT min(COALESCE(admitted_at, created_at))
           FROM processing_state
           WHERE status IN ('PENDING', 'PROCESSING')
             AND NOT (status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL)
       ) AS oldest_active_at
