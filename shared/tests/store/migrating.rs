//! The schema's owner: applying the migrations to a database in any state.

use std::time::Duration;

use shared::{
    chart::Chart,
    process::{ErrorCode, Failure},
    store::{Access, Credentials, Login, Migrated, Proof, SchemaOwner},
};
use sqlx::{
    AssertSqlSafe, Executor, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::role::Role;

pub const TIME: Duration = Duration::from_mins(1);

pub fn owner(options: &PgConnectOptions) -> SchemaOwner {
    SchemaOwner::new(Credentials::Given(Box::new(options.clone())))
}

async fn migrate(options: &PgConnectOptions) -> Result<Migrated, Failure> {
    owner(options).migrate(TIME).await
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

/// It may use the schema and not make tables in it, as from `PostgreSQL` 15 on.
#[sqlx::test(migrations = "../infra/migrations")]
async fn where_nothing_is_to_be_applied_no_right_to_make_tables_is_needed(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let role = Role::new(&options, "role", "").await;
    let given = Login { role: role.name.clone(), proof: Proof::Given, access: Access::Shared };
    owner(&role.superuser).let_in::<Chart>(&given).await.unwrap();
    assert_eq!(migrate(&role.options()).await.unwrap().applied, [] as [i64; 0]);
    role.goes().await;
}
