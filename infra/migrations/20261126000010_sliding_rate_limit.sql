-- A minute that slides: however requests fall, no 60 seconds by the second hand hold more of them
-- than the limit. The fixed minute let twice as many through in a moment across its edge. And
-- cancelling, which stops what costs, is counted apart from what costs.

ALTER TABLE rate_limit
    ADD COLUMN slots        integer[]   NOT NULL DEFAULT array_fill(0, ARRAY[60]),
    ADD COLUMN cancel_start timestamptz NOT NULL DEFAULT 'epoch',
    ADD COLUMN cancel_slots integer[]   NOT NULL DEFAULT array_fill(0, ARRAY[60]);

COMMENT ON TABLE  rate_limit IS 'How many requests each user has made in the last 60 seconds: those that may start something, and cancels.';
COMMENT ON COLUMN rate_limit.window_start IS 'The second of the last request that was counted, which the last of the slots belongs to.';
COMMENT ON COLUMN rate_limit.slots IS 'Requests in each of the 60 seconds up to that one, the oldest first.';
COMMENT ON COLUMN rate_limit.used IS 'Their sum, when the last request was counted.';
COMMENT ON COLUMN rate_limit.cancel_start IS 'As window_start, for cancels.';
COMMENT ON COLUMN rate_limit.cancel_slots IS 'As slots, for cancels.';

-- The clocks of the functions are not trusted: one that runs ahead is held back to the database's,
-- one that is behind counts into the last second that was counted. What lies more than a minute
-- ahead of both was counted by a wrong clock, or before the database's own was set back, and no
-- longer holds; else it would lock its user out until that time.
CREATE FUNCTION rate_limit_minute(slots integer[], last timestamptz, asked timestamptz)
RETURNS TABLE (at timestamptz, slots integer[], used bigint)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT moved.at, moved.slots, (SELECT sum(slot) FROM unnest(moved.slots) slot)
    FROM (
        SELECT passed.at,
               CASE
                   WHEN passed.seconds BETWEEN 0 AND 59
                   THEN rate_limit_minute.slots[passed.seconds::integer + 1 : 60]
                        || array_fill(0, ARRAY[passed.seconds::integer])
                   ELSE array_fill(0, ARRAY[60])
               END AS slots
        FROM (
            SELECT present.at, date_part('epoch', present.at - last) AS seconds
            FROM (
                SELECT CASE
                           WHEN last <= clock.latest + interval '1 minute'
                           THEN GREATEST(last, clock.at)
                           ELSE clock.at
                       END AS at
                FROM (
                    SELECT date_trunc('second', LEAST(asked, statement_timestamp())) AS at,
                           GREATEST(asked, statement_timestamp()) AS latest
                    OFFSET 0 -- Each level is computed once, not written into the next.
                ) clock
                OFFSET 0
            ) present
            OFFSET 0
        ) passed
        OFFSET 0
    ) moved;
END;

COMMENT ON FUNCTION rate_limit_minute IS 'The 60 seconds up to now, out of the slots up to the last request: their last second, the requests in each, and their sum.';
