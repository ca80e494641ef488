-- Deletes the batches of requests that were sent before then and have no process any more, the
-- oldest first. A batch and its processes are stored together, so that none comes to one without.
--
--  $1 sent before that
WITH expired AS (
    SELECT batch.id
    FROM request_batch batch
    WHERE batch.created_at < $1
      AND NOT EXISTS (
          SELECT FROM processing_state process WHERE process.request_batch_id = batch.id
      )
    ORDER BY batch.created_at
    LIMIT 500
    FOR UPDATE OF batch SKIP LOCKED
)
DELETE FROM request_batch batch
WHERE batch.id = ANY (ARRAY(SELECT id FROM expired))
