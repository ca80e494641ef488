-- The database of an app, as Prisma would have made it, with tables of the app's own.
CREATE TYPE "ProcessStatus" AS ENUM ('PENDING', 'PROCESSING', 'COMPLETED', 'FAILED', 'TIMEOUT',
        'CANCELLED');
CREATE TYPE "TaskType" AS ENUM ('EXECUTION', 'HABIT');

CREATE TABLE users (id text PRIMARY KEY, name text NOT NULL);

CREATE TABLE goals (
    id uuid NOT NULL DEFAULT gen_random_uuid(), user_id text NOT NULL, title varchar(200) NOT NULL,
    description text NOT NULL, deadline timestamp(3) NOT NULL, background text NOT NULL,
        constraints text,
    colour text NOT NULL DEFAULT 'red',
    created_at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at timestamp(3) NOT NULL,
    CONSTRAINT goals_pk PRIMARY KEY (id),
    CONSTRAINT goals_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE RESTRICT
        ON UPDATE CASCADE
);
CREATE TABLE sub_goals (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    goal_id uuid NOT NULL REFERENCES goals (id) ON DELETE CASCADE ON UPDATE CASCADE,
    position integer NOT NULL, title text NOT NULL, description text NOT NULL,
        background text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sub_goals_goal_id_idx ON sub_goals (goal_id);
CREATE TABLE actions (
    id uuid PRIMARY KEY, sub_goal_id uuid NOT NULL REFERENCES sub_goals (id) ON DELETE CASCADE,
    position integer NOT NULL, title text NOT NULL, description text NOT NULL,
        background text NOT NULL,
    type "TaskType" NOT NULL DEFAULT 'EXECUTION',
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE tasks (
    id uuid PRIMARY KEY, action_id uuid NOT NULL REFERENCES actions (id) ON DELETE CASCADE,
    position integer NOT NULL, title text NOT NULL, description text NOT NULL,
        type "TaskType" NOT NULL,
    estimated_minutes integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE processing_state (
    id uuid PRIMARY KEY, user_id text NOT NULL, type text NOT NULL,
    status "ProcessStatus" NOT NULL DEFAULT 'PENDING', target_id uuid NOT NULL,
    params json NOT NULL, progress integer NOT NULL DEFAULT 0, result json, error json,
    retry_count integer NOT NULL DEFAULT 0, original_process_id uuid,
    created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(), completed_at timestamptz
);

-- What only the app knows of.
CREATE TABLE reflections (
    id serial PRIMARY KEY, goal_id uuid NOT NULL REFERENCES goals (id), said text NOT NULL
);
CREATE VIEW goal_titles AS SELECT goals.id, goals.user_id, count(sub_goals.id) AS parts
    FROM goals LEFT JOIN sub_goals ON sub_goals.goal_id = goals.id GROUP BY goals.id, goals.user_id;
CREATE TABLE changes (said text);
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO changes VALUES (TG_OP || ' ' || NEW.id); RETURN NEW; END $$;
CREATE TRIGGER goals_change AFTER INSERT OR UPDATE ON goals FOR EACH ROW EXECUTE FUNCTION
        note_change();

INSERT INTO users VALUES ('hanako', 'Hanako'), ('taro', 'Taro');
INSERT INTO goals (id, user_id, title, description, deadline, background, colour, updated_at)
SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid,
        CASE n WHEN 1 THEN 'hanako' ELSE 'taro' END,
       '目標 ' || n, 'd', '2027-01-01 09:00:00.123', 'b', 'blue', '2026-05-01 12:00'
FROM generate_series(1, 3) n;
INSERT INTO sub_goals (id, goal_id, position, title, description, background)
SELECT ('00000000-0000-4000-8000-0000000001' || n || p)::uuid,
        ('00000000-0000-4000-8000-00000000000' || n)::uuid,
       p, 's', 'd', 'b'
FROM generate_series(1, 3) n, generate_series(0, 7) p;
INSERT INTO actions (id, sub_goal_id, position, title, description, background, type)
SELECT ('00000000-0000-4000-8000-0000000002' || n || '0')::uuid,
       ('00000000-0000-4000-8000-0000000001' || n || '0')::uuid, 7, 'a', 'd', 'b', 'HABIT'
FROM generate_series(1, 3) n;
INSERT INTO tasks (id, action_id, position, title, description, type, estimated_minutes)
VALUES (gen_random_uuid(), '00000000-0000-4000-8000-000000000210', 0, 't', 'd', 'EXECUTION', 30);
INSERT INTO reflections (goal_id, said) SELECT id, 'よくできた' FROM goals;
INSERT INTO processing_state (id, user_id, type, status, target_id, params, progress, result,
        error, completed_at)
VALUES
    ('00000000-0000-4000-8000-0000000000a1', 'hanako', 'SUBGOAL_GENERATION', 'COMPLETED',
        '00000000-0000-4000-8000-000000000001',
     '{"old":  ["shape"]}', 100, '"a text"', NULL, now()),
    ('00000000-0000-4000-8000-0000000000a2', 'hanako', 'SUBGOAL_GENERATION', 'FAILED',
        '00000000-0000-4000-8000-000000000001',
     '[]', 130, NULL, '"it broke"', NULL),
    ('00000000-0000-4000-8000-0000000000a3', 'hanako', 'ACTION_GENERATION', 'PENDING',
        '00000000-0000-4000-8000-000000000110',
     'null', 0, NULL, NULL, NULL),
    ('00000000-0000-4000-8000-0000000000a4', 'hanako', 'ACTION_GENERATION', 'PROCESSING',
        '00000000-0000-4000-8000-000000000110',
     '{}', 40, NULL, '{"message": "odd", "stack": [1]}', NULL),
    ('00000000-0000-4000-8000-0000000000a5', 'taro', 'TASK_GENERATION', 'TIMEOUT',
        '00000000-0000-4000-8000-000000000210',
     '{}', 40, '{"tasks": 3}', '{"code": "OLD_CODE"}', now() - interval '1 year');
