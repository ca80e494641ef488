//! What a cell has changed: everything that is stored, before it and after.

use serde_json::Value;
use sqlx::AssertSqlSafe;
use test_kit::Fixture;

use crate::situation::process;

/// Every row of every table, by table.
#[derive(Debug, Clone, PartialEq)]
pub struct Dump(Value);

impl Dump {
    /// The statement that reads it.
    pub async fn statement(fixture: &Fixture) -> String {
        let tables: String = sqlx::query_scalar(
            "SELECT string_agg(
                 format(
                     '%L, (SELECT COALESCE(jsonb_agg(to_jsonb(it) ORDER BY to_jsonb(it)::text),
                                           ''[]'') FROM %I it)',
                     tablename, tablename
                 ), ', ' ORDER BY tablename
             )
             FROM pg_tables
             WHERE schemaname = 'public'
               AND tablename NOT IN ('_sqlx_migrations', 'request_batch')",
        )
        .fetch_one(&fixture.pool)
        .await
        .unwrap();
        format!("SELECT jsonb_build_object({tables})")
    }

    /// What `statement` reads now.
    pub async fn of(fixture: &Fixture, statement: &str) -> Self {
        let all = sqlx::query_scalar(AssertSqlSafe(statement.to_owned()));
        Self(all.fetch_one(&fixture.pool).await.unwrap())
    }

    /// What belongs to the process: its row, and whatever names it.
    pub fn own(&self) -> Vec<(&str, &Value)> {
        let id = process().to_string();
        let is_own = |row: &&Value| row["id"] == id.as_str() || row["process_id"] == id.as_str();
        let mut own = Vec::new();
        for (table, rows) in self.0.as_object().unwrap() {
            own.extend(
                rows.as_array().unwrap().iter().filter(is_own).map(|row| (table.as_str(), row)),
            );
        }
        own
    }

    /// Where the process stands; `None`: it has no row.
    pub fn status(&self) -> Option<String> {
        let id = process().to_string();
        let rows = self.0["processing_state"].as_array().unwrap();
        let row = rows.iter().find(|row| row["id"] == id.as_str())?;
        row["status"].as_str().map(str::to_owned)
    }

    /// The kinds of the events of the process that were not there in `before`, oldest first.
    pub fn history_since(&self, before: &Self) -> Vec<String> {
        let events = |dump: &Self| -> Vec<(i64, String)> {
            let own = dump.own().into_iter().filter(|(table, _)| *table == "processing_event");
            let named = own.map(|(_, row)| {
                (row["id"].as_i64().unwrap(), row["kind"].as_str().unwrap().to_owned())
            });
            named.collect()
        };
        let known = events(before);
        let mut new: Vec<_> =
            events(self).into_iter().filter(|event| !known.contains(event)).collect();
        new.sort();
        new.into_iter().map(|(_, kind)| kind).collect()
    }
}
