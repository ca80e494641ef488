-- What the reconciler keeps for itself: who is sweeping, where the next sweep goes on, and the starts that failed.

CREATE TABLE reconciler_sweep (
    only_row          boolean     PRIMARY KEY DEFAULT true CONSTRAINT reconciler_sweep_only_row CHECK (only_row),
    holder            uuid,
    held_since        timestamptz,
    held_until        timestamptz,
    resume_created_at timestamptz,
    resume_id         uuid,
    reported_at       timestamptz,
    report            jsonb
);
INSERT INTO reconciler_sweep DEFAULT VALUES;

COMMENT ON TABLE  reconciler_sweep IS 'The lease of the sweep: one row, so that one sweep runs at a time.';
COMMENT ON COLUMN reconciler_sweep.holder IS 'The sweep that is running; NULL when none is. A sweep that lost the lease writes nothing more here and ends.';
COMMENT ON COLUMN reconciler_sweep.held_until IS 'When the lease is free again by itself: a sweep that was killed blocks nobody for longer.';
COMMENT ON COLUMN reconciler_sweep.resume_created_at IS 'With resume_id: the active process up to which a sweep came that ran out of time. NULL: the next begins at the oldest.';
COMMENT ON COLUMN reconciler_sweep.report IS 'What the last sweep reported, without its list of actions.';

CREATE TABLE processing_start (
    process_id uuid        PRIMARY KEY REFERENCES processing_state (id) ON DELETE CASCADE,
    attempts   smallint    NOT NULL CONSTRAINT processing_start_attempts CHECK (attempts > 0),
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL
);
COMMENT ON TABLE  processing_start IS 'The starts that the reconciler has tried (R1) for processes that were accepted and never started.';
COMMENT ON COLUMN processing_start.attempts IS 'How many, the one under way included. Three over 15 minutes without an execution end the process.';

-- Progress is 100 exactly when the process is COMPLETED, so 100 on any other is as broken as 130.
DROP INDEX processing_state_broken_progress;
CREATE INDEX processing_state_broken_progress ON processing_state (id) WHERE progress < 0 OR progress > 100 OR (status = 'COMPLETED') <> (progress = 100);

-- How many processes ended badly of late, for ErrorRate; processing_state_recent_durations tells how many ended well.
CREATE INDEX processing_state_ended_badly ON processing_state (completed_at) WHERE status IN ('FAILED', 'TIMEOUT');
