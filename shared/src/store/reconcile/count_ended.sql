-- How many processes delete_ended.sql would delete, call after call; counting stops at 100,000.
--
--  $1 ended before that
SELECT count(*) AS "count!"
FROM (
    SELECT
    FROM processing_state process
    WHERE process.status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')
      AND process.completed_at < $1
      AND NOT EXISTS (
          SELECT FROM processing_state retry
          WHERE retry.original_process_id = process.id
            AND retry.status <> 'CANCELLED'
            AND retry.status IN ('PENDING', 'PROCESSING')
      )
      AND NOT EXISTS (
          SELECT FROM processing_state beside
          WHERE beside.request_batch_id = process.request_batch_id
            AND beside.status IN ('PENDING', 'PROCESSING')
      )
    ORDER BY process.completed_at
    LIMIT 100000
) expired
