//! More environments than the database has connections for.

use futures_util::future::join_all;
use shared::store::{Credentials, Database, Store};
use sqlx::{
    AssertSqlSafe,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use test_kit::Fixture;

/// So many connections the database may have.
const LIMIT: usize = 20;

/// The fixture, whose own pool has one connection, and environments.
async fn crowd(options: PgConnectOptions, environments: usize) -> (Fixture, Vec<Store>) {
    let fixture = Fixture::new(options.clone()).await;
    let database = options.get_database().unwrap();
    fixture.sql(&format!("ALTER DATABASE \"{database}\" CONNECTION LIMIT {LIMIT}")).await;
    let store = || Store::new(Database::new(Credentials::Given(Box::new(options.clone()))));
    let stores = (0..environments).map(|_| store()).collect();
    (fixture, stores)
}

async fn connections(fixture: &Fixture) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()",
    ))
    .fetch_one(&fixture.pool)
    .await
    .unwrap()
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn twice_as_many_environments_as_connections_are_all_served(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let (fixture, environments) = crowd(options, 2 * LIMIT).await;
    for _ in 0..3 {
        let calls = environments.iter().map(Store::schema_version);
        let refused: Vec<_> = join_all(calls).await.into_iter().filter_map(Result::err).collect();
        assert!(refused.is_empty(), "{refused:?}");
    }
    // Who came late keeps none; a quarter is left for whoever comes next.
    let kept = connections(&fixture).await;
    assert!(kept <= i64::try_from(LIMIT * 3 / 4).unwrap() + 2, "{kept}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn where_there_is_room_a_connection_is_kept(_: PgPoolOptions, options: PgConnectOptions) {
    let (fixture, environments) = crowd(options, 5).await;
    let before = connections(&fixture).await;
    for _ in 0..3 {
        join_all(environments.iter().map(Store::schema_version)).await;
    }
    assert_eq!(connections(&fixture).await, before + 5);
}
