-- Admission: an accepted process waits until there is capacity, and then its execution starts.
-- Capacity is counted in model calls that all processes together may have in flight.
--
-- What a process takes stands in its own row (share), so that whatever ends it, by whichever hand,
-- gives its share back in the same statement: the sum of the shares of admitted, active rows is the
-- capacity in use, and nothing else keeps count of it. Who waits is kept by user, because the next
-- is chosen by user.

ALTER TABLE processing_state
    ADD COLUMN priority       text     NOT NULL DEFAULT 'normal' CONSTRAINT processing_state_priority CHECK (priority IN ('normal', 'low')),
    ADD COLUMN admitted_at    timestamptz DEFAULT 'epoch',
    ADD COLUMN share          smallint NOT NULL DEFAULT 0 CONSTRAINT processing_state_share CHECK (share >= 0),
    ADD COLUMN planned_calls  smallint NOT NULL DEFAULT 1 CONSTRAINT processing_state_planned_calls CHECK (planned_calls > 0),
    ADD COLUMN planned_tokens integer  NOT NULL DEFAULT 0 CONSTRAINT processing_state_planned_tokens CHECK (planned_tokens >= 0);

COMMENT ON COLUMN processing_state.priority IS 'normal, or low: admitted after what is normal, and yet at least one time in eight.';
COMMENT ON COLUMN processing_state.admitted_at IS 'When it was given its share; 1970: before there was admission, or by whoever stored it without asking, and is to start it. A PENDING process without it (NULL) and without an execution waits.';
COMMENT ON COLUMN processing_state.share IS 'Model calls that it may have in flight. Counted while the process is admitted and active; what it was at the end stays.';
COMMENT ON COLUMN processing_state.planned_calls IS 'Model calls that it will make if every answer is right: at most, where the targets are not known before.';
COMMENT ON COLUMN processing_state.planned_tokens IS 'What it took from the budgets of tokens when it was accepted; 0 when there were none.';

-- What is there while this is applied has been started, and so it is with what a function of the
-- version before stores, which runs on while this one is deployed, or a hand: the default says so.
-- Such a process is counted from its next claim on.
--
-- Waiting is: status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL. The last makes
-- room for whoever starts the execution of a waiting process by hand.
DROP INDEX processing_state_active;
CREATE INDEX processing_state_active ON processing_state (created_at, id) INCLUDE (user_id, share)
    WHERE status IN ('PENDING', 'PROCESSING')
      AND NOT (status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL);
CREATE INDEX processing_state_waiting ON processing_state (user_id, priority, created_at, id)
    WHERE status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL;

ALTER TABLE processing_event
    DROP CONSTRAINT processing_event_kind,
    ADD CONSTRAINT processing_event_kind CHECK (kind IN (
        'submitted', 'admitted', 'started', 'claimed', 'batch-claimed', 'progressed', 'given-up',
        'completed', 'failed', 'timed-out', 'cancelled', 'repaired'
    ));

-- ------------------------------------------------------------------------------------ who waits

CREATE TABLE processing_queue (
    user_id        text        PRIMARY KEY CONSTRAINT processing_queue_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    served_at      timestamptz NOT NULL DEFAULT 'epoch',
    waiting_normal integer     NOT NULL DEFAULT 0,
    waiting_low    integer     NOT NULL DEFAULT 0,
    normal_since   timestamptz,
    low_since      timestamptz
) WITH (fillfactor = 70);
CREATE INDEX processing_queue_normal ON processing_queue (served_at, normal_since, user_id)
    WHERE waiting_normal > 0;
CREATE INDEX processing_queue_low ON processing_queue (served_at, low_since, user_id)
    WHERE waiting_low > 0;

COMMENT ON TABLE  processing_queue IS 'Each user that has ever had a process wait: how many do, and when one was last admitted. Kept by a trigger, for every hand.';
COMMENT ON COLUMN processing_queue.served_at IS 'When a process of the user was last admitted from the queue: among users with as many calls in flight, the one served longest ago is next.';
COMMENT ON COLUMN processing_queue.normal_since IS 'When the oldest of the waiting processes with normal priority was accepted.';
COMMENT ON COLUMN processing_queue.low_since IS 'The same of low priority.';

-- Counts are never below zero: a count that foreign hands have made wrong must not keep anybody from
-- ending a process. The sweep counts anew.
CREATE FUNCTION processing_queue_keep() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    IF TG_OP <> 'INSERT'
       AND OLD.status = 'PENDING' AND OLD.admitted_at IS NULL AND OLD.execution_arn IS NULL THEN
        -- Locked first, so that the look after it sees what others have changed meanwhile.
        PERFORM FROM processing_queue WHERE user_id = OLD.user_id FOR UPDATE;
        UPDATE processing_queue line
        SET waiting_normal = GREATEST(line.waiting_normal - (OLD.priority = 'normal')::integer, 0),
            waiting_low = GREATEST(line.waiting_low - (OLD.priority = 'low')::integer, 0),
            normal_since = CASE WHEN OLD.priority = 'normal' THEN oldest.at ELSE line.normal_since END,
            low_since = CASE WHEN OLD.priority = 'low' THEN oldest.at ELSE line.low_since END
        FROM (
            SELECT (
                SELECT created_at
                FROM processing_state
                WHERE user_id = OLD.user_id AND priority = OLD.priority
                  AND status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
                ORDER BY created_at, id
                LIMIT 1
            ) AS at
        ) oldest
        WHERE line.user_id = OLD.user_id;
    END IF;
    IF TG_OP <> 'DELETE'
       AND NEW.status = 'PENDING' AND NEW.admitted_at IS NULL AND NEW.execution_arn IS NULL THEN
        INSERT INTO processing_queue AS line (
            user_id, waiting_normal, waiting_low, normal_since, low_since
        )
        VALUES (
            NEW.user_id,
            (NEW.priority = 'normal')::integer,
            (NEW.priority = 'low')::integer,
            CASE WHEN NEW.priority = 'normal' THEN NEW.created_at END,
            CASE WHEN NEW.priority = 'low' THEN NEW.created_at END
        )
        ON CONFLICT (user_id) DO UPDATE
        SET waiting_normal = line.waiting_normal + excluded.waiting_normal,
            waiting_low = line.waiting_low + excluded.waiting_low,
            normal_since = LEAST(line.normal_since, excluded.normal_since),
            low_since = LEAST(line.low_since, excluded.low_since);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER processing_state_waits
AFTER INSERT ON processing_state
FOR EACH ROW
WHEN (NEW.status = 'PENDING' AND NEW.admitted_at IS NULL AND NEW.execution_arn IS NULL)
EXECUTE FUNCTION processing_queue_keep();

CREATE TRIGGER processing_state_waits_no_more
AFTER UPDATE OF status, admitted_at, execution_arn, priority, user_id ON processing_state
FOR EACH ROW
WHEN (
    (OLD.status = 'PENDING' AND OLD.admitted_at IS NULL AND OLD.execution_arn IS NULL)
        <> (NEW.status = 'PENDING' AND NEW.admitted_at IS NULL AND NEW.execution_arn IS NULL)
    OR OLD.priority <> NEW.priority
    OR OLD.user_id <> NEW.user_id
)
EXECUTE FUNCTION processing_queue_keep();

CREATE TRIGGER processing_state_waited
AFTER DELETE ON processing_state
FOR EACH ROW
WHEN (OLD.status = 'PENDING' AND OLD.admitted_at IS NULL AND OLD.execution_arn IS NULL)
EXECUTE FUNCTION processing_queue_keep();

-- -------------------------------------------------------------------------------------- capacity

CREATE TABLE processing_capacity (
    one             boolean     PRIMARY KEY DEFAULT true CONSTRAINT processing_capacity_one_row CHECK (one),
    calls           smallint    CONSTRAINT processing_capacity_calls CHECK (calls > 0),
    calls_per_user  smallint    CONSTRAINT processing_capacity_calls_per_user CHECK (calls_per_user > 0),
    set_at          timestamptz,
    set_by          text,
    set_reason      text,
    lowered_to      real,
    lowered_at      timestamptz,
    normals_in_turn smallint    NOT NULL DEFAULT 0,
    paused_at       timestamptz,
    paused_by       text,
    pause_reason    text,
    refuses         boolean     NOT NULL DEFAULT false
);
INSERT INTO processing_capacity DEFAULT VALUES;

COMMENT ON TABLE  processing_capacity IS 'One row: what an operator has set, what throttling has made of the limit, and whose turn it is. What is in use stands in processing_state.share.';
COMMENT ON COLUMN processing_capacity.calls IS 'Model calls in flight, by an operator; NULL: as deployed (ModelCallsLimit).';
COMMENT ON COLUMN processing_capacity.calls_per_user IS 'The same of one user; NULL: as deployed (ModelCallsPerUser).';
COMMENT ON COLUMN processing_capacity.lowered_to IS 'What the limit was lowered to when the models last refused a call for their quota. It rises again with time: see capacity_in_force.';
COMMENT ON COLUMN processing_capacity.normals_in_turn IS 'Processes of normal priority admitted since one of low priority was.';
COMMENT ON COLUMN processing_capacity.paused_at IS 'Since when nothing is admitted; NULL: not paused.';
COMMENT ON COLUMN processing_capacity.refuses IS 'Whether new requests are refused while it is paused.';

CREATE TABLE processing_model (
    model_id     text        PRIMARY KEY,
    throttled_at timestamptz NOT NULL
);
COMMENT ON TABLE processing_model IS 'When each model last refused a call for its quota. For some seconds after that the others are asked first.';

-- How many calls a batch may have in flight, as part of its process's share.
ALTER TABLE processing_batch
    ADD COLUMN slots       smallint NOT NULL DEFAULT 1 CONSTRAINT processing_batch_slots CHECK (slots >= 0),
    ADD COLUMN wants       smallint NOT NULL DEFAULT 1 CONSTRAINT processing_batch_wants CHECK (wants >= 0),
    ADD COLUMN gives_back  smallint NOT NULL DEFAULT 0 CONSTRAINT processing_batch_gives_back CHECK (gives_back >= 0),
    ADD COLUMN rests        boolean  NOT NULL DEFAULT false,
    ADD COLUMN failed_tries smallint NOT NULL DEFAULT 0 CONSTRAINT processing_batch_failed_tries CHECK (failed_tries >= 0);

COMMENT ON COLUMN processing_batch.slots IS 'Calls that it may have in flight.';
COMMENT ON COLUMN processing_batch.wants IS 'The most that it could use.';
COMMENT ON COLUMN processing_batch.gives_back IS 'How many of its slots others wait for: it gives one back with each call that ends, but for the last.';
COMMENT ON COLUMN processing_batch.rests IS 'Whether the state machine waits before the next attempt at it, so that more slots would be of no use.';
COMMENT ON COLUMN processing_batch.failed_tries IS 'Attempts in which a model answered and its answer was not right. Those that a quota cut short are none.';

-- Half of what was in use, and then ever faster: whole again after a minute without throttling. The
-- same function stands in shared/src/process/admission/limit.rs, and a test compares them.
CREATE FUNCTION capacity_in_force(
    calls integer, lowered_to real, lowered_at timestamptz, at timestamptz
) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN lowered_at IS NULL OR lowered_to IS NULL THEN calls
    WHEN at - lowered_at >= interval '1 minute' THEN calls
    ELSE GREATEST(1, LEAST(calls, floor(
        lowered_to::float8
            + calls * (
                GREATEST(extract(epoch FROM at - lowered_at)::float8, 0) / 160
                + GREATEST(extract(epoch FROM at - lowered_at)::float8, 0) ^ 2 / 5760
            )
    )::integer))
END;

COMMENT ON FUNCTION capacity_in_force IS 'Model calls that may be in flight at a time, of as many as are configured, after the limit was lowered to so many at that time.';

CREATE FUNCTION capacity_in_use() RETURNS TABLE (user_id text, calls integer)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT process.user_id, sum(process.share)::integer
    FROM processing_state process
    WHERE process.status IN ('PENDING', 'PROCESSING')
      AND NOT (process.status = 'PENDING' AND process.admitted_at IS NULL AND process.execution_arn IS NULL)
    GROUP BY process.user_id;
END;

COMMENT ON FUNCTION capacity_in_use IS 'Model calls that the admitted processes of each user may have in flight.';

-- Admitting is done by one at a time: whoever holds this lock. It is no row's lock, because one of
-- those is written to disk, and most looks admit nothing.
CREATE FUNCTION capacity_lock() RETURNS void
LANGUAGE sql
RETURN pg_advisory_xact_lock(1095321710, 1);
CREATE FUNCTION capacity_try_lock() RETURNS boolean
LANGUAGE sql
RETURN pg_try_advisory_xact_lock(1095321710, 1);

-- Whether a process that is being accepted may start at once. NULL: it must be asked again once it
-- is stored (admit), because somebody else is admitting at this moment, others wait of whom it is
-- not known here whether they come first, or somebody could give calls back. Accepting never waits
-- for admitting.
CREATE FUNCTION capacity_for_one(
    asking text, at timestamptz, deployed_calls integer, deployed_per_user integer
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    capacity processing_capacity;
    in_use integer;
    own integer;
BEGIN
    IF NOT capacity_try_lock() THEN
        RETURN NULL;
    END IF;
    SELECT * INTO capacity FROM processing_capacity;
    IF capacity.paused_at IS NOT NULL THEN
        RETURN false;
    END IF;
    SELECT COALESCE(sum(used.calls), 0), COALESCE(sum(used.calls) FILTER (WHERE used.user_id = asking), 0)
    INTO in_use, own
    FROM capacity_in_use() used;
    IF own >= COALESCE(capacity.calls_per_user, deployed_per_user) THEN
        RETURN false;
    END IF;
    IF in_use >= capacity_in_force(
        COALESCE(capacity.calls, deployed_calls), capacity.lowered_to, capacity.lowered_at, at
    ) THEN
        -- Somebody who has several calls may be asked to give one back.
        RETURN CASE
            WHEN NOT EXISTS (SELECT FROM processing_batch WHERE slots - gives_back > 1) THEN false
        END;
    END IF;
    IF EXISTS (SELECT FROM processing_queue WHERE waiting_normal > 0)
       OR EXISTS (SELECT FROM processing_queue WHERE waiting_low > 0) THEN
        RETURN NULL;
    END IF;
    RETURN true;
END
$$;

-- Whose turn it is: the user with the least in flight and, among equals, the one served longest ago,
-- then the one whose process is the oldest. The same choice stands in
-- shared/src/process/admission/turn.rs, and a test compares them.
CREATE FUNCTION next_in_queue(wanted text, per_user integer, passed_over text[])
RETURNS TABLE (user_id text, calls integer)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
        WITH busy AS MATERIALIZED (
            SELECT * FROM capacity_in_use()
        ), idle AS (
            -- Served by an index: it passes over those who are busy, and they are no more than calls
            -- are in flight.
            (SELECT line.user_id, 0 AS calls, line.served_at, line.normal_since AS since
             FROM processing_queue line
             WHERE wanted = 'normal' AND line.waiting_normal > 0
               AND line.user_id <> ALL (passed_over)
               AND NOT EXISTS (SELECT FROM busy WHERE busy.user_id = line.user_id)
             ORDER BY line.served_at, line.normal_since, line.user_id
             LIMIT 1)
            UNION ALL
            (SELECT line.user_id, 0, line.served_at, line.low_since
             FROM processing_queue line
             WHERE wanted = 'low' AND line.waiting_low > 0
               AND line.user_id <> ALL (passed_over)
               AND NOT EXISTS (SELECT FROM busy WHERE busy.user_id = line.user_id)
             ORDER BY line.served_at, line.low_since, line.user_id
             LIMIT 1)
        ), candidate AS (
            SELECT * FROM idle
            UNION ALL
            SELECT line.user_id, busy.calls, line.served_at,
                   CASE wanted WHEN 'normal' THEN line.normal_since ELSE line.low_since END
            FROM busy
            JOIN processing_queue line ON line.user_id = busy.user_id
            WHERE busy.calls < per_user
              AND CASE wanted WHEN 'normal' THEN line.waiting_normal ELSE line.waiting_low END > 0
              AND line.user_id <> ALL (passed_over)
        )
        SELECT candidate.user_id, candidate.calls
        FROM candidate
        ORDER BY candidate.calls, candidate.served_at, candidate.since, candidate.user_id
        LIMIT 1;
END
$$;

-- Admits up to `most` of the waiting processes, in turn, as far as there is capacity; then gives what
-- is left to running processes that could use more; or, where others wait in vain, asks those that
-- have more than one call to give some back. One at a time, by the lock; each look inside is a new
-- one (VOLATILE), so that it sees what was committed before the lock was had.
--
-- Rows that somebody holds are passed over, so that a lock held by hand stops nobody else.
CREATE FUNCTION admit(
    at timestamptz, deployed_calls integer, deployed_per_user integer, most integer, by_actor text
) RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    capacity processing_capacity;
    in_force integer;
    per_user integer;
    in_use integer;
    admitted integer := 0;
    lane text;
    next_user text;
    next_calls integer;
    process uuid;
    passed_over text[] := '{}';
    somebody_waits boolean := false;
    batch record;
BEGIN
    PERFORM capacity_lock();
    SELECT * INTO capacity FROM processing_capacity;
    IF capacity.paused_at IS NOT NULL THEN
        RETURN;
    END IF;
    per_user := COALESCE(capacity.calls_per_user, deployed_per_user);
    in_force := capacity_in_force(
        COALESCE(capacity.calls, deployed_calls), capacity.lowered_to, capacity.lowered_at, at
    );
    SELECT COALESCE(sum(used.calls), 0) INTO in_use FROM capacity_in_use() used;

    LOOP
        next_user := NULL;
        lane := CASE WHEN COALESCE(capacity.normals_in_turn, 0) >= 7 THEN 'low' ELSE 'normal' END;
        SELECT turn.user_id, turn.calls INTO next_user, next_calls
        FROM next_in_queue(lane, per_user, passed_over) turn;
        IF next_user IS NULL THEN
            lane := CASE lane WHEN 'low' THEN 'normal' ELSE 'low' END;
            SELECT turn.user_id, turn.calls INTO next_user, next_calls
            FROM next_in_queue(lane, per_user, passed_over) turn;
        END IF;
        EXIT WHEN next_user IS NULL;
        IF in_use >= in_force OR admitted >= most THEN
            somebody_waits := true;
            EXIT;
        END IF;
        -- Whoever has changed what waits of that user, and has not committed, holds the line too.
        -- They admit afterwards, or are a hand.
        PERFORM FROM processing_queue WHERE user_id = next_user FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            passed_over := passed_over || next_user;
            CONTINUE;
        END IF;
        SELECT id INTO process
        FROM processing_state
        WHERE user_id = next_user AND priority = lane
          AND status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
        ORDER BY created_at, id
        LIMIT 1
        FOR UPDATE SKIP LOCKED;
        IF process IS NULL THEN
            passed_over := passed_over || next_user;
            CONTINUE;
        END IF;
        UPDATE processing_state
        SET admitted_at = at, share = 1, updated_at = GREATEST(updated_at, at)
        WHERE id = process;
        INSERT INTO processing_event (at, process_id, attempt, kind, actor)
        VALUES (at, process, 0, 'admitted', by_actor);
        UPDATE processing_queue SET served_at = at + admitted * interval '1 microsecond'
        WHERE user_id = next_user;
        capacity.normals_in_turn :=
            CASE lane WHEN 'low' THEN 0 ELSE LEAST(COALESCE(capacity.normals_in_turn, 0) + 1, 7) END;
        UPDATE processing_capacity SET normals_in_turn = capacity.normals_in_turn
        WHERE normals_in_turn <> capacity.normals_in_turn;
        in_use := in_use + 1;
        admitted := admitted + 1;
        RETURN NEXT process;
    END LOOP;

    IF NOT somebody_waits AND in_use > in_force THEN
        -- The limit has been lowered below what is in flight.
        PERFORM ask_back(NULL, in_use - in_force);
    ELSIF NOT somebody_waits THEN
        -- What is left goes to whoever has least and could use more. No more rounds than there is
        -- capacity, so that this ends whatever happens.
        UPDATE processing_batch SET gives_back = 0
        WHERE id IN (
            SELECT id FROM processing_batch WHERE gives_back > 0 ORDER BY id FOR UPDATE SKIP LOCKED
        );
        FOR round IN 1 .. in_force - in_use LOOP
            SELECT planned.id, planned.process_id INTO batch
            FROM processing_batch planned
            JOIN processing_state running ON running.id = planned.process_id
            JOIN capacity_in_use() used ON used.user_id = running.user_id
            WHERE running.status = 'PROCESSING'
              AND planned.process_attempt = running.attempt
              AND planned.slots BETWEEN 1 AND planned.wants - 1
              AND NOT planned.rests
              AND used.calls < per_user
            ORDER BY used.calls, running.share, running.created_at, planned.slots, planned.id
            LIMIT 1
            FOR UPDATE OF running SKIP LOCKED;
            EXIT WHEN batch.id IS NULL;
            UPDATE processing_batch SET slots = slots + 1 WHERE id = batch.id;
            UPDATE processing_state SET share = share + 1 WHERE id = batch.process_id;
        END LOOP;
    ELSIF admitted < most THEN
        PERFORM ask_back(next_calls, in_use - in_force);
    END IF;
END
$$;

COMMENT ON FUNCTION admit IS 'The ids of the processes that have been admitted, whose executions are now to be started.';

-- Asks the batches that have more than one slot to give some back as their calls end: as many as are
-- in flight beyond the limit, and up to four for those who wait, of whom the next has `waiting_calls`
-- in flight, as long as that leaves whoever gives with no less than who gets.
CREATE FUNCTION ask_back(waiting_calls integer, too_many integer) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    batch record;
    asked integer;
    users_waiting integer;
BEGIN
    SELECT LEAST(GREATEST(count(*), 1), 4) INTO users_waiting
    FROM (
        (SELECT FROM processing_queue WHERE waiting_normal > 0 LIMIT 4)
        UNION ALL
        (SELECT FROM processing_queue WHERE waiting_low > 0 LIMIT 4)
    ) waiting;
    SELECT COALESCE(sum(planned.gives_back), 0) INTO asked
    FROM processing_batch planned
    JOIN processing_state running ON running.id = planned.process_id
    WHERE running.status = 'PROCESSING' AND planned.process_attempt = running.attempt;
    FOR round IN 1 .. GREATEST(too_many, 0) + 4 - asked LOOP
        SELECT planned.id INTO batch
        FROM processing_batch planned
        JOIN processing_state running ON running.id = planned.process_id
        JOIN capacity_in_use() used ON used.user_id = running.user_id
        CROSS JOIN LATERAL (
            SELECT used.calls - COALESCE(sum(other.gives_back), 0) AS calls
            FROM processing_batch other
            JOIN processing_state theirs ON theirs.id = other.process_id
            WHERE theirs.user_id = running.user_id AND theirs.status = 'PROCESSING'
        ) after_giving
        WHERE running.status = 'PROCESSING'
          AND planned.process_attempt = running.attempt
          AND planned.slots - planned.gives_back > 1
          AND (round + asked <= too_many
               OR after_giving.calls
                   >= waiting_calls + 2 + (round + asked - GREATEST(too_many, 0) - 1) / users_waiting)
        ORDER BY after_giving.calls DESC, planned.slots - planned.gives_back DESC, planned.id
        LIMIT 1
        FOR UPDATE OF running SKIP LOCKED;
        EXIT WHEN batch.id IS NULL;
        UPDATE processing_batch SET gives_back = gives_back + 1 WHERE id = batch.id;
    END LOOP;
END
$$;

-- Gives a process that is about to plan its batches as many calls as it wants, as far as there is
-- capacity that nobody waits for. Its share is then that.
CREATE FUNCTION widen(
    process uuid, of_attempt integer, wanted integer, at timestamptz,
    deployed_calls integer, deployed_per_user integer
) RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    capacity processing_capacity;
    per_user integer;
    running record;
    in_use integer;
    own integer;
    more integer;
BEGIN
    PERFORM capacity_lock();
    SELECT user_id, share INTO running
    FROM processing_state
    WHERE id = process AND attempt = of_attempt AND status = 'PROCESSING'
    FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        -- Fenced; or somebody holds the row, whom nobody else shall have to wait for.
        RETURN (
            SELECT share
            FROM processing_state
            WHERE id = process AND attempt = of_attempt AND status = 'PROCESSING'
        );
    END IF;
    SELECT * INTO capacity FROM processing_capacity;
    per_user := COALESCE(capacity.calls_per_user, deployed_per_user);
    IF capacity.paused_at IS NULL
       AND (EXISTS (SELECT FROM next_in_queue('normal', per_user, '{}'))
            OR EXISTS (SELECT FROM next_in_queue('low', per_user, '{}'))) THEN
        RETURN running.share;
    END IF;
    SELECT COALESCE(sum(used.calls), 0),
           COALESCE(sum(used.calls) FILTER (WHERE used.user_id = running.user_id), 0)
    INTO in_use, own
    FROM capacity_in_use() used;
    more := LEAST(
        wanted - running.share,
        per_user - own,
        capacity_in_force(
            COALESCE(capacity.calls, deployed_calls), capacity.lowered_to, capacity.lowered_at, at
        ) - in_use
    );
    IF more <= 0 THEN
        RETURN running.share;
    END IF;
    UPDATE processing_state SET share = share + more WHERE id = process;
    RETURN running.share + more;
END
$$;

-- Where a waiting process stands. The users in front are looked at up to a bound, so that a poll
-- costs little however long the queue is; behind more than that the number is a lower bound.
CREATE FUNCTION processes_ahead(
    whose text, of_priority text, accepted timestamptz, process uuid
) RETURNS integer
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    own integer;
    own_calls integer;
    line processing_queue;
    ahead integer;
    lower_ones integer;
BEGIN
    SELECT count(*) INTO own
    FROM processing_state
    WHERE user_id = whose AND priority = of_priority
      AND status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
      AND (created_at, id) < (accepted, process);
    SELECT * INTO line FROM processing_queue WHERE user_id = whose;
    own_calls := COALESCE((SELECT calls FROM capacity_in_use() used WHERE used.user_id = whose), 0);
    -- Each admission raises its user's calls by one, so that another user's j-th process comes
    -- before this user's k-th if it starts from a lower number, or from the same and is in turn.
    SELECT COALESCE(sum(LEAST(
        GREATEST(
            own + own_calls - COALESCE(used.calls, 0)
                + ((other.served_at, other.since, other.user_id)
                    < (line.served_at,
                       CASE of_priority WHEN 'normal' THEN line.normal_since ELSE line.low_since END,
                       whose))::integer,
            0),
        other.waiting
    )), 0)
    INTO ahead
    FROM (
        (SELECT queue.user_id, queue.served_at, queue.normal_since AS since,
                queue.waiting_normal AS waiting
         FROM processing_queue queue
         WHERE of_priority = 'normal' AND queue.waiting_normal > 0 AND queue.user_id <> whose
         ORDER BY queue.served_at, queue.normal_since, queue.user_id
         LIMIT 2000)
        UNION ALL
        (SELECT queue.user_id, queue.served_at, queue.low_since, queue.waiting_low
         FROM processing_queue queue
         WHERE of_priority = 'low' AND queue.waiting_low > 0 AND queue.user_id <> whose
         ORDER BY queue.served_at, queue.low_since, queue.user_id
         LIMIT 2000)
    ) other
    LEFT JOIN capacity_in_use() used ON used.user_id = other.user_id;
    ahead := ahead + own;
    IF of_priority = 'low' THEN
        -- Seven of normal priority go before each of low priority.
        RETURN ahead + LEAST(7 * (ahead + 1), (
            SELECT COALESCE(sum(waiting_normal), 0)
            FROM (SELECT waiting_normal FROM processing_queue WHERE waiting_normal > 0 LIMIT 2000) busy
        ));
    END IF;
    SELECT COALESCE(sum(waiting_low), 0) INTO lower_ones
    FROM (SELECT waiting_low FROM processing_queue WHERE waiting_low > 0 LIMIT 2000) patient;
    RETURN ahead + LEAST(ahead / 7, lower_ones);
END
$$;

-- How long a type takes once it has been admitted: waiting is told apart.
CREATE OR REPLACE FUNCTION recent_seconds(wanted_type text, until timestamptz) RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
    FROM (
        SELECT extract(epoch FROM completed_at - GREATEST(admitted_at, created_at))::float8 AS seconds
        FROM processing_state
        WHERE type = wanted_type AND status = 'COMPLETED' AND completed_at <= until
        ORDER BY completed_at DESC
        LIMIT 20
    ) durations
);

COMMENT ON FUNCTION recent_seconds IS 'Median seconds from admission to completion of the 20 last processes of a type that had completed until then; NULL when there is none. What estimatedCompletionTime goes by.';

-- Why a PENDING process has not begun, and how many come before it.
CREATE FUNCTION where_it_waits(
    process processing_state, at timestamptz, deployed_calls integer, deployed_per_user integer
) RETURNS TABLE (reason text, ahead integer, calls_in_force integer)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    capacity processing_capacity;
BEGIN
    SELECT * INTO capacity FROM processing_capacity;
    calls_in_force := capacity_in_force(
        COALESCE(capacity.calls, deployed_calls), capacity.lowered_to, capacity.lowered_at, at
    );
    IF process.admitted_at IS NOT NULL OR process.execution_arn IS NOT NULL THEN
        reason := 'STARTING';
        ahead := 0;
    ELSE
        reason := CASE
            WHEN capacity.paused_at IS NOT NULL THEN 'PAUSED'
            WHEN (SELECT calls FROM capacity_in_use() used WHERE used.user_id = process.user_id)
                >= COALESCE(capacity.calls_per_user, deployed_per_user) THEN 'USER_LIMIT'
            ELSE 'CAPACITY'
        END;
        ahead := processes_ahead(process.user_id, process.priority, process.created_at, process.id);
    END IF;
    RETURN NEXT;
END
$$;

-- ------------------------------------------------------------------------------- budgets of tokens

CREATE TABLE token_use (
    user_id text   NOT NULL CONSTRAINT token_use_user_id_length CHECK (char_length(user_id) <= 255),
    day     date   NOT NULL,
    tokens  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, user_id)
);
COMMENT ON TABLE  token_use IS 'Tokens by user and day (UTC) of acceptance, while there is a budget: what active processes are planned to use, and what ended ones have used.';
COMMENT ON COLUMN token_use.user_id IS 'Whose; empty: all users together.';

CREATE FUNCTION token_use_add(whose text, accepted timestamptz, more bigint) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    -- The user's own row first, then that of all, in every transaction.
    INSERT INTO token_use AS used (user_id, day, tokens)
    VALUES (whose, (accepted AT TIME ZONE 'UTC')::date, more)
    ON CONFLICT (day, user_id) DO UPDATE SET tokens = used.tokens + excluded.tokens;
    INSERT INTO token_use AS used (user_id, day, tokens)
    VALUES ('', (accepted AT TIME ZONE 'UTC')::date, more)
    ON CONFLICT (day, user_id) DO UPDATE SET tokens = used.tokens + excluded.tokens;
END;

-- What a process takes is what it is planned to use; when it has ended, what its result says that
-- it has used. One that ended without a result is taken at its plan, because its calls have been
-- paid for all the same; one that was never admitted has used nothing.
CREATE FUNCTION token_use_keep() RETURNS trigger
LANGUAGE plpgsql
AS $$
DECLARE
    used bigint := NEW.planned_tokens;
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM token_use_add(NEW.user_id, NEW.created_at, NEW.planned_tokens);
        RETURN NULL;
    END IF;
    IF OLD.status = 'PENDING' AND OLD.admitted_at IS NULL AND OLD.execution_arn IS NULL THEN
        used := 0;
    ELSIF jsonb_typeof(NEW.result -> 'usage') = 'array' THEN
        -- A hand may have written anything: what is no number counts as nothing.
        SELECT COALESCE(sum(counted.value::numeric), 0)
        INTO used
        FROM jsonb_array_elements(NEW.result -> 'usage') call,
             jsonb_each(CASE jsonb_typeof(call) WHEN 'object' THEN call ELSE '{}' END) counted
        WHERE jsonb_typeof(counted.value) = 'number'
          AND counted.key IN (
              'inputTokens', 'outputTokens', 'cacheReadInputTokens', 'cacheWriteInputTokens'
          );
    END IF;
    IF used <> NEW.planned_tokens THEN
        PERFORM token_use_add(NEW.user_id, NEW.created_at, used - NEW.planned_tokens);
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER processing_state_plans_tokens
AFTER INSERT ON processing_state
FOR EACH ROW
WHEN (NEW.planned_tokens > 0)
EXECUTE FUNCTION token_use_keep();

CREATE TRIGGER processing_state_used_tokens
AFTER UPDATE OF status ON processing_state
FOR EACH ROW
WHEN (
    NEW.planned_tokens > 0
    AND OLD.status IN ('PENDING', 'PROCESSING')
    AND NEW.status NOT IN ('PENDING', 'PROCESSING')
)
EXECUTE FUNCTION token_use_keep();

-- What accepting a process asks of the capacity: whether new ones are taken at all, whether the user
-- has too many waiting, whether the budgets allow it (each 0: there is none), and whether it may
-- start at once. Requests that are judged at the same moment do not see each other, so that a user
-- may come out above the number of waiting ones, or a budget, by as many as that.
--
-- It is asked under the lock of all, until the caller commits. So whatever the caller may have to
-- wait for later is waited for before: the user's own rows, and the goal. And where somebody holds
-- the user's line, it is not asked at all.
CREATE FUNCTION judge_admission(
    asking text, at timestamptz, goal uuid, is_counted boolean,
    deployed_calls integer, deployed_per_user integer,
    most_waiting integer, planned bigint, user_budget bigint, whole_budget bigint
) RETURNS TABLE (refused_for text, tokens_left bigint, admitted boolean)
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    today date := (at AT TIME ZONE 'UTC')::date;
BEGIN
    IF EXISTS (SELECT FROM processing_capacity WHERE paused_at IS NOT NULL AND refuses) THEN
        refused_for := 'PAUSED';
    ELSIF EXISTS (
        SELECT FROM processing_queue line
        WHERE line.user_id = asking AND line.waiting_normal + line.waiting_low >= most_waiting
    ) THEN
        refused_for := 'TOO_MANY_WAITING';
    ELSE
        IF user_budget > 0 THEN
            tokens_left := user_budget - COALESCE(
                (SELECT tokens FROM token_use used WHERE used.user_id = asking AND used.day = today), 0
            );
        END IF;
        IF whole_budget > 0 THEN
            tokens_left := LEAST(tokens_left, whole_budget - COALESCE(
                (SELECT tokens FROM token_use used WHERE used.user_id = '' AND used.day = today), 0
            ));
        END IF;
        IF planned > tokens_left THEN
            refused_for := 'BUDGET';
        ELSE
            IF goal IS NOT NULL THEN
                PERFORM pg_advisory_xact_lock(hashtextextended(goal::text, 0));
            END IF;
            IF is_counted THEN
                PERFORM FROM rate_limit bucket WHERE bucket.user_id = asking FOR UPDATE;
            END IF;
            IF planned > 0 THEN
                PERFORM FROM token_use used
                WHERE used.day = today AND used.user_id = asking
                FOR UPDATE;
                PERFORM FROM token_use used
                WHERE used.day = today AND used.user_id = ''
                FOR UPDATE;
            END IF;
            PERFORM FROM processing_queue line WHERE line.user_id = asking FOR UPDATE SKIP LOCKED;
            IF FOUND
               OR NOT EXISTS (SELECT FROM processing_queue line WHERE line.user_id = asking) THEN
                admitted := capacity_for_one(asking, at, deployed_calls, deployed_per_user);
            END IF;
        END IF;
    END IF;
    RETURN NEXT;
END
$$;

-- Whom admit would admit. It is done, and undone by the end of the block that the exception leaves.
CREATE FUNCTION would_admit(
    at timestamptz, deployed_calls integer, deployed_per_user integer, most integer
) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    ids uuid[];
BEGIN
    BEGIN
        ids := ARRAY(SELECT admit(at, deployed_calls, deployed_per_user, most, 'reconciler'));
        RAISE EXCEPTION USING ERRCODE = 'P0D01', MESSAGE = 'only a look';
    EXCEPTION WHEN SQLSTATE 'P0D01' THEN
        RETURN ids;
    END;
END
$$;

-- Corrects the queue where it does not say what waits. Under the lock, so that nobody is admitted
-- meanwhile; each user is looked at anew once their line is held, because acceptances and ends go on.
CREATE FUNCTION recount_queue() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    whose text;
BEGIN
    PERFORM capacity_lock();
    FOR whose IN
        SELECT COALESCE(line.user_id, waiting.user_id)
        FROM processing_queue line
        FULL JOIN (
            SELECT user_id,
                   count(*) FILTER (WHERE priority = 'normal') AS normal,
                   count(*) FILTER (WHERE priority = 'low') AS low
            FROM processing_state
            WHERE status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
            GROUP BY user_id
        ) waiting ON waiting.user_id = line.user_id
        WHERE line.waiting_normal IS DISTINCT FROM COALESCE(waiting.normal, 0)
           OR line.waiting_low IS DISTINCT FROM COALESCE(waiting.low, 0)
        LIMIT 500
    LOOP
        INSERT INTO processing_queue (user_id) VALUES (whose) ON CONFLICT DO NOTHING;
        PERFORM FROM processing_queue WHERE user_id = whose FOR UPDATE;
        UPDATE processing_queue line
        SET waiting_normal = waiting.normal, waiting_low = waiting.low,
            normal_since = waiting.normal_since, low_since = waiting.low_since
        FROM (
            SELECT count(*) FILTER (WHERE priority = 'normal') AS normal,
                   count(*) FILTER (WHERE priority = 'low') AS low,
                   min(created_at) FILTER (WHERE priority = 'normal') AS normal_since,
                   min(created_at) FILTER (WHERE priority = 'low') AS low_since
            FROM processing_state
            WHERE user_id = whose
              AND status = 'PENDING' AND admitted_at IS NULL AND execution_arn IS NULL
        ) waiting
        WHERE line.user_id = whose
          AND (line.waiting_normal, line.waiting_low) <> (waiting.normal, waiting.low);
        IF FOUND THEN
            RETURN NEXT whose;
        END IF;
    END LOOP;
END
$$;
