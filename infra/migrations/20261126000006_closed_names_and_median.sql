-- Names that the code holds in enums are closed here too, and the median has one place.

ALTER TABLE processing_event
    ADD CONSTRAINT processing_event_kind CHECK (kind IN (
        'submitted', 'started', 'claimed', 'batch-claimed', 'progressed', 'given-up',
        'completed', 'failed', 'timed-out', 'cancelled', 'repaired'
    )),
    ADD CONSTRAINT processing_event_actor CHECK (actor IN ('user', 'operator', 'worker', 'reconciler'));

COMMENT ON COLUMN processing_event.kind IS 'What happened; the names of EventKind in shared/src/process/event_kind.rs.';
COMMENT ON COLUMN processing_event.actor IS 'Who did it; the names of Actor in shared/src/process/actor.rs.';

CREATE FUNCTION recent_seconds(wanted_type text, until timestamptz) RETURNS float8
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds)
    FROM (
        SELECT extract(epoch FROM completed_at - created_at)::float8 AS seconds
        FROM processing_state
        WHERE type = wanted_type AND status = 'COMPLETED' AND completed_at <= until
        ORDER BY completed_at DESC
        LIMIT 20
    ) durations
);

COMMENT ON FUNCTION recent_seconds IS 'Median seconds from request to completion of the 20 last processes of a type that had completed until then; NULL when there is none. What estimatedCompletionTime goes by.';
