//! The schema's owner: applying the migrations to a database in any state, and letting the
//! functions' role in to what they need and no further.

use std::time::Duration;

use shared::{
    chart::Chart,
    process::{ErrorCode, Failure, Status},
    store::{Credentials, Login, Migrated, SchemaOwner},
};
use sqlx::{
    AssertSqlSafe, Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::Fixture;

const TIME: Duration = Duration::from_mins(1);

fn owner(options: &PgConnectOptions) -> SchemaOwner {
    SchemaOwner::new(Credentials::Given(Box::new(options.clone())))
}

async fn migrate(options: &PgConnectOptions) -> Result<Migrated, Failure> {
    owner(options).migrate(TIME).await
}

/// How the superuser reaches the same database. The stack of the tests says how; by hand, whoever
/// runs the tests is one.
fn superuser(options: &PgConnectOptions) -> PgConnectOptions {
    std::env::var("DATABASE_SUPERUSER_URL").map_or_else(
        |_| options.clone(),
        |url| {
            let superuser: PgConnectOptions = url.parse().unwrap();
            superuser.database(options.get_database().unwrap())
        },
    )
}

/// A role of the server that is there for one test. Sessions of it begin as the superuser, and are
/// its own from the first statement on.
struct Role {
    name: String,
    superuser: PgConnectOptions,
    pool: PgPool,
}

impl Role {
    async fn new(options: &PgConnectOptions, what: &str, attributes: &str) -> Self {
        let superuser = superuser(options);
        let pool = PgPool::connect_with(superuser.clone()).await.unwrap();
        // A name has 63 characters at the most, and the database's ends with what is its own.
        let database = options.get_database().unwrap();
        let name = format!("{what}{}", &database[database.len() - 50..]);
        let role = Self { name, superuser, pool };
        // The test's name makes the database's, and a run that failed leaves its role behind.
        role.sql(&format!("DROP ROLE IF EXISTS \"{}\"", role.name)).await;
        role.sql(&format!("CREATE ROLE \"{}\" NOLOGIN {attributes}", role.name)).await;
        role
    }

    /// The same server and database.
    fn of(other: &Self) -> Self {
        let Self { name, superuser, pool } = other;
        Self { name: name.clone(), superuser: superuser.clone(), pool: pool.clone() }
    }

    async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    fn options(&self) -> PgConnectOptions {
        self.superuser.clone().options([("role", self.name.as_str())])
    }

    async fn goes(self) {
        let Self { name, .. } = &self;
        self.sql(&format!("DROP OWNED BY \"{name}\" CASCADE; DROP ROLE \"{name}\"")).await;
    }
}

/// Why the statement is refused, as a SQLSTATE.
async fn refused(pool: &PgPool, sql: &'static str) -> Option<String> {
    let error = pool.execute(sql).await.err()?;
    Some(error.as_database_error()?.code()?.into_owned())
}

#[sqlx::test(migrations = false)]
async fn an_empty_database_gets_all_and_a_whole_one_nothing(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let planned = owner(&options).plan().await.unwrap();
    assert!(planned.applied.len() > 10 && planned.ahead.is_empty(), "{planned:?}");
    assert_eq!(planned.applied.last(), Some(&planned.newest));
    assert_eq!(migrate(&options).await.unwrap(), planned);
    assert_eq!(migrate(&options).await.unwrap().applied, [] as [i64; 0]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_database_that_is_ahead_is_left_as_it_is_and_told_of(pool: PgPool) {
    let options = pool.connect_options();
    pool.execute(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (29991231000000, 'of a newer version', true, '\\x00', 0)",
    )
    .await
    .unwrap();
    let migrated = migrate(&options).await.unwrap();
    assert_eq!((migrated.applied, migrated.ahead), (vec![], vec![29_991_231_000_000]));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_was_changed_or_did_not_end_is_named_and_nothing_is_applied(pool: PgPool) {
    let options = pool.connect_options();
    for (change, word) in
        [("checksum = '\\x00'", "was changed"), ("success = false", "did not end")]
    {
        let of_first = "version = (SELECT min(version) FROM _sqlx_migrations)";
        let update = format!("UPDATE _sqlx_migrations SET {change} WHERE {of_first}");
        pool.execute("CREATE TABLE kept AS TABLE _sqlx_migrations").await.unwrap();
        pool.execute(AssertSqlSafe(update)).await.unwrap();
        let failure = migrate(&options).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::InternalError);
        assert!(failure.cause.contains(word), "{}", failure.cause);
        let back = "TRUNCATE _sqlx_migrations; INSERT INTO _sqlx_migrations TABLE kept;
                    DROP TABLE kept";
        sqlx::raw_sql(back).execute(&pool).await.unwrap();
    }
}

#[sqlx::test(migrations = false)]
async fn a_right_that_is_missing_is_named(_: PgPoolOptions, options: PgConnectOptions) {
    let role = Role::new(&options, "role", "").await;
    let failure = migrate(&role.options()).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseError);
    for word in ["42501", "permission denied for schema public", "must own the tables"] {
        assert!(failure.cause.contains(word), "{}", failure.cause);
    }
    role.goes().await;
}

/// As the master user of RDS is: no superuser, but one who may make roles, and what there is in the
/// database is its own.
#[sqlx::test(migrations = false)]
async fn the_functions_role_does_all_their_work_and_cannot_rewrite_a_history(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let master = Role::new(&options, "master", "CREATEROLE").await;
    let role = Role { name: master.name.replacen("master", "role", 1), ..Role::of(&master) };
    role.sql(&format!("DROP ROLE IF EXISTS \"{}\"", role.name)).await;
    master.sql(&format!("GRANT CREATE ON SCHEMA public TO \"{}\"", master.name)).await;
    let owner = owner(&master.options());
    owner.migrate(TIME).await.unwrap();
    let login = Login { role: role.name.clone(), verifier: Some("a password".to_owned()) };
    let sees_sessions = owner.let_in::<Chart>(&login).await.unwrap();
    assert!(!sees_sessions, "nobody has let the owner give that right");
    role.sql("CREATE TABLE of_the_app (id int)").await;
    // What a hand has given is taken back with the next deployment.
    role.sql(&format!("GRANT ALL ON processing_event TO \"{}\"", role.name)).await;
    owner.let_in::<Chart>(&login).await.unwrap();
    // A table of ours that it was not given would fail a function in the middle of its work.
    let closed: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables
         WHERE schemaname = 'public'
           AND NOT has_table_privilege($1, format('%I.%I', schemaname, tablename), 'SELECT')",
    )
    .bind(&role.name)
    .fetch_all(&role.pool)
    .await
    .unwrap();
    assert_eq!(closed, ["of_the_app"]);
    let fixture = Fixture::new(role.options()).await;
    for (number, status) in (1..).zip(Status::ALL) {
        fixture.in_status(number, *status).await;
        let of_another = "UPDATE processing_state
                          SET target_id = id, goal_id = id, holds = ARRAY[id]";
        fixture.sql(of_another).await;
        fixture.sql("DELETE FROM goals").await;
    }
    assert!(fixture.store.schema().await.unwrap().missing.is_empty());
    assert!(fixture.count("processing_event").await > 10);
    for (sql, why) in [
        ("UPDATE processing_event SET actor = 'user'", "a history that is rewritten"),
        ("TRUNCATE processing_event", "one that is emptied"),
        ("SELECT FROM of_the_app", "the app's own table"),
        ("DELETE FROM _sqlx_migrations", "the migrations"),
        ("CREATE TABLE mine (id int)", "a table of its own"),
        ("ALTER TABLE goals ADD COLUMN x int", "the schema"),
    ] {
        assert_eq!(refused(&fixture.pool, sql).await.as_deref(), Some("42501"), "{why}");
    }
    fixture.pool.close().await;
    drop(fixture);
    role.goes().await;
    master.goes().await;
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn the_owner_itself_is_no_role_for_functions(_: PgPoolOptions, options: PgConnectOptions) {
    let login = Login { role: options.get_username().to_owned(), verifier: Some("x".to_owned()) };
    let failure = owner(&options).let_in::<Chart>(&login).await.unwrap_err();
    assert!(failure.cause.contains("another role"), "{}", failure.cause);
}

/// Roles are the whole server's: `aigen` may be production's, in another database.
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_role_of_somebody_else_keeps_its_password_and_gets_rights_only_if_its_secret_was_given(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let role = Role::new(&options, "other", "PASSWORD 'of its own'").await;
    let owner = owner(&role.superuser);
    let password = async || -> Option<String> {
        sqlx::query_scalar("SELECT rolpassword FROM pg_authid WHERE rolname = $1")
            .bind(&role.name)
            .fetch_one(&role.pool)
            .await
            .unwrap()
    };
    let before = password().await;
    let made = Login { role: role.name.clone(), verifier: Some("new".to_owned()) };
    let failure = owner.let_in::<Chart>(&made).await.unwrap_err();
    assert!(failure.cause.contains("another DatabaseUser"), "{}", failure.cause);
    let fixture = Fixture::new(role.options()).await;
    assert_eq!(refused(&fixture.pool, "SELECT FROM goals").await.as_deref(), Some("42501"));
    let given = Login { role: role.name.clone(), verifier: None };
    owner.let_in::<Chart>(&given).await.unwrap();
    assert_eq!(refused(&fixture.pool, "SELECT FROM goals").await, None);
    assert_eq!(password().await, before);
    let nobody = Login { role: "nobody at all".to_owned(), verifier: None };
    assert!(owner.let_in::<Chart>(&nobody).await.unwrap_err().cause.contains("no role"));
    fixture.pool.close().await;
    drop(fixture);
    role.goes().await;
}

/// It may use the schema and not make tables in it, as from `PostgreSQL` 15 on.
#[sqlx::test(migrations = "../infra/migrations")]
async fn where_nothing_is_to_be_applied_no_right_to_make_tables_is_needed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let role = Role::new(&options, "role", "").await;
    let given = Login { role: role.name.clone(), verifier: None };
    owner(&role.superuser).let_in::<Chart>(&given).await.unwrap();
    assert_eq!(migrate(&role.options()).await.unwrap().applied, [] as [i64; 0]);
    role.goes().await;
}
