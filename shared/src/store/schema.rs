//! Whether the migrations of the database are those of this code.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;

use super::Store;
use crate::process::Failure;

/// The migrations that this code was written for.
pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../infra/migrations");

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
    /// Indexes of ours that are not there: somebody has dropped them, or a restore left them out.
    pub lost_indexes: Vec<String>,
}

/// What the migrations make for statements of ours to be served by, besides keys.
const INDEXES: [&str; 22] = [
    "goals_user",
    "processing_batch_process",
    "processing_event_process",
    "processing_queue_low",
    "processing_queue_normal",
    "processing_state_active",
    "processing_state_active_by_goal",
    "processing_state_broken_completed_at",
    "processing_state_broken_progress",
    "processing_state_ended",
    "processing_state_ended_badly",
    "processing_state_history",
    "processing_state_history_status",
    "processing_state_history_type",
    "processing_state_idempotency",
    "processing_state_one_active_per_target",
    "processing_state_one_retry",
    "processing_state_recent_durations",
    "processing_state_request_batch",
    "processing_state_waiting",
    "request_batch_created",
    "request_batch_idempotency",
];

/// An applied migration.
pub(super) struct Applied {
    version: i64,
    checksum: Vec<u8>,
    success: bool,
}

impl From<(i64, Vec<u8>, bool)> for Applied {
    fn from((version, checksum, success): (i64, Vec<u8>, bool)) -> Self {
        Self { version, checksum, success }
    }
}

/// Ours: version and checksum.
pub(super) fn ours() -> impl Iterator<Item = (i64, &'static [u8])> {
    MIGRATIONS.iter().map(|migration| (migration.version, &migration.checksum[..]))
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
        // An app that uses sqlx too has its own there.
        let rows: Vec<_> = rows.into_iter().filter(|row| adopt::is_ours(row.version)).collect();
        let applied_at = rows.iter().map(|row| row.installed_on).max();
        let applied: Vec<_> = rows
            .into_iter()
            .map(|row| Applied {
                version: row.version,
                checksum: row.checksum,
                success: row.success,
            })
            .collect();
        let names: Vec<_> = INDEXES.iter().map(|name| (*name).to_owned()).collect();
        let lost_indexes = sqlx::query_scalar!(
            r#"
            SELECT name AS "name!"
            FROM unnest($1::text[]) name
            WHERE to_regclass(name) IS NULL
            "#,
            &names
        )
        .fetch_all(&mut *connection)
        .await?;
        Ok(Schema { applied_at, lost_indexes, ..compare(&applied, &ours().collect()) })
    }
}

/// The statement that makes the index `name` anew without keeping others from writing meanwhile:
/// what the newest migration that makes it says. `None`: none of ours is called so.
#[must_use]
pub fn statement_of_index(name: &str) -> Option<String> {
    let statements = MIGRATIONS.iter().flat_map(|migration| migration.sql.as_str().split(';'));
    let mut made = statements.filter_map(|statement| {
        let begins = statement.find("CREATE INDEX ").or(statement.find("CREATE UNIQUE INDEX "))?;
        let (before, after) = statement.get(begins..)?.split_once(" INDEX ")?;
        let is_it = after.split_whitespace().next() == Some(name);
        let words: Vec<_> = after.split_whitespace().collect();
        is_it.then(|| format!("{before} INDEX CONCURRENTLY {}", words.join(" ")))
    });
    made.next_back()
}

pub(super) fn compare(applied: &[Applied], ours: &BTreeMap<i64, &[u8]>) -> Schema {
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
        lost_indexes: Vec::new(),
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
                lost_indexes: Vec::new(),
            }
        );
        let same = [applied(1, b"a", true), applied(2, b"b", true), applied(3, b"c", true)];
        assert_eq!(compare(&same, &ours), Schema { newest: 3, ..Schema::default() });
        assert_eq!(compare(&[], &ours).missing, [1, 2, 3]);
    }

    #[sqlx::test(migrations = "../infra/migrations")]
    async fn the_indexes_that_are_looked_for_are_those_that_the_migrations_make(
        pool: sqlx::PgPool,
    ) {
        let made: Vec<String> = sqlx::query_scalar(
            "SELECT indexname::text FROM pg_indexes
             WHERE schemaname = 'public' AND indexname NOT IN (SELECT conname FROM pg_constraint)
             ORDER BY indexname COLLATE \"C\"",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(made, INDEXES);
    }

    #[sqlx::test(migrations = "../infra/migrations")]
    async fn an_index_that_was_lost_is_made_again_as_it_was(pool: sqlx::PgPool) {
        let definition = async |name: &'static str| -> String {
            let select = "SELECT indexdef FROM pg_indexes WHERE indexname = $1";
            sqlx::query_scalar(select).bind(name).fetch_one(&pool).await.unwrap()
        };
        for name in INDEXES {
            let before = definition(name).await;
            let again = statement_of_index(name).expect(name);
            for statement in [format!("DROP INDEX {name}"), again] {
                let statement = sqlx::AssertSqlSafe(statement);
                sqlx::raw_sql(statement).execute(&pool).await.unwrap();
            }
            assert_eq!(definition(name).await, before);
        }
        assert_eq!(statement_of_index("no_such_index"), None);
    }
}
