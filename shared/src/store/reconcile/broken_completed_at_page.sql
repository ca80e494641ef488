-- The next processes after an id whose time of end is missing, or should not be there (R14).
--
--  $1 after this id
--  $2 how many
SELECT id,
       status,
       attempt,
       progress,
       execution_arn IS NOT NULL AS "has_arn!",
       result IS NOT NULL
           OR (status = 'PROCESSING' AND COALESCE(targets_done >= targets, false))
           AS "result_ready!",
       false AS "ended_by_hand!",
       created_at,
       admitted_at,
       execution_started_at,
       started_at,
       updated_at,
       completed_at,
       NULL::smallint AS tries,
       NULL::timestamptz AS first_try_at,
       NULL::timestamptz AS last_try_at
FROM processing_state
WHERE ((completed_at IS NULL AND status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED'))
       OR (completed_at IS NOT NULL AND status IN ('PENDING', 'PROCESSING')))
  AND id > $1
ORDER BY id
LIMIT $2
