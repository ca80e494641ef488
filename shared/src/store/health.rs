//! What the health check asks the database.

use super::Store;
use crate::process::Failure;

impl Store {
    /// The version of the newest migration that has been applied: proof that the database answers
    /// and has our schema.
    ///
    /// # Errors
    /// When the database fails, or has no schema yet.
    pub async fn schema_version(&self) -> Result<i64, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_scalar!(
            r#"SELECT COALESCE(max(version), 0) AS "version!" FROM _sqlx_migrations WHERE success"#
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
