//! The connection against a real Postgres, a fresh database per test.

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::Mutex;

use super::*;
use crate::process::ErrorCode;

struct Environment {
    opener: Opener,
    slot: Mutex<Connection>,
}

impl Environment {
    fn new(options: PgConnectOptions, pooling: Pooling) -> Self {
        let limits = Limits::of_call(Duration::from_secs(9));
        Self {
            opener: Opener::new(Credentials::Given(Box::new(options))),
            slot: Mutex::new(Connection::new(pooling, limits)),
        }
    }

    async fn connection(&self) -> Held<'_> {
        let deadline = Instant::now() + Duration::from_secs(9);
        Held::take(&self.slot, &self.opener, deadline).await.unwrap()
    }

    async fn text(&self, sql: &'static str) -> String {
        sqlx::query_scalar(sql).fetch_one(&mut *self.connection().await).await.unwrap()
    }

    async fn failure(&self, sql: &'static str) -> Failure {
        let mut connection = self.connection().await;
        sqlx::query(sql).bind("x").execute(&mut *connection).await.unwrap_err().into()
    }
}

const SETTINGS: &str = "SELECT concat_ws(' ', current_setting('statement_timeout'),
    current_setting('lock_timeout'), current_setting('idle_session_timeout'),
    current_setting('plan_cache_mode'))";
const PREPARED: &str = "SELECT count(*)::text FROM pg_prepared_statements";

// aws.md 4, perf.md 3
#[sqlx::test]
async fn a_session_has_time_limits_and_plans_once(_: PgPoolOptions, options: PgConnectOptions) {
    let environment = Environment::new(options, Pooling::Session);
    assert_eq!(environment.text(SETTINGS).await, "8s 4s 2min force_generic_plan");
    assert_eq!(environment.text(PREPARED).await, "2");
}

// protocol.md B3, world.md 15, aws.md 15
#[sqlx::test]
async fn behind_a_transaction_pooler_nothing_is_left_in_the_session(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let environment = Environment::new(options, Pooling::Transaction);
    assert_eq!(environment.text(SETTINGS).await, "8s 4s 0 auto");
    environment.failure("SELECT $1::int").await;
    assert_eq!(environment.text(PREPARED).await, "0");
    // Looked at outside the transactions that a statement of ours is put into.
    let mut connection = environment.connection().await;
    let settings: String =
        sqlx::query_scalar(SETTINGS).fetch_one(connection.inner().unwrap()).await.unwrap();
    assert_eq!(settings, "0 0 0 auto");
}

#[sqlx::test]
async fn a_statement_behind_a_pooler_is_committed_or_rolled_back_whole(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let pool = PgPool::connect_with(options.clone()).await.unwrap();
    pool.execute("CREATE TABLE kept (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)").await.unwrap();
    let environment = Environment::new(options, Pooling::Transaction);
    let insert = async |number: i32| -> Result<Vec<i32>, sqlx::Error> {
        let mut connection = environment.connection().await;
        sqlx::query_scalar("INSERT INTO kept SELECT $1 RETURNING n")
            .bind(number)
            .fetch_all(&mut *connection)
            .await
    };
    assert_eq!(insert(1).await.unwrap(), [1]);
    // The row was returned, and the commit refused.
    let refused = Failure::from(insert(1).await.unwrap_err());
    assert_eq!(refused.code, ErrorCode::DatabaseConstraintViolation);
    assert_eq!(insert(2).await.unwrap(), [2]);
    let kept: Vec<i32> =
        sqlx::query_scalar("SELECT n FROM kept ORDER BY n").fetch_all(&pool).await.unwrap();
    assert_eq!(kept, [1, 2]);
}

// security.md S8
#[sqlx::test]
async fn data_that_cannot_be_stored_is_a_defect_of_ours_and_named_in_words(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let environment = Environment::new(options, Pooling::Session);
    let pid = environment.text("SELECT pg_backend_pid()::text").await;
    let failure = environment.failure("SELECT $1::int").await;
    assert_eq!(failure.code, ErrorCode::InternalError);
    assert!(failure.cause.contains("22P02 (text cannot be read as its type)"), "{failure}");
    let failure = environment.failure("SELECT $1::text::date, '-9999-01-01'::date").await;
    assert_eq!(failure.code, ErrorCode::InternalError);
    // The connection had no part in that.
    assert_eq!(environment.text("SELECT pg_backend_pid()::text").await, pid);
}

#[sqlx::test]
async fn after_an_error_that_says_little_about_the_session_a_new_one_is_made(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let environment = Environment::new(options, Pooling::Session);
    let pid = environment.text("SELECT pg_backend_pid()::text").await;
    environment.failure("SELECT pg_terminate_backend(pg_backend_pid()), $1::text").await;
    let second = environment.text("SELECT pg_backend_pid()::text").await;
    assert_ne!(second, pid);
    // What a session has prepared does not fit any more: 0A000 until it ends.
    environment.text("SELECT 'x'").await;
    let failure = environment
        .failure("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '0A000'; END $$; -- $1")
        .await;
    assert!(failure.cause.contains("0A000"), "{failure}");
    assert_ne!(environment.text("SELECT pg_backend_pid()::text").await, second);
}
