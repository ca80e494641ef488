-- Stores what was generated and completes its process. One statement: all of it appears, or none.
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
    SELECT id, status
    FROM processing_state
    WHERE id = $1 AND attempt = $2 AND status = 'PROCESSING'
    FOR UPDATE
), goal AS (
    INSERT INTO goals (
        id, user_id, title, description, deadline, background, constraints,
        process_id, created_at, updated_at
    )
    SELECT $4, $5, $6, $7, $8, $9, $10, $1, $3, $3
    FROM before
    WHERE $4::uuid IS NOT NULL
    ON CONFLICT (id) DO UPDATE SET updated_at = goals.updated_at
    WHERE goals.user_id = excluded.user_id
    RETURNING id
), target AS (
    SELECT part.id
    FROM sub_goals part
    JOIN goals ON goals.id = part.goal_id
    WHERE part.id = ANY ($12) AND goals.user_id = $5
    UNION ALL
    SELECT part.id
    FROM actions part
    JOIN sub_goals ON sub_goals.id = part.sub_goal_id
    JOIN goals ON goals.id = sub_goals.goal_id
    WHERE part.id = ANY ($13) AND goals.user_id = $5
), ready AS (
    SELECT (SELECT count(*) FROM target) = cardinality($12::uuid[]) + cardinality($13::uuid[])
               AS targets,
           $4::uuid IS NULL OR EXISTS (SELECT FROM goal) AS goal
), done AS (
    UPDATE processing_state process
    SET status = 'COMPLETED',
        progress = 100,
        result = $14,
        error = NULL,
        updated_at = $3,
        completed_at = $3
    FROM before, ready
    WHERE process.id = before.id AND process.attempt = $2 AND ready.targets AND ready.goal
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
), dropped_outputs AS (
    DELETE FROM processing_output WHERE process_id IN (SELECT id FROM done)
), dropped_batches AS (
    DELETE FROM processing_batch WHERE process_id IN (SELECT id FROM done)
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
       (SELECT goal FROM ready) AS "goal!"
