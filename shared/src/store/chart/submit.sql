-- Accepts a process of a chart, or tells what stands in its way. One statement: see submit.rs.
--
--  $1 process            $8  retries before it      $14 goal that may be missing
--  $2 user               $9  now                    $15 sub-goals
--  $3 type               $10 actor                  $16 goal, for all its sub-goals
--  $4 target             $11 idempotency key        $17 actions
--  $5 params             $12 requests a minute      $18 goal, for all its actions
--  $6 replace            $13 whether it is too late $19 whether the target may be missing
--  $7 process it retries    $20 whether targets that have children are left out instead of refused
--  $21 priority             $25, $26 calls in flight: of all, of one user
--  $22 planned calls        $27 waiting processes of one user
--  $23 planned tokens       $28, $29 tokens a day: of one user, of all
--  $24 requests of the rate limit that it counts as
--  $30 what an operator says of a retry
WITH repeat AS (
    SELECT id, created_at, type = $3 AND params = $5 AND priority = $21 AS same_request,
           status = 'PENDING' AND admitted_at IS NOT NULL AND execution_arn IS NULL AS unstarted
    FROM processing_state
    WHERE user_id = $2 AND idempotency_key = $11
), exhausted AS (
    SELECT FROM rate_limit, rate_limit_minute(slots, window_start, $9) minute
    WHERE $12::integer IS NOT NULL
      AND user_id = $2
      AND (COALESCE(per_minute, $12) <= minute.used
           OR (minute.used > 0 AND COALESCE(per_minute, $12) < minute.used + $24::integer))
), found AS (
    SELECT goals.user_id,
           goals.id AS goal_id,
           NULL::uuid AS sub_goal_id,
           goals.id,
           EXISTS (SELECT FROM sub_goals WHERE goal_id = goals.id) AS has_children
    FROM goals
    WHERE id = $14
    UNION ALL
    SELECT goals.user_id,
           goals.id,
           NULL,
           part.id,
           EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id)
    FROM sub_goals part
    JOIN goals ON goals.id = part.goal_id
    WHERE part.id = ANY ($15) OR part.goal_id = $16
    UNION ALL
    SELECT goals.user_id,
           goals.id,
           sub_goals.id,
           part.id,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM actions part
    JOIN sub_goals ON sub_goals.id = part.sub_goal_id
    JOIN goals ON goals.id = sub_goals.goal_id
    WHERE part.id = ANY ($17)
    UNION ALL
    SELECT goals.user_id,
           goals.id,
           sub_goals.id,
           part.id,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM goals
    JOIN sub_goals ON sub_goals.goal_id = goals.id
    JOIN actions part ON part.sub_goal_id = sub_goals.id
    WHERE goals.id = $18
), target AS (
    SELECT * FROM found WHERE NOT ($20 AND has_children AND NOT $6)
), scope AS (
    -- What the process may change: a whole goal, or what lies below these rows.
    SELECT COALESCE($14, $16, $18, (array_agg(goal_id))[1]) AS goal_id,
           CASE WHEN COALESCE($14, $16, $18) IS NULL THEN COALESCE(array_agg(id), '{}')
                ELSE ARRAY[COALESCE($14, $16, $18)] END AS holds,
           CASE WHEN COALESCE($14, $16, $18) IS NULL
                THEN COALESCE(array_agg(DISTINCT goal_id), '{}')
                     || COALESCE(
                         array_agg(DISTINCT sub_goal_id) FILTER (WHERE sub_goal_id IS NOT NULL),
                         '{}'
                     )
                ELSE '{}' END AS lies_within
    FROM target
), running AS (
    SELECT other.id, other.user_id
    FROM scope
    JOIN processing_state other ON other.goal_id = scope.goal_id
    WHERE other.status IN ('PENDING', 'PROCESSING')
      AND (other.user_id <> $2
           OR holds_overlap(scope.holds, scope.lies_within, other.holds, other.lies_within))
    UNION ALL
    SELECT id, user_id
    FROM processing_state
    WHERE type = $3 AND target_id = $4 AND status IN ('PENDING', 'PROCESSING')
), original AS (
    SELECT target_existed FROM processing_state WHERE id = $7
), gone AS (
    SELECT FROM original WHERE target_existed AND NOT EXISTS (SELECT FROM found)
), retry AS (
    SELECT id, status, created_at,
           status = 'PENDING' AND admitted_at IS NOT NULL AND execution_arn IS NULL AS unstarted
    FROM processing_state
    WHERE original_process_id = $7 AND status <> 'CANCELLED'
), obstacle AS (
    SELECT FROM found WHERE user_id <> $2
    UNION ALL SELECT FROM target WHERE has_children AND NOT $6
    UNION ALL SELECT WHERE NOT ($19 OR EXISTS (SELECT FROM target))
    UNION ALL SELECT FROM gone
    UNION ALL SELECT FROM running
    UNION ALL SELECT FROM retry
    UNION ALL SELECT FROM repeat WHERE NOT same_request
    UNION ALL SELECT WHERE $13::boolean
), admission AS MATERIALIZED (
    -- Asked last, and only for what nothing else stands in the way of.
    SELECT judged.*
    FROM judge_admission(
             $2, $9, (SELECT goal_id FROM scope), $12::integer IS NOT NULL,
             $25, $26, $27, $23::integer, $28, $29
         ) judged
    WHERE NOT EXISTS (SELECT FROM repeat)
      AND NOT EXISTS (SELECT FROM exhausted)
      AND NOT EXISTS (SELECT FROM obstacle)
), created AS (
    INSERT INTO processing_state (
        id, user_id, type, status, target_id, params,
        retry_count, original_process_id, idempotency_key, created_at, updated_at,
        goal_id, holds, lies_within, target_existed,
        priority, planned_calls, planned_tokens, admitted_at, share
    )
    SELECT $1, $2, $3, 'PENDING', $4, $5,
           $8, $7, $11, $9, $9,
           goal_id, holds, lies_within, EXISTS (SELECT FROM found),
           $21, $22, $23, CASE WHEN admitted THEN $9 END, COALESCE(admitted, false)::integer
    FROM scope, admission
    WHERE refused_for IS NULL
    ON CONFLICT DO NOTHING
    RETURNING id
), event AS (
    INSERT INTO processing_event (at, process_id, attempt, kind, to_status, actor, detail)
    SELECT $9, id, 0, 'submitted', 'PENDING', $10,
           jsonb_strip_nulls(jsonb_build_object('originalProcessId', $7::uuid))
               || COALESCE($30::jsonb, '{}')
    FROM created
), counted AS (
    INSERT INTO rate_limit AS bucket (user_id, window_start, slots, used, allowed)
    SELECT $2, minute.at, minute.slots[1:59] || LEAST($24, $12), LEAST($24, $12), $12
    FROM rate_limit_minute('{}', 'epoch', $9) minute
    WHERE $12 IS NOT NULL
      AND NOT EXISTS (SELECT FROM exhausted)
      AND NOT EXISTS (SELECT FROM repeat WHERE same_request)
      AND (EXISTS (SELECT FROM created)
           OR EXISTS (SELECT FROM obstacle)
           OR EXISTS (SELECT FROM admission WHERE refused_for IS NOT NULL))
    ON CONFLICT (user_id) DO UPDATE
    SET (window_start, slots, used, allowed) = (
        SELECT minute.at, minute.slots[1:59] || minute.slots[60] + weighed.counts,
               minute.used + weighed.counts, weighed.allowed
        FROM rate_limit_minute(bucket.slots, bucket.window_start, $9) minute,
             LATERAL (
                 SELECT COALESCE(bucket.per_minute, excluded.allowed) AS allowed,
                        LEAST($24, COALESCE(bucket.per_minute, excluded.allowed)) AS counts
             ) weighed
    )
    RETURNING allowed, slots, window_start
), standing AS (
    SELECT allowed, slots, window_start FROM counted
    UNION ALL
    SELECT COALESCE(per_minute, $12), minute.slots, minute.at
    FROM rate_limit, rate_limit_minute(slots, window_start, $9) minute
    WHERE user_id = $2 AND NOT EXISTS (SELECT FROM counted)
)
SELECT EXISTS (SELECT FROM created) AS "created!",
       (SELECT admitted FROM admission WHERE EXISTS (SELECT FROM created)) AS admitted,
       (SELECT refused_for FROM admission) AS refused_for,
       (SELECT tokens_left FROM admission) AS tokens_left,
       (SELECT id FROM repeat) AS repeat_id,
       (SELECT created_at FROM repeat) AS repeat_created_at,
       (SELECT same_request FROM repeat) AS same_request,
       (SELECT unstarted FROM repeat) AS repeat_unstarted,
       EXISTS (SELECT FROM exhausted) AS "exhausted!",
       (SELECT user_id FROM found ORDER BY user_id = $2 LIMIT 1) AS target_user,
       EXISTS (SELECT FROM gone) AS "target_gone!",
       EXISTS (SELECT FROM target WHERE has_children)
           OR (EXISTS (SELECT FROM found) AND NOT EXISTS (SELECT FROM target)) AS "occupied!",
       (SELECT id FROM running ORDER BY user_id = $2, id LIMIT 1) AS running_id,
       (SELECT user_id FROM running ORDER BY user_id = $2, id LIMIT 1) AS running_user,
       (SELECT id FROM retry) AS retry_id,
       (SELECT status FROM retry) AS retry_status,
       (SELECT created_at FROM retry) AS retry_created_at,
       (SELECT unstarted FROM retry) AS retry_unstarted,
       (SELECT allowed FROM standing) AS "limit",
       (SELECT slots FROM standing) AS slots,
       (SELECT window_start FROM standing) AS window_start,
       -- For a repeat, as it was when the first request was answered, so that both get the same.
       recent_seconds(
           $3, COALESCE((SELECT created_at FROM repeat), (SELECT created_at FROM retry), $9)
       ) AS recent_seconds
