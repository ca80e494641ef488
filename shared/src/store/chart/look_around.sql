-- What there is where each request of a batch wants to generate: the same that submit.sql sees of a
-- single one, by the same rules. One row a request, in their order.
--
--  $1 user
--  $2 requests
WITH asked AS MATERIALIZED (
    SELECT *, COALESCE(goal, sub_goals_of, actions_of) AS whole
    FROM jsonb_to_recordset($2::jsonb) AS asked (
        index integer, type text, target_id uuid,
        goal uuid, sub_goals uuid[], sub_goals_of uuid, actions uuid[], actions_of uuid
    )
), found AS MATERIALIZED (
    SELECT asked.index,
           goals.user_id,
           goals.id AS goal_id,
           NULL::uuid AS sub_goal_id,
           goals.id,
           EXISTS (SELECT FROM sub_goals WHERE goal_id = goals.id) AS has_children
    FROM asked
    JOIN goals ON goals.id = asked.goal
    UNION ALL
    SELECT asked.index,
           goals.user_id,
           goals.id,
           NULL,
           part.id,
           EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id)
    FROM asked
    JOIN sub_goals part ON part.id = ANY (asked.sub_goals)
    JOIN goals ON goals.id = part.goal_id
    UNION ALL
    SELECT asked.index,
           goals.user_id,
           goals.id,
           NULL,
           part.id,
           EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id)
    FROM asked
    JOIN goals ON goals.id = asked.sub_goals_of
    JOIN sub_goals part ON part.goal_id = goals.id
    UNION ALL
    SELECT asked.index,
           goals.user_id,
           goals.id,
           sub_goals.id,
           part.id,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM asked
    JOIN actions part ON part.id = ANY (asked.actions)
    JOIN sub_goals ON sub_goals.id = part.sub_goal_id
    JOIN goals ON goals.id = sub_goals.goal_id
    UNION ALL
    SELECT asked.index,
           goals.user_id,
           goals.id,
           sub_goals.id,
           part.id,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM asked
    JOIN goals ON goals.id = asked.actions_of
    JOIN sub_goals ON sub_goals.goal_id = goals.id
    JOIN actions part ON part.sub_goal_id = sub_goals.id
), scope AS MATERIALIZED (
    -- What each may change: a whole goal, or what lies below these rows.
    SELECT asked.index,
           asked.type,
           asked.target_id,
           COALESCE(asked.whole, parts.goal_id) AS goal_id,
           CASE WHEN asked.whole IS NULL THEN parts.holds ELSE ARRAY[asked.whole] END AS holds,
           CASE WHEN asked.whole IS NULL THEN parts.lies_within ELSE '{}' END AS lies_within,
           parts.target_user,
           parts.occupied
    FROM asked
    LEFT JOIN (
        SELECT index,
               (array_agg(goal_id))[1] AS goal_id,
               array_agg(id) AS holds,
               array_agg(DISTINCT goal_id)
                   || COALESCE(
                       array_agg(DISTINCT sub_goal_id) FILTER (WHERE sub_goal_id IS NOT NULL),
                       '{}'
                   ) AS lies_within,
               COALESCE(min(user_id) FILTER (WHERE user_id <> $1), $1) AS target_user,
               bool_or(has_children) AS occupied
        FROM found
        GROUP BY index
    ) parts ON parts.index = asked.index
), running AS (
    SELECT scope.index, other.id, other.user_id
    FROM scope
    JOIN processing_state other ON other.goal_id = scope.goal_id
    WHERE other.status IN ('PENDING', 'PROCESSING')
      AND (other.user_id <> $1
           OR holds_overlap(scope.holds, scope.lies_within, other.holds, other.lies_within))
    UNION ALL
    SELECT scope.index, other.id, other.user_id
    FROM scope
    JOIN processing_state other ON other.type = scope.type AND other.target_id = scope.target_id
    WHERE other.status IN ('PENDING', 'PROCESSING')
)
SELECT scope.target_user,
       COALESCE(scope.occupied, false) AS "occupied!",
       scope.goal_id,
       COALESCE(scope.holds, '{}') AS "holds!",
       COALESCE(scope.lies_within, '{}') AS "lies_within!",
       first.id AS "running_id?",
       first.user_id AS "running_user?"
FROM scope
LEFT JOIN (
    SELECT DISTINCT ON (index) index, id, user_id
    FROM running
    ORDER BY index, user_id = $1, id
) first ON first.index = scope.index
ORDER BY scope.index
