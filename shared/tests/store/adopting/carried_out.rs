//! What adopting does, and keeps.

use serde_json::json;
use shared::{
    chart::Chart,
    process::{ProcessId, Status},
    store::{Access, Filter, Login, Proof, Window},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::{Fixture, plenty, user};
use uuid::Uuid;

use super::{KEPT, adopt, app, look, rows, sql, whole};
use crate::{
    migrating::{TIME, owner},
    role::Role,
};

/// What the app sees of its rows: its own columns, as texts, with times in UTC.
const SEEN: [(&str, &str); 8] = [
    (
        "goals",
        "jsonb_build_array(id, user_id, title, description, deadline::text, background, \
         constraints, colour, created_at::text, updated_at::text)",
    ),
    (
        "sub_goals",
        "jsonb_build_array(id, goal_id, position, title, description, background, created_at, \
         updated_at)",
    ),
    (
        "actions",
        "jsonb_build_array(id, sub_goal_id, position, title, type, created_at, updated_at)",
    ),
    ("tasks", "jsonb_build_array(id, action_id, position, title, type, estimated_minutes)"),
    (
        "processing_state",
        "jsonb_build_array(id, user_id, type, target_id, params, result, retry_count, created_at)",
    ),
    ("users", "to_jsonb(t)"),
    ("reflections", "to_jsonb(t)"),
    ("goal_titles", "to_jsonb(t)"),
];

async fn seen(pool: &PgPool) -> Vec<(&'static str, Vec<String>)> {
    let mut all = Vec::new();
    for (table, expression) in SEEN {
        let rows = rows(pool, table, expression).await;
        // A time of UTC is written with its zone once it has one.
        all.push((table, rows.iter().map(|row| row.to_string().replace("+00\"", "\"")).collect()));
    }
    all
}

#[sqlx::test(migrations = false)]
async fn a_dry_run_says_what_it_would_do_and_changes_nothing(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    let before = whole(&pool).await;
    let plan = look(&options).await;
    assert_eq!(plan.obstacles, []);
    assert_eq!(plan.ended, 2);
    let lines = plan.lines().join("\n");
    for said in [
        "KEPT  goals: 3 rows",
        "STEP  goals: deadline becomes timestamp with time zone",
        "its values are taken as UTC",
        "STEP  processing_state: 2 processes are PENDING or PROCESSING",
        "1 process is ended and without completed_at",
        "1 process is of a progress",
        "STEP  processing_event: it is made, empty",
        "the constraint sub_goals_one_per_position is added",
        "NOTE  goals: the foreign key reflections_goal_id_fkey of reflections stays",
    ] {
        assert!(lines.contains(said), "{said} in\n{lines}");
    }
    assert_eq!(whole(&pool).await, before);
}

#[sqlx::test(migrations = false)]
async fn every_row_is_kept_and_all_that_is_the_app_s_own(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    let (before, was) = (seen(&pool).await, whole(&pool).await);
    let planned = look(&options).await;
    let adopted = adopt(&options).await.unwrap();
    assert_eq!(adopted.plan.as_ref(), Some(&planned), "it does what the dry run said");
    assert_eq!(seen(&pool).await, before);
    let now = whole(&pool).await;
    for own in ["reflections", "users", "changes", "note_change", "goal_titles", "goals_change"] {
        let of = |all: &[(String, serde_json::Value)]| -> Vec<_> {
            all.iter().filter(|(_, said)| said.to_string().contains(own)).cloned().collect()
        };
        assert_eq!(of(&now), of(&was), "{own}");
    }
    // Its own rules still hold.
    let orphan = "INSERT INTO reflections (goal_id, said) VALUES (gen_random_uuid(), 'x')";
    assert_eq!(crate::role::refused(&pool, orphan).await.as_deref(), Some("23503"));
    let used = "DELETE FROM goals";
    assert_eq!(crate::role::refused(&pool, used).await.as_deref(), Some("23503"));
}

#[sqlx::test(migrations = false)]
async fn the_schema_is_that_of_an_empty_database_and_more(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    adopt(&options).await.unwrap();
    let adopted = whole(&pool).await;
    sql(&pool, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    owner(&options).migrate(TIME).await.unwrap();
    // The app's own names of keys may differ.
    let is_demanded = |said: &str| !said.contains("goals_pk") && !said.contains("goal_id_fkey");
    for (table, said) in whole(&pool).await {
        let same = |own: &(String, serde_json::Value)| own.0 == "catalog" && own.1 == said;
        let told = said.to_string();
        if table != "catalog" || !is_demanded(&told) || adopted.iter().any(same) {
            continue;
        }
        // A default of the app's own stays.
        let column = told.split(" DEFAULT ").next().unwrap().trim_matches('"').to_owned();
        let is_it = |own: &str| own.split(" DEFAULT ").next().unwrap().trim_matches('"') == column;
        let has = adopted.iter().any(|(_, own)| is_it(&own.to_string()));
        assert!(has, "{told} is not there");
    }
}

#[sqlx::test(migrations = false)]
async fn an_adopted_database_is_worked_with_as_any_other(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    adopt(&options).await.unwrap();
    let fixture = Fixture::new(options).await;
    fixture.in_status(1, Status::Completed).await;
    assert_eq!(fixture.store.schema().await.unwrap().missing, [] as [i64; 0]);
    assert_eq!(fixture.store.schema().await.unwrap().lost_indexes, [] as [String; 0]);
    // Old rows are read, whatever stands in them.
    let window = Window { page: 1, size: 50, after: None };
    let page =
        fixture.store.history(&user("hanako"), &Filter::default(), &window, 100).await.unwrap();
    assert_eq!(page.processes.len(), 5);
    for end in 1_u8..=5 {
        let id = format!("00000000-0000-4000-8000-0000000000a{end}");
        let id = ProcessId(id.parse::<Uuid>().unwrap());
        let process = fixture.store.find(id).await.unwrap().unwrap();
        assert!(process.summary.status.is_terminal() && process.summary.completed_at.is_some());
        let now = test_kit::at(9);
        let polled = fixture.store.poll(id, &[], &plenty(), now).await.unwrap();
        assert!(polled.is_some());
        fixture.store.timeline(id).await.unwrap();
    }
    let failed: Vec<(String, String)> = sqlx::query_as(
        "SELECT status, event.kind FROM processing_state JOIN processing_event event
         ON event.process_id = processing_state.id
         WHERE processing_state.error ->> 'code' = 'MANUAL_INTERVENTION' ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(failed, vec![("FAILED".to_owned(), "failed".to_owned()); 2]);
    let progress: Vec<i16> = sqlx::query_scalar(
        "SELECT progress FROM processing_state WHERE id::text LIKE '%a_' ORDER BY id",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(progress, [100, 99, 0, 40, 40]);
    // What ended a year ago goes when its time is over.
    let before = "2026-06-01T00:00:00Z".parse().unwrap();
    fixture.store.delete_ended(before).await.unwrap();
    let left: Vec<String> = sqlx::query_scalar(
        "SELECT right(id::text, 2) FROM processing_state WHERE id::text LIKE '%a_' ORDER BY 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert_eq!(left, ["a1", "a2", "a3", "a4"]);
}

#[sqlx::test(migrations = false)]
async fn adopting_twice_is_told_and_changes_nothing(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    adopt(&options).await.unwrap();
    let before = whole(&pool).await;
    let again = adopt(&options).await.unwrap();
    assert_eq!((again.plan, again.migrated.applied), (None, vec![]));
    assert_eq!(owner(&options).plan_adoption(KEPT, TIME).await.unwrap().plan, None);
    assert_eq!(whole(&pool).await, before);
}

#[sqlx::test(migrations = false)]
async fn an_empty_database_is_migrated(_: PgPoolOptions, options: PgConnectOptions) {
    let adopted = adopt(&options).await.unwrap();
    assert_eq!(adopted.plan, None);
    assert!(adopted.migrated.applied.len() > 10);
}

#[sqlx::test(migrations = false)]
async fn of_two_that_adopt_at_once_one_does_and_the_other_has_nothing_to_adopt(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let _pool = app(pool, &options).await;
    let (one, other) = tokio::join!(adopt(&options), adopt(&options));
    let did = [one, other].map(|adopted| adopted.unwrap().plan.is_some());
    assert_eq!(did.iter().filter(|did| **did).count(), 1);
}

/// The app uses sqlx too, and has its own migrations in the table that ours share with it.
#[sqlx::test(migrations = false)]
async fn migrations_of_the_app_s_own_are_neither_ahead_nor_in_the_way(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "CREATE TABLE _sqlx_migrations (
             version bigint PRIMARY KEY, description text NOT NULL,
             installed_on timestamptz NOT NULL DEFAULT now(), success boolean NOT NULL,
             checksum bytea NOT NULL, execution_time bigint NOT NULL);
         INSERT INTO _sqlx_migrations VALUES (1, 'the app', now(), true, '\\x00', 0),
             (20270101123456, 'the app', now(), true, '\\x00', 0)",
    )
    .await;
    let adopted = adopt(&options).await.unwrap();
    assert_eq!(adopted.migrated.ahead, [] as [i64; 0]);
    assert_eq!(owner(&options).migrate(TIME).await.unwrap().ahead, [] as [i64; 0]);
    let schema = Fixture::new(options).await.store.schema().await.unwrap();
    assert_eq!((schema.unknown, schema.changed), (vec![], vec![]));
    assert_eq!(schema.newest, adopted.migrated.newest);
}

/// Who owns the tables, and is no superuser.
#[sqlx::test(migrations = false)]
async fn the_owner_of_the_tables_adopts_them(_: PgPoolOptions, options: PgConnectOptions) {
    let role = Role::new(&options, "owner", "").await;
    let name = &role.name;
    role.sql(&format!("GRANT CREATE, USAGE ON SCHEMA public TO \"{name}\"")).await;
    role.sql(&format!("SET ROLE \"{name}\"; {}; RESET ROLE", super::APP)).await;
    let adopted = adopt(&role.options()).await;
    let ended = adopted.map(|adopted| adopted.plan.map(|plan| plan.ended));
    role.goes().await;
    assert_eq!(ended.unwrap(), Some(2));
}

#[sqlx::test(migrations = false)]
async fn times_without_a_zone_are_taken_as_utc(pool: PgPoolOptions, options: PgConnectOptions) {
    let pool = app(pool, &options).await;
    adopt(&options).await.unwrap();
    let deadline = "to_jsonb(extract(epoch FROM deadline)::text)";
    let told = rows(&pool, "goals", deadline).await;
    assert_eq!(told.first(), Some(&json!("1798794000.123000")));
}

/// A key that is checked at the end, as Django makes it, stands in the way of the next statement
/// that changes the table, once a step has touched a row.
#[sqlx::test(migrations = false)]
async fn a_deferred_key_of_a_table_to_itself_keeps_nobody_from_adopting(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(
        &pool,
        "ALTER TABLE processing_state ADD FOREIGN KEY (original_process_id)
             REFERENCES processing_state (id) DEFERRABLE INITIALLY DEFERRED",
    )
    .await;
    assert!(adopt(&options).await.unwrap().plan.unwrap().ended > 0);
}

/// A column of the app's own that numbers itself: an insert of ours numbers it too.
#[sqlx::test(migrations = false)]
async fn who_is_let_in_may_number_what_the_app_numbers(
    pool: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = app(pool, &options).await;
    sql(&pool, "ALTER TABLE goals ADD \"the %s no\" serial; DROP TRIGGER goals_change ON goals")
        .await;
    adopt(&options).await.unwrap();
    let role = Role::new(&options, "own", "").await;
    let store =
        "INSERT INTO goals (id, user_id, title, description, deadline, background, updated_at)
                 SELECT gen_random_uuid(), user_id, 't', 'd', now(), 'b', now() FROM goals LIMIT 1";
    let theirs = PgPool::connect_with(role.options()).await.unwrap();
    let login = Login { role: role.name.clone(), proof: Proof::Given, access: Access::Work };
    owner(&role.superuser).let_in::<Chart>(&login).await.unwrap();
    sqlx::raw_sql(store).execute(&theirs).await.unwrap();
    theirs.close().await;
    role.goes().await;
}
