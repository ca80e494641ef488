-- Of the next processes after an id that have anything staged, or batches: which have ended, and
-- how much they have left (R16).
--
--  $1 after this id
--  $2 how many processes to look at
--
-- Only what is active should have any. Each such process is one step down an index from the one
-- before, however many rows it has, so that a page costs by processes and not by rows.
WITH RECURSIVE holder (process_id, n) AS (
    SELECT $1::uuid, 0::bigint
    UNION ALL
    SELECT LEAST(
               (
                   SELECT output.process_id
                   FROM processing_output output
                   WHERE output.process_id > holder.process_id
                   ORDER BY output.process_id
                   LIMIT 1
               ),
               (
                   SELECT batch.process_id
                   FROM processing_batch batch
                   WHERE batch.process_id > holder.process_id
                   ORDER BY batch.process_id
                   LIMIT 1
               )
           ),
           holder.n + 1
    FROM holder
    WHERE holder.process_id IS NOT NULL AND holder.n < $2
)
SELECT process.id AS "id!",
       process.status AS "status!",
       CASE
           WHEN process.status NOT IN ('PENDING', 'PROCESSING')
               THEN (SELECT count(*) FROM processing_output WHERE process_id = process.id)
           ELSE 0
       END AS "outputs!",
       CASE
           WHEN process.status NOT IN ('PENDING', 'PROCESSING')
               THEN (SELECT count(*) FROM processing_batch WHERE process_id = process.id)
           ELSE 0
       END AS "batches!"
FROM holder
JOIN processing_state process ON process.id = holder.process_id
WHERE holder.n > 0
ORDER BY process.id
