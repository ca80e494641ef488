-- What the sweep needs to know of a start, and of where it came to.

ALTER TABLE processing_state
    ADD COLUMN execution_started_at timestamptz;

COMMENT ON COLUMN processing_state.execution_started_at IS 'When the execution was started, as Step Functions said; NULL where only its ARN is known. Until a minute after that the reconciler does not believe that there is no such execution (R8).';

ALTER TABLE reconciler_sweep
    ADD COLUMN resume_running_id uuid;

COMMENT ON COLUMN reconciler_sweep.resume_running_id IS 'The last of the processes with running executions (R9, R10) that a sweep acted upon which ran out of time, in the order of their ids. NULL: the next begins at the least.';
