-- Deletes the processes that ended before then, the oldest first, with what belongs to them: the
-- foreign keys take their history, outputs, batches and starts along.
--
--  $1 ended before that
--
-- Kept is what somebody still needs: the original of a retry that is active, and what was sent in
-- one batch with a process that is active. Rows that somebody holds are left to the next sweep. The
-- number is written out, and the ids go through an array, because a plan for whatever number of
-- them would read the whole table.
WITH expired AS (
    SELECT process.id
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
    LIMIT 500
    FOR UPDATE OF process SKIP LOCKED
)
DELETE FROM processing_state process
WHERE process.id = ANY (ARRAY(SELECT id FROM expired))
  AND process.status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')
