-- Processes with several targets: whole charts, their batches, and targets that fail without stopping the others.

ALTER TABLE processing_state
    DROP CONSTRAINT processing_state_type,
    ADD CONSTRAINT processing_state_type CHECK (type IN ('SUBGOAL_GENERATION', 'ACTION_GENERATION', 'TASK_GENERATION', 'CHART_GENERATION')),
    ADD COLUMN targets      smallint,
    ADD COLUMN targets_done smallint NOT NULL DEFAULT 0;

COMMENT ON COLUMN processing_state.targets IS 'How many targets a process with several has to write for, once that is known; NULL for a process with one.';
COMMENT ON COLUMN processing_state.targets_done IS 'How many of them are staged or given up. Equal to targets: everything is there, and only needs to be applied.';

ALTER TABLE processing_output
    ALTER COLUMN payload DROP NOT NULL,
    ADD COLUMN error jsonb,
    ADD COLUMN usage jsonb NOT NULL DEFAULT '[]',
    ADD CONSTRAINT processing_output_payload_or_error CHECK ((payload IS NULL) <> (error IS NULL));

COMMENT ON COLUMN processing_output.payload IS 'What was written for the target, with the ids its rows will have.';
COMMENT ON COLUMN processing_output.error IS 'Why the target was given up: {code, message, cause}.';
COMMENT ON COLUMN processing_output.usage IS 'The model calls that it took: model, tokens, latency.';

CREATE TABLE processing_batch (
    id              uuid       PRIMARY KEY,
    process_id      uuid       NOT NULL REFERENCES processing_state (id) ON DELETE CASCADE,
    process_attempt integer    NOT NULL,
    attempt         integer    NOT NULL DEFAULT 0 CONSTRAINT processing_batch_attempt CHECK (attempt >= 0),
    target_ids      uuid[]     NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX processing_batch_process ON processing_batch (process_id);

COMMENT ON TABLE  processing_batch IS 'What one worker invocation of a process with several targets is to write. Planned by the process''s first worker run, deleted when it completes.';
COMMENT ON COLUMN processing_batch.process_attempt IS 'The attempt at the process that planned it; a newer one fences the whole batch off.';
COMMENT ON COLUMN processing_batch.attempt IS 'Number of the current worker run on this batch, from 1; 0 before the first. The fencing token of what it stages.';
