//! What adopting a database comes to: what is in its way, what is done, what is worth knowing.

use serde::{Deserialize, Serialize};

/// What adopting would do, or has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// What has to be put right before. While there is one, nothing is done.
    pub obstacles: Vec<Obstacle>,
    /// What is done, in order.
    pub steps: Vec<Step>,
    /// What stays as it is, and is worth knowing.
    pub notes: Vec<Note>,
    /// The rows of each table that is adopted: all of them stay.
    pub kept: Vec<Kept>,
    /// How many active processes are ended, because nobody drives them any more.
    pub ended: i64,
}

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Obstacle {
    /// The table.
    pub table: String,
    /// The column, where it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// How many rows are concerned, and the ids of up to five of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
}

/// Rows that are in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// All of them.
    pub count: i64,
    /// The ids of up to five.
    pub ids: Vec<String>,
}

/// Something that is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The table.
    pub table: String,
    /// What is done, as a sentence.
    pub what: String,
    /// By which statement.
    pub sql: String,
    /// When: steps of all tables are taken by phases.
    #[serde(skip)]
    pub(crate) phase: Phase,
}

/// When a step is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Tables,
    Columns,
    Rows,
    NotNull,
    Constraints,
    ForeignKeys,
    Indexes,
    Comments,
}

/// Something that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The table.
    pub table: String,
    /// What it is, and what follows.
    pub what: String,
}

/// A table that is adopted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// The table.
    pub table: String,
    /// Its rows.
    pub rows: i64,
}

/// What is to be asked of rows: those that it finds are in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) obstacle: Obstacle,
    /// Gives the count, and up to five ids.
    pub(crate) sql: String,
}

impl Plan {
    /// Whether it can be carried out.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.obstacles.is_empty()
    }

    /// As lines, obstacles first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for obstacle in &self.obstacles {
            lines.push(format!("IN THE WAY  {obstacle}"));
        }
        for kept in &self.kept {
            let rows = crate::text::counted(kept.rows, "row");
            lines.push(format!("KEPT  {}: {rows}", kept.table));
        }
        for step in &self.steps {
            lines.push(format!("STEP  {}: {}", step.table, step.what));
        }
        for note in &self.notes {
            lines.push(format!("NOTE  {}: {}", note.table, note.what));
        }
        lines
    }

    pub(crate) fn obstacle(&mut self, table: &str, column: &str, what: String, advice: String) {
        self.obstacles.push(obstacle(table, column, what, advice));
    }

    pub(crate) fn step(&mut self, phase: Phase, table: &str, what: String, sql: String) {
        self.steps.push(Step { table: table.to_owned(), what, sql, phase });
    }

    pub(crate) fn note(&mut self, table: &str, what: String) {
        self.notes.push(Note { table: table.to_owned(), what });
    }
}

pub(crate) fn obstacle(table: &str, column: &str, what: String, advice: String) -> Obstacle {
    let column = (!column.is_empty()).then(|| column.to_owned());
    Obstacle { table: table.to_owned(), column, what, advice, rows: None }
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { table, column, what, advice, rows } = self;
        write!(out, "{table}")?;
        if let Some(column) = column {
            write!(out, ".{column}")?;
        }
        write!(out, ": {what}")?;
        if let Some(Rows { count, ids }) = rows {
            let rows = crate::text::counted(*count, "row");
            write!(out, " ({rows}, among them {})", ids.join(", "))?;
        }
        write!(out, "; {advice}")
    }
}
