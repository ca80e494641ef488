//! What a caller hears when the database fails, each way provoked for real.

use shared::{
    process::ErrorCode,
    store::{Credentials, Database, Store},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use test_kit::{Fixture, submission};

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_statement_that_fails_is_a_database_error(_: PgPoolOptions, options: PgConnectOptions) {
    let fixture = Fixture::new(options).await;
    fixture.sql("ALTER TABLE processing_event RENAME TO gone").await;
    let failure = fixture.store.submit(&submission(1, "hanako")).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseError);
    assert!(failure.cause.contains("42P01") && !failure.cause.contains("INSERT"), "{failure}");
    assert_eq!(fixture.count("processing_state").await, 0);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_constraint_that_refuses_is_named_without_the_data(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let fixture = Fixture::new(options).await;
    fixture
        .sql("ALTER TABLE processing_state ADD CONSTRAINT no_hanako CHECK (user_id <> 'hanako')")
        .await;
    let failure = fixture.store.submit(&submission(1, "hanako")).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConstraintViolation);
    assert!(
        failure.cause.contains("no_hanako") && !failure.cause.contains("マラソン"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_is_a_connection_error() {
    // Nothing listens on the discard port.
    let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(9);
    let store = Store::new(Database::new(Credentials::Given(Box::new(options))));
    assert_eq!(store.schema_version().await.unwrap_err().code, ErrorCode::DatabaseConnectionError);
}
