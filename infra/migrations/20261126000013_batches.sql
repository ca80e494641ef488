-- Batches of requests: up to a hundred are sent together, and each is judged by itself. What was
-- answered is kept, so that a repeat under the same key is told the same. (A batch of a process's
-- targets, which a worker writes, is another thing: processing_batch.)

CREATE TABLE request_batch (
    id              uuid        PRIMARY KEY,
    user_id         text        NOT NULL CONSTRAINT request_batch_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    idempotency_key text        CONSTRAINT request_batch_idempotency_key_length CHECK (char_length(idempotency_key) BETWEEN 1 AND 255),
    fingerprint     bytea       NOT NULL CONSTRAINT request_batch_fingerprint_length CHECK (octet_length(fingerprint) = 32),
    results         jsonb       NOT NULL,
    created_at      timestamptz NOT NULL,
    cancelled_at    timestamptz
);
CREATE UNIQUE INDEX request_batch_idempotency ON request_batch (user_id, idempotency_key)
    WHERE idempotency_key IS NOT NULL;

COMMENT ON TABLE  request_batch IS 'One row per batch of requests that was taken, also where each of them was refused.';
COMMENT ON COLUMN request_batch.user_id IS 'The sub claim of the JWT that sent it.';
COMMENT ON COLUMN request_batch.idempotency_key IS 'The Idempotency-Key of the batch as a whole, unique per user; those of single requests are counted apart.';
COMMENT ON COLUMN request_batch.fingerprint IS 'SHA-256 of its requests, by which a repeat is known.';
COMMENT ON COLUMN request_batch.results IS 'What was answered of each request, in their order: {processId}, or {error: {code, details in both languages, retryAfter, processId}}. No text of a request but the names of unknown fields.';
COMMENT ON COLUMN request_batch.cancelled_at IS 'When the batch as a whole was first cancelled.';

ALTER TABLE processing_state
    ADD COLUMN request_batch_id uuid,
    ADD COLUMN request_index    smallint CONSTRAINT processing_state_request_index CHECK (request_index BETWEEN 0 AND 99);

COMMENT ON COLUMN processing_state.request_batch_id IS 'The batch of requests that it was asked for in. No foreign key, so that retention can delete either.';
COMMENT ON COLUMN processing_state.request_index IS 'Its place in that batch, from 0; places of requests that were refused are left out.';

CREATE INDEX processing_state_request_batch ON processing_state (request_batch_id, request_index)
    WHERE request_batch_id IS NOT NULL;

-- What admission leaves to a user who sends a batch: whether new requests are refused, how many of
-- theirs wait already, how many could start at once if nobody else came, and the tokens that the
-- budgets leave (each 0: there is none). Where others wait it is not known here who comes first, so
-- that none counts as starting at once.
CREATE FUNCTION room_for_batch(
    asking text, at timestamptz, deployed_calls integer, deployed_per_user integer,
    user_budget bigint, whole_budget bigint
) RETURNS TABLE (refused boolean, waiting integer, starts integer, tokens_left bigint)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    capacity processing_capacity;
    in_use integer;
    own integer;
    today date := (at AT TIME ZONE 'UTC')::date;
BEGIN
    SELECT * INTO capacity FROM processing_capacity;
    refused := COALESCE(capacity.paused_at IS NOT NULL AND capacity.refuses, false);
    waiting := COALESCE(
        (SELECT line.waiting_normal + line.waiting_low FROM processing_queue line WHERE line.user_id = asking), 0
    );
    IF capacity.paused_at IS NOT NULL
       OR EXISTS (SELECT FROM processing_queue WHERE waiting_normal > 0)
       OR EXISTS (SELECT FROM processing_queue WHERE waiting_low > 0) THEN
        starts := 0;
    ELSE
        SELECT COALESCE(sum(used.calls), 0), COALESCE(sum(used.calls) FILTER (WHERE used.user_id = asking), 0)
        INTO in_use, own
        FROM capacity_in_use() used;
        starts := GREATEST(0, LEAST(
            capacity_in_force(
                COALESCE(capacity.calls, deployed_calls), capacity.lowered_to, capacity.lowered_at, at
            ) - in_use,
            COALESCE(capacity.calls_per_user, deployed_per_user) - own
        ));
    END IF;
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
    RETURN NEXT;
END
$$;

-- Whether so many processes, of so many tokens together, still fit in when they are stored. They
-- were judged by an earlier look: a hundred of them must not go past a limit because another batch
-- of the same user was judged at the same moment. So a user's batches are stored one after the
-- other, and each looks anew (VOLATILE) once it is its turn.
CREATE FUNCTION batch_fits(
    asking text, at timestamptz, deployed_calls integer, deployed_per_user integer,
    most_waiting integer, user_budget bigint, whole_budget bigint, accepted bigint, planned bigint
) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    room record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(asking, 1095321710));
    IF accepted = 0 THEN
        RETURN true;
    END IF;
    SELECT * INTO room
    FROM room_for_batch(asking, at, deployed_calls, deployed_per_user, user_budget, whole_budget);
    RETURN NOT room.refused
       AND accepted <= GREATEST(most_waiting - room.waiting, 0) + room.starts
       AND (room.tokens_left IS NULL OR planned <= room.tokens_left);
END
$$;
