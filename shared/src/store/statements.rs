//! What the database spends its time on: statements, where `pg_stat_statements` counts them, and
//! tables that are read from one end to the other.

use serde::Serialize;

use super::Store;
use crate::process::Failure;

/// Statements and tables that are told.
const MOST: i64 = 10;

/// A statement, without its values.
#[derive(Debug, Clone, PartialEq, Serialize, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Its first 300 characters.
    pub statement: String,
    /// How often it was executed.
    pub calls: i64,
    /// Milliseconds on average.
    pub mean_ms: f64,
    /// Milliseconds at most.
    pub max_ms: f64,
    /// Milliseconds in all.
    pub total_ms: f64,
}

/// How a table is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TableReads {
    /// Its name.
    pub table: String,
    /// Rows that it has, as the server estimates.
    pub rows: i64,
    /// How often it was read as a whole.
    pub whole_reads: i64,
    /// Rows that were read so.
    pub rows_read: i64,
    /// How often it was read by an index.
    pub index_reads: i64,
}

impl Store {
    /// The statements in our database that took most time since the server began to count. `None`:
    /// it does not count them.
    ///
    /// # Errors
    /// When the database fails, or its user may not read what it counts.
    pub async fn statements(&self) -> Result<Option<Vec<Statement>>, Failure> {
        let mut connection = self.database.connection().await?;
        let is_there = sqlx::query_scalar!(
            r#"SELECT to_regclass('pg_stat_statements') IS NOT NULL AS "is_there!""#
        )
        .fetch_one(&mut *connection)
        .await?;
        if !is_there {
            return Ok(None);
        }
        // It is not there where queries are checked, and need not be.
        let statements = sqlx::query_as(
            "SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 300) AS statement, calls,
                    mean_exec_time AS mean_ms, max_exec_time AS max_ms, total_exec_time AS total_ms
             FROM pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             ORDER BY total_exec_time DESC
             LIMIT $1",
        )
        .bind(MOST)
        .fetch_all(&mut *connection)
        .await?;
        Ok(Some(statements))
    }

    /// The tables of which most rows were read without an index, since the server began to count.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn table_reads(&self) -> Result<Vec<TableReads>, Failure> {
        let mut connection = self.database.connection().await?;
        sqlx::query_as!(
            TableReads,
            r#"
            SELECT relname::text AS "table!", n_live_tup AS "rows!", seq_scan AS "whole_reads!",
                   seq_tup_read AS "rows_read!", COALESCE(idx_scan, 0) AS "index_reads!"
            FROM pg_stat_user_tables
            WHERE seq_scan > 0
            ORDER BY seq_tup_read DESC
            LIMIT $1
            "#,
            MOST,
        )
        .fetch_all(&mut *connection)
        .await
        .map_err(Failure::from)
    }
}
