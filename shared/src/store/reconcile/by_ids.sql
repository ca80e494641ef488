-- The processes with these ids.
--
--  $1 ids
SELECT process.id AS "id!",
       status AS "status!",
       attempt AS "attempt!",
       progress AS "progress!",
       execution_arn IS NOT NULL AS "has_arn!",
       result IS NOT NULL
           OR (status = 'PROCESSING' AND COALESCE(targets_done >= targets, false))
           AS "result_ready!",
       COALESCE(
           CASE
               WHEN status = 'COMPLETED' THEN result IS NULL
               WHEN status IN ('FAILED', 'TIMEOUT')
                   THEN error ->> 'code' IS NULL OR error ->> 'code' = 'MANUAL_INTERVENTION'
           END,
           false
       ) AS "ended_by_hand!",
       created_at AS "created_at!",
       admitted_at,
       execution_started_at,
       started_at,
       updated_at AS "updated_at!",
       completed_at,
       tries.attempts AS "tries?",
       tries.first_at AS "first_try_at?",
       tries.last_at AS "last_try_at?"
FROM processing_state process
LEFT JOIN processing_start tries ON tries.process_id = process.id
WHERE process.id = ANY ($1)
