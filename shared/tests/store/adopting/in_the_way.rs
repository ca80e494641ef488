//! What is in the way of adopting: each is named, and nothing is changed.

use std::time::Duration;

use shared::process::{ErrorCode, Retention};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{KEPT, adopt, app, look, sql, whole};
use crate::migrating::{TIME, owner};

#[sqlx::test(migrations = false)]
async fn it_never_happens_by_itself(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = app(pool, &options).await;
    let before = whole(&pool).await;
    for refused in [owner(&options).migrate(TIME).await, owner(&options).plan().await] {
        let failure = refused.unwrap_err();
        assert_eq!(failure.code, ErrorCode::InternalError);
        assert!(failure.cause.contains("aigen migrate --adopt --dry-run"), "{}", failure.cause);
    }
    assert_eq!(whole(&pool).await, before);
}

/// What is done to the app's database, and what is said of it then.
const CASES: [(&str, &[&str]); 24] = [
    (
        "UPDATE sub_goals SET position = 8 WHERE position = 7",
        &["sub_goals.position", "(3 rows, among them 00000000-0000-4000-8000-000000000117"],
    ),
    (
        "UPDATE sub_goals SET position = 0 WHERE position = 7",
        &["rows are not as sub_goals_one_per", "6 rows"],
    ),
    ("UPDATE processing_state SET type = 'POEM'", &["processing_state.type", "5 rows"]),
    (
        "UPDATE processing_state SET user_id = repeat('x', 256) WHERE status = 'FAILED'",
        &["processing_state.user_id", "1 row, among them 00000000-0000-4000-8000-0000000000a2"],
    ),
    ("UPDATE tasks SET estimated_minutes = 500", &["tasks.estimated_minutes"]),
    ("UPDATE tasks SET estimated_minutes = 70000", &["not every value can be smallint"]),
    (
        "ALTER TABLE goals ADD owner text; UPDATE goals SET owner = 'x';
      ALTER TABLE goals ALTER owner SET NOT NULL",
        &["goals.owner", "without a default"],
    ),
    ("ALTER TABLE goals DROP COLUMN background", &["goals.background", "there is no such column"]),
    (
        "ALTER TABLE goals ALTER description DROP NOT NULL; UPDATE goals SET description = NULL",
        &["goals.description", "it is NULL in some rows"],
    ),
    ("CREATE VIEW told AS SELECT title FROM goals", &["goals.title", "view told"]),
    ("ALTER TABLE goals ALTER title TYPE char(200)", &["goals.title", "is not made text"]),
    (
        "ALTER TABLE tasks ALTER id TYPE text; UPDATE tasks SET id = 'seven'",
        &["tasks.id", "not every value can be uuid", "among them seven"],
    ),
    (
        "CREATE UNIQUE INDEX one_place ON sub_goals (goal_id, position)",
        &["one_place checks these columns row by row", "DROP INDEX"],
    ),
    (
        "ALTER TABLE processing_state ADD CONSTRAINT own CHECK (type NOT LIKE 'CHART%')",
        &["processing_state.type", "the app's own own may refuse", "DROP CONSTRAINT"],
    ),
    (
        "ALTER TABLE processing_state ADD CONSTRAINT own CHECK (progress < 100 OR type <> '')",
        &["processing_state: the app's own own may refuse"],
    ),
    (
        "ALTER TABLE tasks ALTER estimated_minutes TYPE varchar",
        &["tasks.estimated_minutes", "is not made smallint"],
    ),
    (
        "ALTER TABLE processing_state ALTER progress DROP DEFAULT, ALTER progress TYPE text",
        &["processing_state.progress", "is not made smallint"],
    ),
    ("CREATE TABLE rate_limit (who text)", &["rate_limit", "a migration needs"]),
    ("CREATE FUNCTION admit() RETURNS int LANGUAGE sql AS 'SELECT 1'", &["admit", "function"]),
    ("ALTER TABLE processing_state ADD goal_id uuid", &["processing_state.goal_id", "rename it"]),
    ("CREATE TABLE goals_user ()", &["goals_user", "a migration needs"]),
    (
        "ALTER TABLE tasks RENAME TO own; CREATE VIEW tasks AS SELECT * FROM own",
        &["tasks: this is no ordinary table"],
    ),
    (
        "ALTER TABLE goals ADD CONSTRAINT actions_type CHECK (true);
      ALTER TABLE actions ADD CONSTRAINT actions_type CHECK (title <> '')",
        &["the constraint actions_type says"],
    ),
    (
        "UPDATE processing_state SET original_process_id = '00000000-0000-4000-8000-0000000000a1'
      WHERE id::text > '00000000-0000-4000-8000-0000000000a1'",
        &["processing_state_one_retry keeps apart", "4 rows"],
    ),
];

#[sqlx::test(migrations = false)]
async fn each_obstacle_is_named_with_what_to_do_and_nothing_is_changed(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    for (change, words) in CASES {
        sql(&pool, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
        sql(&pool, super::APP).await;
        sql(&pool, change).await;
        let before = whole(&pool).await;
        let plan = look(&options).await;
        let told: Vec<_> = plan.obstacles.iter().map(ToString::to_string).collect();
        let is_told = |told: &String| words.iter().all(|word| told.contains(word));
        assert!(told.iter().any(is_told), "{change}: {told:#?}");
        assert!(told.iter().all(|told| !told.contains("目標")), "{told:?}");
        let failure = adopt(&options).await.unwrap_err();
        assert!(failure.cause.contains("nothing was changed"), "{}", failure.cause);
        assert!(failure.cause.contains(words[0]), "{change}: {}", failure.cause);
        assert_eq!(whole(&pool).await, before, "{change}");
    }
}

/// A user's id that is a uuid and refers to the app's users.
#[sqlx::test(migrations = false)]
async fn a_user_that_is_a_uuid_with_a_foreign_key_is_in_the_way(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "DROP VIEW goal_titles; TRUNCATE users, goals CASCADE;
         ALTER TABLE goals DROP CONSTRAINT goals_user_id_fkey;
         ALTER TABLE users ALTER id TYPE uuid USING id::uuid;
         ALTER TABLE goals ALTER user_id TYPE uuid USING user_id::uuid;
         ALTER TABLE goals ADD CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES users (id)",
    )
    .await;
    let plan = look(&options).await;
    let told = plan.obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    assert!(told.contains("goals.user_id") && told.contains("of_user"), "{told}");
    sql(&pool, "ALTER TABLE goals DROP CONSTRAINT of_user").await;
    assert_eq!(look(&options).await.obstacles, []);
}

/// Something that no look can see: a trigger of the app refuses the ending of a process.
#[sqlx::test(migrations = false)]
async fn a_failure_half_way_leaves_nothing_changed(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
         CREATE TRIGGER refuse BEFORE UPDATE ON processing_state
         FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .await;
    let before = whole(&pool).await;
    assert_eq!(look(&options).await.obstacles, []);
    let failure = adopt(&options).await.unwrap_err();
    assert!(failure.cause.contains("not this one"), "{}", failure.cause);
    assert!(failure.cause.contains("nothing was changed"), "{}", failure.cause);
    assert_eq!(whole(&pool).await, before);
    // Nor where a migration fails, behind all steps.
    sql(&pool, "DROP TRIGGER refuse ON processing_state").await;
    sql(
        &pool,
        "CREATE FUNCTION holds() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
         CREATE TRIGGER processing_state_no_overlap BEFORE INSERT ON processing_state
         FOR EACH ROW EXECUTE FUNCTION holds()",
    )
    .await;
    let before = whole(&pool).await;
    let failure = adopt(&options).await.unwrap_err();
    assert!(failure.cause.contains("20261126000009"), "{}", failure.cause);
    assert_eq!(whole(&pool).await, before);
}

#[sqlx::test(migrations = false)]
async fn a_foreign_key_with_another_action_stays_and_is_told(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "ALTER TABLE tasks DROP CONSTRAINT tasks_action_id_fkey,
         ADD CONSTRAINT own FOREIGN KEY (action_id) REFERENCES actions (id) ON DELETE RESTRICT",
    )
    .await;
    let lines = look(&options).await.lines().join("\n");
    assert!(lines.contains("the foreign key own stays, ON DELETE RESTRICT"), "{lines}");
    adopt(&options).await.unwrap();
    let keys: Vec<String> = sqlx::query_scalar(
        "SELECT conname::text FROM pg_constraint
         WHERE conrelid = 'tasks'::regclass AND contype = 'f'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(keys, ["own"]);
}

/// The rows that are kept are not to go with the first sweep, nor what the app hangs on them.
#[sqlx::test(migrations = false)]
async fn what_retention_would_delete_right_after_is_in_the_way(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "CREATE TABLE invoices (process uuid REFERENCES processing_state ON DELETE CASCADE);
         UPDATE processing_state SET completed_at = now() - interval '100 days', updated_at = now()
         WHERE status = 'COMPLETED'",
    )
    .await;
    let owner = owner(&options);
    let look = async |days| {
        let adopted = owner.plan_adoption(Retention::days(days), TIME).await.unwrap();
        adopted.plan.unwrap()
    };
    let plan = look(90).await;
    let told = plan.obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    for word in ["more than 90 days ago", "of invoices (by ", "RetentionDays=0"] {
        assert!(told.contains(word), "{told}");
    }
    let failure = owner.adopt(Retention::days(90), TIME).await.unwrap_err();
    assert!(failure.cause.contains("more than 90 days ago"), "{}", failure.cause);
    // It is known all the same, where nothing is old enough yet.
    let plan = look(20_000).await;
    assert_eq!(plan.obstacles, []);
    let notes = plan.lines().join("\n");
    assert!(
        notes.contains("processes are deleted 20000 days after their end, and with"),
        "{notes}"
    );
    let plan = look(0).await;
    assert!(plan.is_free() && !plan.lines().join("\n").contains("days after"), "{plan:?}");
}

/// A deployment that has run out of time: what it was doing ends, and holds nothing any more.
#[sqlx::test(migrations = false)]
async fn who_has_run_out_of_time_leaves_no_statement_running(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;
         CREATE TRIGGER dawdle BEFORE UPDATE ON processing_state
         FOR EACH STATEMENT EXECUTE FUNCTION dawdle()",
    )
    .await;
    let failure = owner(&options).adopt(KEPT, Duration::from_secs(8)).await.unwrap_err();
    assert!(failure.cause.contains("cargo aigen migrate --adopt"), "{}", failure.cause);
    // The server looks every two seconds: a statement that nobody waits for goes, with its locks.
    let running = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                   AND pid <> pg_backend_pid() AND state = 'active'
                   AND backend_type = 'client backend'";
    while sqlx::query_scalar::<_, i64>(running).fetch_one(&pool).await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sql(&pool, "BEGIN; LOCK TABLE goals; COMMIT").await;
}
