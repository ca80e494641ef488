SELECT (SELECT count(*) FROM processing_state WHERE status IN ('PENDING', 'PROCESSING') AND status = 'PENDING') AS "waiting!",
       (SELECT count(*) FROM processing_state WHERE status IN ('FAILED', 'TIMEOUT') AND completed_at > $1) AS "ended_badly!",
       (SELECT count(*) FROM unnest(ARRAY['SUBGOAL_GENERATION', 'ACTION_GENERATION', 'TASK_GENERATION']) AS each (type)
            JOIN processing_state process ON process.type = each.type AND process.status = 'COMPLETED' AND process.completed_at > $1) AS "ended_well!"
