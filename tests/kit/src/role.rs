//! Working as the role that a function has in production.

use shared::{
    chart::Chart,
    store::{Access, Credentials, Login, Proof, SchemaOwner},
};
use sqlx::{AssertSqlSafe, PgPool, postgres::PgConnectOptions};

/// The database of `options` as a role that may do there what `access` says and nothing else: that
/// role is let in. Sessions begin as the superuser's, and are the role's from the first statement
/// on. The role is one for all tests, and stays with the server.
pub async fn as_role(options: &PgConnectOptions, access: Access) -> PgConnectOptions {
    let superuser = superuser(options);
    let role = format!("aigen-tests-{access:?}").to_lowercase();
    let pool = PgPool::connect_with(superuser.clone()).await.unwrap();
    // Another test may make it at the same moment.
    let make = format!(
        "DO $$ BEGIN CREATE ROLE \"{role}\" NOLOGIN;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    sqlx::raw_sql(AssertSqlSafe(make)).execute(&pool).await.unwrap();
    pool.close().await;
    let owner = SchemaOwner::new(Credentials::Given(Box::new(superuser.clone())));
    let login = Login { role: role.clone(), proof: Proof::Given, access };
    Box::pin(owner.let_in::<Chart>(&login)).await.unwrap();
    superuser.options([("role", role.as_str())])
}

/// How the superuser reaches the same database. The stack of the tests says how; by hand, whoever
/// runs the tests is one.
#[must_use]
pub fn superuser(options: &PgConnectOptions) -> PgConnectOptions {
    std::env::var("DATABASE_SUPERUSER_URL").map_or_else(
        |_| options.clone(),
        |url| {
            let superuser: PgConnectOptions = url.parse().unwrap();
            superuser.database(options.get_database().unwrap())
        },
    )
}
