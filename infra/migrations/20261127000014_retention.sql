-- Processes go some time after they have ended (RetentionDays). The sweep finds the oldest of them,
-- and the batches of requests that have none left, by these indexes, so that it costs by what goes
-- and not by what stays.
--
-- What belongs to a process goes with it, by the foreign keys: its history, what it has staged,
-- its batches, its starts. Its idempotency key is a column of its own. Goals, sub-goals, actions
-- and tasks name the process that wrote them without a foreign key: nothing happens to them.

CREATE INDEX processing_state_ended ON processing_state (completed_at)
    WHERE status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED');
CREATE INDEX request_batch_created ON request_batch (created_at);

COMMENT ON INDEX processing_state_ended IS 'By when processes ended: the oldest are deleted first, when the time for which they are kept is over.';
COMMENT ON INDEX request_batch_created IS 'By when batches were sent: the oldest that have no process left are deleted first.';
