-- The next active processes after a point, oldest first, but for those that wait to be admitted.
--
--  $1 accepted after that     $3 accepted then or before
--  $2 and, of that moment, after this id
--                             $4 how many
SELECT process.id AS "id!",
       status AS "status!",
       attempt AS "attempt!",
       progress AS "progress!",
       execution_arn IS NOT NULL AS "has_arn!",
       result IS NOT NULL
           OR (status = 'PROCESSING' AND COALESCE(targets_done >= targets, false))
           AS "result_ready!",
       false AS "ended_by_hand!",
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
WHERE status IN ('PENDING', 'PROCESSING')
  AND NOT (status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL)
  AND (created_at, id) > ($1, $2)
  AND created_at <= $3
ORDER BY created_at, id
LIMIT $4
