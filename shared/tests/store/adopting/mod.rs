//! Adopting the database of an app that has tables of our names already.

mod carried_out;
mod in_the_way;

use serde_json::Value;
use shared::{
    process::{Failure, Retention},
    store::{Adopted, AdoptionPlan},
};
use sqlx::{
    AssertSqlSafe, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::migrating::{TIME, owner};

const APP: &str = include_str!("app.sql");
/// For how long processes are kept, unless a test says otherwise: for ever.
const KEPT: Retention = Retention::days(0);

pub async fn sql(pool: &PgPool, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}

/// The app's database, and a way to look into it.
pub async fn app(pool: PgPoolOptions, options: &PgConnectOptions) -> PgPool {
    let pool = pool.connect_with(options.clone()).await.unwrap();
    sql(&pool, APP).await;
    pool
}

pub async fn look(options: &PgConnectOptions) -> AdoptionPlan {
    owner(options).plan_adoption(KEPT, TIME).await.unwrap().plan.unwrap()
}

pub async fn adopt(options: &PgConnectOptions) -> Result<Adopted, Failure> {
    owner(options).adopt(KEPT, TIME).await
}

/// All that can be told of a database: every column, constraint, index, trigger, function and view
/// of the schema, and every row of every table.
pub async fn whole(pool: &PgPool) -> Vec<(String, Value)> {
    let mut all: Vec<(String, Value)> = sqlx::query_as(
        "SELECT 'catalog', to_jsonb(said) FROM (
             SELECT attrelid::regclass::text || '.' || attname || ' '
                    || format_type(atttypid, atttypmod)
                    || ' ' || attnotnull
                    || COALESCE(' DEFAULT ' || pg_get_expr(adbin, adrelid), '') AS said
             FROM pg_attribute
             JOIN pg_class ON pg_class.oid = attrelid AND relnamespace = 'public'::regnamespace
             LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
             WHERE attnum > 0 AND NOT attisdropped
             UNION ALL
             SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace
             UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
             UNION ALL
             SELECT pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger WHERE NOT tgisinternal
             UNION ALL SELECT definition FROM pg_views WHERE schemaname = 'public'
             UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace
         ) everything ORDER BY said",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    for table in tables {
        let rows = rows(pool, &table, "to_jsonb(t)").await;
        all.extend(rows.into_iter().map(|row| (table.clone(), row)));
    }
    all
}

/// The rows of a table, by this expression of them.
pub async fn rows(pool: &PgPool, table: &str, expression: &str) -> Vec<Value> {
    let select = format!("SELECT {expression} AS row FROM {table} t ORDER BY 1");
    sqlx::query_scalar(AssertSqlSafe(select)).fetch_all(pool).await.unwrap()
}
