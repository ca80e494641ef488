-- What keeps processes from being silently wrong when they meet each other, the app, or a message
-- that comes late: a process says which part of which goal it may change, whether its target was
-- there when it was accepted, and which batches its current attempt has planned; and whatever ends
-- it, by whichever hand, takes along what it had staged.

ALTER TABLE processing_state
    ADD COLUMN goal_id        uuid,
    ADD COLUMN holds          uuid[]  NOT NULL DEFAULT '{}',
    ADD COLUMN lies_within    uuid[]  NOT NULL DEFAULT '{}',
    ADD COLUMN target_existed boolean,
    ADD COLUMN batch_ids      uuid[];

COMMENT ON COLUMN processing_state.goal_id IS 'The goal that the process generates for, or for a part of. While it is active no other user has a process for that goal. NULL in rows of before 2026-11-26 that had ended by then.';
COMMENT ON COLUMN processing_state.holds IS 'Below which rows the process may change anything: the goal, or some of its sub-goals and actions.';
COMMENT ON COLUMN processing_state.lies_within IS 'The ancestors of what it holds. Two active processes never hold the same row, nor one that lies within the other''s.';
COMMENT ON COLUMN processing_state.target_existed IS 'Whether the target was there when the process was accepted. If it was and is gone, it is not stored again.';
COMMENT ON COLUMN processing_state.batch_ids IS 'The batches that the current attempt has planned, for whoever asks for the plan again; NULL before. Here and not only in processing_batch, because a statement that waits for this row sees its newest version, and of other tables only what was there when it began.';
COMMENT ON COLUMN processing_state.targets_done IS 'How many of them are staged or given up. Equal to targets: it is worth while to look whether everything is there. What decides is the plan: see shared/src/use_case/finish.rs.';

-- What is running while this is applied. Ended processes stand in nobody's way.
UPDATE processing_state process
SET goal_id = found.goal_id, holds = found.holds, lies_within = found.lies_within
FROM (
    SELECT id, target_id AS goal_id, ARRAY[target_id] AS holds, '{}'::uuid[] AS lies_within
    FROM processing_state
    WHERE type IN ('SUBGOAL_GENERATION', 'CHART_GENERATION') OR params ? 'goalId'
    UNION ALL
    SELECT process.id, part.goal_id, ARRAY[part.id], ARRAY[part.goal_id]
    FROM processing_state process
    JOIN sub_goals part ON part.id = process.target_id
    WHERE process.type = 'ACTION_GENERATION'
    UNION ALL
    SELECT process.id, sub_goals.goal_id, ARRAY[part.id], ARRAY[sub_goals.goal_id, sub_goals.id]
    FROM processing_state process
    JOIN actions part ON part.id = process.target_id
    JOIN sub_goals ON sub_goals.id = part.sub_goal_id
    WHERE process.type = 'TASK_GENERATION'
) found
WHERE process.id = found.id AND process.status IN ('PENDING', 'PROCESSING');

UPDATE processing_state process
SET batch_ids = planned.batch_ids
FROM (
    SELECT process_id, process_attempt, array_agg(id ORDER BY id) AS batch_ids
    FROM processing_batch
    GROUP BY process_id, process_attempt
) planned
WHERE process.id = planned.process_id
  AND process.attempt = planned.process_attempt
  AND process.status = 'PROCESSING';

CREATE INDEX processing_state_active_by_goal ON processing_state (goal_id)
    WHERE status IN ('PENDING', 'PROCESSING');

CREATE FUNCTION holds_overlap(
    holds uuid[], lies_within uuid[], other_holds uuid[], other_lies_within uuid[]
) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN holds && other_holds OR holds && other_lies_within OR lies_within && other_holds;

COMMENT ON FUNCTION holds_overlap IS 'Whether two processes of one goal could change the same rows: they hold the same, or one holds what lies within the other''s.';

-- Accepting a process looks for others first, and says which one stands in the way. This holds also
-- when two are accepted at the same moment, neither of which can see the other: the later one waits
-- here for the earlier, and then looks again. (In a BEFORE trigger, so that the lock is taken ahead
-- of all others that an acceptance takes.)
CREATE FUNCTION processing_state_refuse_overlap() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(NEW.goal_id::text, 0));
    IF EXISTS (
        SELECT FROM processing_state other
        WHERE other.goal_id = NEW.goal_id
          AND other.id <> NEW.id
          AND other.status IN ('PENDING', 'PROCESSING')
          AND (other.user_id <> NEW.user_id
               OR holds_overlap(other.holds, other.lies_within, NEW.holds, NEW.lies_within))
    ) THEN
        RAISE EXCEPTION 'another active process works on the same part of goal %', NEW.goal_id
            USING ERRCODE = 'exclusion_violation',
                  TABLE = 'processing_state',
                  CONSTRAINT = 'processing_state_no_overlap';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER processing_state_no_overlap
BEFORE INSERT ON processing_state
FOR EACH ROW
WHEN (NEW.goal_id IS NOT NULL AND NEW.status IN ('PENDING', 'PROCESSING'))
EXECUTE FUNCTION processing_state_refuse_overlap();

-- What an ended process has staged and planned is of no use. Whoever stages holds the process's row
-- until that is committed, and this looks anew once the row is its own, so that nothing that was
-- being staged at that moment is left behind, as it would be by a DELETE in the ending statement.
CREATE FUNCTION processing_state_drop_staged() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    DELETE FROM processing_output WHERE process_id = NEW.id;
    DELETE FROM processing_batch WHERE process_id = NEW.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER processing_state_ended
AFTER UPDATE OF status ON processing_state
FOR EACH ROW
WHEN (OLD.status IN ('PENDING', 'PROCESSING') AND NEW.status NOT IN ('PENDING', 'PROCESSING'))
EXECUTE FUNCTION processing_state_drop_staged();

-- A process that a hand moves back is planned anew: its batches have gone when it ended.
CREATE FUNCTION processing_state_forget_plan() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.batch_ids := NULL;
    NEW.targets_done := 0;
    RETURN NEW;
END
$$;

CREATE TRIGGER processing_state_moved_back
BEFORE UPDATE OF status ON processing_state
FOR EACH ROW
WHEN (OLD.status NOT IN ('PENDING', 'PROCESSING') AND NEW.status IN ('PENDING', 'PROCESSING'))
EXECUTE FUNCTION processing_state_forget_plan();

-- VOLATILE on purpose: each look is a new one, while the statement that calls it goes on seeing what
-- was there when it began. With the parents locked, which keeps children from coming, the answer
-- stays true until that statement commits.
CREATE FUNCTION children_now(parents uuid[]) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    RETURN QUERY
        SELECT id FROM sub_goals WHERE goal_id = ANY (parents)
        UNION ALL
        SELECT id FROM actions WHERE sub_goal_id = ANY (parents)
        UNION ALL
        SELECT id FROM tasks WHERE action_id = ANY (parents);
END
$$;

COMMENT ON FUNCTION children_now IS 'The children of these goals, sub-goals and actions, as they are now and not as they were when the calling statement began.';
