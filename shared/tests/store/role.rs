//! Roles of the server for tests of what each may do.

use sqlx::{AssertSqlSafe, Executor, PgPool, postgres::PgConnectOptions};
use test_kit::superuser;

/// A role of the server that is there for one test. Sessions of it begin as the superuser, and are
/// its own from the first statement on.
pub struct Role {
    pub name: String,
    pub superuser: PgConnectOptions,
    pub pool: PgPool,
}

impl Role {
    pub async fn new(options: &PgConnectOptions, what: &str, attributes: &str) -> Self {
        let superuser = superuser(options);
        let pool = PgPool::connect_with(superuser.clone()).await.unwrap();
        // A name has 63 characters at the most, and the database's ends with what is its own.
        let database = options.get_database().unwrap();
        let name = format!("{what}{}", &database[database.len() - 50..]);
        let role = Self { name, superuser, pool };
        role.sql(&format!("DROP ROLE IF EXISTS \"{}\"", role.name)).await;
        role.sql(&format!("CREATE ROLE \"{}\" NOLOGIN {attributes}", role.name)).await;
        role
    }

    /// One of the same server and database that is not there yet. The test's name makes the
    /// database's, and a run that failed leaves its role behind.
    pub async fn to_be_made(beside: &Self, what: &str) -> Self {
        let (superuser, pool) = (beside.superuser.clone(), beside.pool.clone());
        let end = &beside.name[beside.name.len() - 50..];
        let role = Self { name: format!("{what}{end}"), superuser, pool };
        role.sql(&format!("DROP ROLE IF EXISTS \"{}\"", role.name)).await;
        role
    }

    pub async fn sql(&self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.pool).await.unwrap();
    }

    pub fn options(&self) -> PgConnectOptions {
        self.superuser.clone().options([("role", self.name.as_str())])
    }

    pub async fn goes(self) {
        let Self { name, .. } = &self;
        self.sql(&format!("DROP OWNED BY \"{name}\" CASCADE; DROP ROLE \"{name}\"")).await;
    }
}

/// Why the statement is refused, as a SQLSTATE.
pub async fn refused(pool: &PgPool, sql: &str) -> Option<String> {
    let error = pool.execute(AssertSqlSafe(sql.to_owned())).await.err()?;
    Some(error.as_database_error()?.code()?.into_owned())
}
