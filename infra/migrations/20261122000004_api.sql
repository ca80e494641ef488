-- What the API asks for: the rate limit of each user, and an index for each filter of the history.

-- One row per user, never more: it holds the present minute and starts over with the next, so nothing has to be cleaned up.
CREATE TABLE rate_limit (
    user_id      text        PRIMARY KEY CONSTRAINT rate_limit_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    per_minute   integer     CONSTRAINT rate_limit_per_minute_range CHECK (per_minute >= 0),
    window_start timestamptz NOT NULL DEFAULT 'epoch',
    used         integer     NOT NULL DEFAULT 0 CONSTRAINT rate_limit_used_range CHECK (used >= 0),
    allowed      integer     NOT NULL DEFAULT 0,
    -- The statement that stores a process counts it too, and must not store it when this breaks: see store/submission.rs.
    CONSTRAINT rate_limit_exceeded CHECK (used <= allowed)
) WITH (fillfactor = 50); -- Every request updates its user's row: room for the next version on the same page.

COMMENT ON TABLE  rate_limit IS 'How many requests each user has made in the present minute on the three POST routes.';
COMMENT ON COLUMN rate_limit.per_minute IS 'An operator''s limit for this user, instead of the one of the environment; 0 shuts the user out, NULL takes it back: INSERT INTO rate_limit (user_id, per_minute) VALUES (''…'', 100) ON CONFLICT (user_id) DO UPDATE SET per_minute = excluded.per_minute';
COMMENT ON COLUMN rate_limit.window_start IS 'The minute that is counted.';
COMMENT ON COLUMN rate_limit.used IS 'Requests in that minute.';
COMMENT ON COLUMN rate_limit.allowed IS 'The limit that held when the last request was counted.';

CREATE INDEX processing_state_history_type ON processing_state (user_id, type, created_at DESC, id DESC);
CREATE INDEX processing_state_history_status ON processing_state (user_id, status, created_at DESC, id DESC);
