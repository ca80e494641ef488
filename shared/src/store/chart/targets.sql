-- Sub-goals and actions with their ancestors, in the order of the chart.
--
--  $1 user
--  $2 sub-goals, $3 goal for all its sub-goals
--  $4 actions,   $5 goal for all its actions
WITH part AS (
    SELECT part.id,
           part.id AS sub_goal_id,
           NULL::text AS title,
           NULL::text AS description,
           NULL::text AS background,
           NULL::smallint AS position,
           EXISTS (SELECT FROM actions WHERE sub_goal_id = part.id) AS occupied
    FROM sub_goals part
    WHERE part.id = ANY ($2) OR part.goal_id = $3
    UNION ALL
    SELECT part.id,
           sub_goal_id,
           title,
           description,
           background,
           position,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM actions part
    WHERE part.id = ANY ($4)
    UNION ALL
    SELECT part.id,
           sub_goal_id,
           part.title,
           part.description,
           part.background,
           part.position,
           EXISTS (SELECT FROM tasks WHERE action_id = part.id)
    FROM sub_goals
    JOIN actions part ON part.sub_goal_id = sub_goals.id
    WHERE sub_goals.goal_id = $5
)
SELECT part.id AS "id!",
       goals.title AS goal_title,
       goals.description AS goal_description,
       goals.deadline,
       goals.background AS goal_background,
       goals.constraints,
       sub_goals.title AS sub_goal_title,
       sub_goals.description AS sub_goal_description,
       sub_goals.background AS sub_goal_background,
       part.title AS action_title,
       part.description AS action_description,
       part.background AS action_background,
       part.occupied AS "occupied!"
FROM part
JOIN sub_goals ON sub_goals.id = part.sub_goal_id
JOIN goals ON goals.id = sub_goals.goal_id
WHERE goals.user_id = $1
ORDER BY sub_goals.position, part.position NULLS FIRST
