-- Processes, what they generate, and their history. Section 7 of the design contract fixes the names.
--
-- Operators write SQL by hand, so whatever must hold for every hand is a constraint here, and whatever hands may break and the
-- reconciler mends (progress, completed_at) is not.

CREATE TABLE processing_state (
    id                  uuid        PRIMARY KEY,
    user_id             text        NOT NULL CONSTRAINT processing_state_user_id_length CHECK (char_length(user_id) BETWEEN 1 AND 255),
    type                text        NOT NULL CONSTRAINT processing_state_type CHECK (type IN ('SUBGOAL_GENERATION', 'ACTION_GENERATION', 'TASK_GENERATION')),
    status              text        NOT NULL DEFAULT 'PENDING' CONSTRAINT processing_state_status CHECK (status IN ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')),
    target_id           uuid        NOT NULL,
    params              jsonb       NOT NULL,
    progress            smallint    NOT NULL DEFAULT 0,
    result              jsonb,
    error               jsonb,
    retry_count         smallint    NOT NULL DEFAULT 0 CONSTRAINT processing_state_retry_count CHECK (retry_count >= 0),
    original_process_id uuid,
    attempt             integer     NOT NULL DEFAULT 0 CONSTRAINT processing_state_attempt CHECK (attempt >= 0),
    execution_arn       text,
    idempotency_key     text        CONSTRAINT processing_state_idempotency_key_length CHECK (char_length(idempotency_key) BETWEEN 1 AND 255),
    cancel_reason       text,
    created_at          timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    updated_at          timestamptz NOT NULL DEFAULT now(),
    completed_at        timestamptz
) WITH (fillfactor = 80); -- Room on the page, so that a status update need not touch every index.

COMMENT ON TABLE  processing_state IS 'One row per process: one requested generation. The truth that every function and the reconciler go by.';
COMMENT ON COLUMN processing_state.id IS 'Process id (UUIDv7), and the name of the Step Functions execution that drives it.';
COMMENT ON COLUMN processing_state.user_id IS 'The sub claim of the JWT that asked for it.';
COMMENT ON COLUMN processing_state.type IS 'What is generated.';
COMMENT ON COLUMN processing_state.status IS 'PENDING -> PROCESSING -> COMPLETED, FAILED, TIMEOUT or CANCELLED; PENDING may end directly; terminal is final.';
COMMENT ON COLUMN processing_state.target_id IS 'Whose children are generated: a goal, a sub-goal or an action. No foreign key: a goal may be stored only when the process completes.';
COMMENT ON COLUMN processing_state.params IS 'The validated params of the request, as they were asked for.';
COMMENT ON COLUMN processing_state.progress IS 'Percent, 0-100; 100 exactly when COMPLETED. No CHECK: foreign hands may break it and the reconciler clamps it (R12, R13).';
COMMENT ON COLUMN processing_state.result IS 'What was generated, for the status answer. Set together with COMPLETED.';
COMMENT ON COLUMN processing_state.error IS 'Why it ended: {code, message}, and for operators cause and evidence. Users see code and message only.';
COMMENT ON COLUMN processing_state.retry_count IS 'How many retries lie before this process in its chain.';
COMMENT ON COLUMN processing_state.original_process_id IS 'The process that this one retries. No foreign key, so that retention can delete either.';
COMMENT ON COLUMN processing_state.attempt IS 'Number of the current worker run, from 1; 0 before the first. The fencing token of every write a worker makes.';
COMMENT ON COLUMN processing_state.execution_arn IS 'Set once StartExecution is known to have succeeded.';
COMMENT ON COLUMN processing_state.idempotency_key IS 'The Idempotency-Key of the request, unique per user.';
COMMENT ON COLUMN processing_state.cancel_reason IS 'What the user or operator who cancelled it gave as the reason.';
COMMENT ON COLUMN processing_state.started_at IS 'When the first worker claimed it.';
COMMENT ON COLUMN processing_state.completed_at IS 'When it reached its terminal status, whichever that is.';

-- At most one active process per type and target, whoever asks and however many ask at once.
CREATE UNIQUE INDEX processing_state_one_active_per_target ON processing_state (type, target_id) WHERE status IN ('PENDING', 'PROCESSING');
CREATE UNIQUE INDEX processing_state_idempotency ON processing_state (user_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
-- A process is retried once; the next retry is of that retry. One that was cancelled does not stand in the way.
CREATE UNIQUE INDEX processing_state_one_retry ON processing_state (original_process_id) WHERE original_process_id IS NOT NULL AND status <> 'CANCELLED';
-- The sweep: every scan costs by what is active or broken, never by the size of the table.
CREATE INDEX processing_state_active ON processing_state (created_at, id) WHERE status IN ('PENDING', 'PROCESSING');
CREATE INDEX processing_state_broken_progress ON processing_state (id) WHERE progress < 0 OR progress > 100 OR (status = 'COMPLETED' AND progress <> 100);
CREATE INDEX processing_state_broken_completed_at ON processing_state (id)
    WHERE (completed_at IS NULL AND status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')) OR (completed_at IS NOT NULL AND status IN ('PENDING', 'PROCESSING'));
CREATE INDEX processing_state_history ON processing_state (user_id, created_at DESC, id DESC);
-- How long a type has taken of late, for estimatedCompletionTime.
CREATE INDEX processing_state_recent_durations ON processing_state (type, completed_at DESC) WHERE status = 'COMPLETED';

CREATE TABLE processing_event (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL,
    process_id  uuid        NOT NULL REFERENCES processing_state (id) ON DELETE CASCADE,
    attempt     integer     NOT NULL,
    kind        text        NOT NULL,
    from_status text,
    to_status   text,
    actor       text        NOT NULL,
    detail      jsonb
);
CREATE INDEX processing_event_process ON processing_event (process_id, id);

COMMENT ON TABLE  processing_event IS 'Append-only history: every transition writes one row, in the transaction of the transition.';
COMMENT ON COLUMN processing_event.kind IS 'What happened: submitted, started, claimed, progressed, completed, failed, timed-out, cancelled, repaired.';
COMMENT ON COLUMN processing_event.actor IS 'Who did it: user, operator, worker, reconciler.';
COMMENT ON COLUMN processing_event.detail IS 'What else is known, such as the error code, the model that answered, its tokens. Never user text.';

CREATE TABLE goals (
    id          uuid        PRIMARY KEY,
    user_id     text        NOT NULL,
    title       text        NOT NULL,
    description text        NOT NULL,
    deadline    timestamptz NOT NULL,
    background  text        NOT NULL,
    constraints text,
    process_id  uuid,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX goals_user ON goals (user_id);

-- The position constraints are deferrable so that a replacement can delete the old rows and insert the new in one statement:
-- a deferrable constraint is checked when the statement ends, a plain unique index while it runs.
CREATE TABLE sub_goals (
    id          uuid        PRIMARY KEY,
    goal_id     uuid        NOT NULL REFERENCES goals (id) ON DELETE CASCADE,
    position    smallint    NOT NULL CONSTRAINT sub_goals_position_range CHECK (position BETWEEN 0 AND 7),
    title       text        NOT NULL,
    description text        NOT NULL,
    background  text        NOT NULL,
    process_id  uuid,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT sub_goals_one_per_position UNIQUE (goal_id, position) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE actions (
    id          uuid        PRIMARY KEY,
    sub_goal_id uuid        NOT NULL REFERENCES sub_goals (id) ON DELETE CASCADE,
    position    smallint    NOT NULL CONSTRAINT actions_position_range CHECK (position BETWEEN 0 AND 7),
    title       text        NOT NULL,
    description text        NOT NULL,
    background  text        NOT NULL,
    type        text        NOT NULL CONSTRAINT actions_type CHECK (type IN ('EXECUTION', 'HABIT')),
    process_id  uuid,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT actions_one_per_position UNIQUE (sub_goal_id, position) DEFERRABLE INITIALLY IMMEDIATE
);

CREATE TABLE tasks (
    id                uuid        PRIMARY KEY,
    action_id         uuid        NOT NULL REFERENCES actions (id) ON DELETE CASCADE,
    position          smallint    NOT NULL CONSTRAINT tasks_position_range CHECK (position BETWEEN 0 AND 7),
    title             text        NOT NULL,
    description       text        NOT NULL,
    type              text        NOT NULL CONSTRAINT tasks_type CHECK (type IN ('EXECUTION', 'HABIT')),
    estimated_minutes smallint    NOT NULL CONSTRAINT tasks_estimated_minutes_range CHECK (estimated_minutes BETWEEN 15 AND 120),
    process_id        uuid,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tasks_one_per_position UNIQUE (action_id, position) DEFERRABLE INITIALLY IMMEDIATE
);

COMMENT ON TABLE  goals IS 'The centre of a Mandala chart. Written by the app, or by the process that first generates for it.';
COMMENT ON COLUMN goals.process_id IS 'The process that stored the row; NULL when the app did. No foreign key, so that retention can delete processes.';
COMMENT ON TABLE  sub_goals IS 'The eight fields around the goal.';
COMMENT ON COLUMN sub_goals.position IS '0-7, row by row around the centre.';
COMMENT ON TABLE  actions IS 'The eight fields around a sub-goal.';
COMMENT ON COLUMN actions.type IS 'EXECUTION: done once. HABIT: done again and again.';
COMMENT ON TABLE  tasks IS 'The steps of an action, 1-8 of them.';
COMMENT ON COLUMN tasks.estimated_minutes IS 'Minutes, 15-120.';

CREATE TABLE processing_output (
    process_id uuid        NOT NULL REFERENCES processing_state (id) ON DELETE CASCADE,
    target_id  uuid        NOT NULL,
    payload    jsonb       NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process_id, target_id)
);
COMMENT ON TABLE processing_output IS 'Staging for processes with several targets: one row per finished target, applied to the goal tables and deleted when the process completes.';
