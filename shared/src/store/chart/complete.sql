-- Stores what was generated and completes its process. One statement: all of it appears, or none.
-- When neither is done nor anything in the way, somebody has stored something since the statement
-- began, and a new one will see it.
--
--  $1 process            $17–$22 sub-goals: id, goal, position, title, description, background
--  $2 attempt            $23–$29 actions: id, sub-goal, position, title, description, background,
--  $3 now                        type
--  $4–$10 the goal: id,  $30–$36 tasks: id, action, position, title, description, type, minutes
--     user ($5), title, description, deadline, background, constraints
--  $11 replace           $14 result
--  $12 sub-goals and     $15 detail of the event
--  $13 actions that must be there already, and belong to the user
--                        $16 actor
WITH before AS (
    SELECT id, status, COALESCE(target_existed, false) AS target_existed
    FROM processing_state
    WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
    FOR UPDATE
), goal AS (
    SELECT goals.id, goals.user_id
    FROM before
    JOIN goals ON goals.id = $4
    FOR UPDATE OF goals
), new_goal AS (
    INSERT INTO goals (
        id, user_id, title, description, deadline, background, constraints,
        process_id, created_at, updated_at
    )
    SELECT $4, $5, $6, $7, $8, $9, $10, $1, $3, $3
    FROM before
    WHERE $4::uuid IS NOT NULL AND NOT target_existed AND NOT EXISTS (SELECT FROM goal)
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), sub_goal AS (
    SELECT part.id
    FROM before
    JOIN sub_goals part ON part.id = ANY ($12)
    JOIN goals ON goals.id = part.goal_id
    WHERE goals.user_id = $5
    ORDER BY part.id
    FOR UPDATE OF part
), action AS (
    SELECT part.id
    FROM before
    JOIN actions part ON part.id = ANY ($13)
    JOIN sub_goals ON sub_goals.id = part.sub_goal_id
    JOIN goals ON goals.id = sub_goals.goal_id
    WHERE goals.user_id = $5
    ORDER BY part.id
    FOR UPDATE OF part
), parent AS (
    SELECT id FROM goal
    UNION ALL SELECT id FROM sub_goal
    UNION ALL SELECT id FROM action
), child AS MATERIALIZED (
    -- With their parents locked as above, nobody can add children any more; but some may have come
    -- after this statement began. This sees them, the rest of the statement does not.
    SELECT children_now(ARRAY(SELECT id FROM parent)) AS id
), seen_child AS (
    SELECT id FROM sub_goals WHERE goal_id = $4
    UNION ALL SELECT id FROM actions WHERE sub_goal_id = ANY ($12)
    UNION ALL SELECT id FROM tasks WHERE action_id = ANY ($13)
), obstacle AS (
    SELECT EXISTS (SELECT FROM goal WHERE user_id <> $5) AS foreign_goal,
           ($4::uuid IS NOT NULL AND target_existed AND NOT EXISTS (SELECT FROM goal))
               OR (SELECT count(*) FROM sub_goal) < cardinality($12::uuid[])
               OR (SELECT count(*) FROM action) < cardinality($13::uuid[]) AS gone,
           NOT $11::boolean AND EXISTS (SELECT FROM child) AS occupied,
           ($4::uuid IS NOT NULL
               AND NOT target_existed
               AND NOT EXISTS (SELECT FROM goal)
               AND NOT EXISTS (SELECT FROM new_goal))
               OR EXISTS (SELECT id FROM child EXCEPT SELECT id FROM seen_child) AS unseen
    FROM before
), done AS (
    UPDATE processing_state process
    SET status = 'COMPLETED',
        progress = 100,
        result = $14,
        error = NULL,
        updated_at = $3,
        completed_at = $3
    FROM before, obstacle
    WHERE process.id = before.id
      AND NOT (foreign_goal OR gone OR occupied OR unseen)
    RETURNING process.id
), removed_sub_goals AS (
    DELETE FROM sub_goals WHERE $11 AND goal_id = $4 AND EXISTS (SELECT FROM done)
), removed_actions AS (
    DELETE FROM actions WHERE $11 AND sub_goal_id = ANY ($12) AND EXISTS (SELECT FROM done)
), removed_tasks AS (
    DELETE FROM tasks WHERE $11 AND action_id = ANY ($13) AND EXISTS (SELECT FROM done)
), added_sub_goals AS (
    INSERT INTO sub_goals (
        id, goal_id, position, title, description, background, process_id, created_at, updated_at
    )
    SELECT new.*, $1, $3, $3
    FROM done,
         UNNEST(
             $17::uuid[], $18::uuid[], $19::smallint[], $20::text[], $21::text[], $22::text[]
         ) AS new
), added_actions AS (
    INSERT INTO actions (
        id, sub_goal_id, position, title, description, background, type,
        process_id, created_at, updated_at
    )
    SELECT new.*, $1, $3, $3
    FROM done,
         UNNEST(
             $23::uuid[], $24::uuid[], $25::smallint[], $26::text[], $27::text[], $28::text[],
             $29::text[]
         ) AS new
), added_tasks AS (
    INSERT INTO tasks (
        id, action_id, position, title, description, type, estimated_minutes,
        process_id, created_at, updated_at
    )
    SELECT new.*, $1, $3, $3
    FROM done,
         UNNEST(
             $30::uuid[], $31::uuid[], $32::smallint[], $33::text[], $34::text[], $35::text[],
             $36::smallint[]
         ) AS new
), event AS (
    INSERT INTO processing_event (
        at, process_id, attempt, kind, from_status, to_status, actor, detail
    )
    SELECT $3, done.id, $2, 'completed', before.status, 'COMPLETED', $16, $15
    FROM done
    JOIN before USING (id)
)
SELECT EXISTS (SELECT FROM before) AS "current!",
       EXISTS (SELECT FROM done) AS "done!",
       COALESCE((SELECT foreign_goal FROM obstacle), false) AS "foreign_goal!",
       COALESCE((SELECT gone FROM obstacle), false) AS "gone!",
       COALESCE((SELECT occupied FROM obstacle), false) AS "occupied!"
