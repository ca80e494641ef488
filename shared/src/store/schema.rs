//! Whether the migrations of the database are those of this code.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;

use super::Store;
use crate::process::Failure;

/// The migrations that this code was written for.
static MIGRATIONS: Migrator = sqlx::migrate!("../infra/migrations");

/// How the database's migrations compare to ours, by their versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The newest that has been applied; 0: none.
    pub newest: i64,
    /// When the last was applied.
    pub applied_at: Option<DateTime<Utc>>,
    /// Ours that have not been applied.
    pub missing: Vec<i64>,
    /// Applied ones that this code does not know: the database is ahead of it.
    pub unknown: Vec<i64>,
    /// Those whose text was another when they were applied.
    pub changed: Vec<i64>,
    /// Those that were begun and did not end well.
    pub failed: Vec<i64>,
}

/// An applied migration.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

impl Store {
    /// The migrations of the database beside ours.
    ///
    /// # Errors
    /// When the database fails, or has no schema yet.
    pub async fn schema(&self) -> Result<Schema, Failure> {
        let mut connection = self.database.connection().await?;
        let rows = sqlx::query!(
            r#"
            SELECT version AS "version!", checksum AS "checksum!", success AS "success!",
                   installed_on AS "installed_on!"
            FROM _sqlx_migrations
            ORDER BY version
            "#
        )
        .fetch_all(&mut *connection)
        .await?;
        let applied_at = rows.iter().map(|row| row.installed_on).max();
        let applied: Vec<_> = rows
            .into_iter()
            .map(|row| Applied {
                version: row.version,
                checksum: row.checksum,
                success: row.success,
            })
            .collect();
        let ours = MIGRATIONS.iter().map(|migration| (migration.version, &migration.checksum[..]));
        Ok(Schema { applied_at, ..compare(&applied, &ours.collect()) })
    }
}

fn compare(applied: &[Applied], ours: &BTreeMap<i64, &[u8]>) -> Schema {
    let versions = |holds: &dyn Fn(&Applied) -> bool| -> Vec<i64> {
        applied.iter().filter(|row| holds(row)).map(|row| row.version).collect()
    };
    let is_applied = |version: &i64| applied.iter().any(|row| row.version == *version);
    Schema {
        newest: applied.iter().filter(|row| row.success).map(|row| row.version).max().unwrap_or(0),
        applied_at: None,
        missing: ours.keys().copied().filter(|version| !is_applied(version)).collect(),
        unknown: versions(&|row| !ours.contains_key(&row.version)),
        changed: versions(&|row| {
            ours.get(&row.version).is_some_and(|checksum| *checksum != &row.checksum[..])
        }),
        failed: versions(&|row| !row.success),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(version: i64, checksum: &[u8], success: bool) -> Applied {
        Applied { version, checksum: checksum.to_vec(), success }
    }

    #[test]
    fn missing_unknown_changed_and_failed_migrations_are_told_apart() {
        let ours = BTreeMap::from([(1, &b"a"[..]), (2, b"b"), (3, b"c")]);
        let rows = [
            applied(1, b"a", true),
            applied(2, b"other", true),
            applied(7, b"new", true),
            applied(8, b"half", false),
        ];
        assert_eq!(
            compare(&rows, &ours),
            Schema {
                newest: 7,
                applied_at: None,
                missing: vec![3],
                unknown: vec![7, 8],
                changed: vec![2],
                failed: vec![8],
            }
        );
        let same = [applied(1, b"a", true), applied(2, b"b", true), applied(3, b"c", true)];
        assert_eq!(compare(&same, &ours), Schema { newest: 3, ..Schema::default() });
        assert_eq!(compare(&[], &ours).missing, [1, 2, 3]);
    }
}
