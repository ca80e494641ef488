//! What each role of the database may do to each table of ours: what the statements of those who
//! log in as it do, and no more.

use super::generation::StoredGeneration;

/// Who logs in as one role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::VariantArray)]
pub enum Access {
    /// All functions, where they share one role.
    Shared,
    /// Those that accept, generate, retry and cancel.
    Work,
    /// The reconciler, which besides deletes what is kept no longer.
    Reconciling,
    /// Diagnostics, which reads.
    Reading,
}

impl Access {
    /// Every access.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Whether it looks at the sessions and statements of others (`pg_read_all_stats`).
    pub(super) const fn sees_sessions(self) -> bool {
        matches!(self, Self::Shared | Self::Reading)
    }

    /// What it may do to each table.
    pub(super) fn rights<G: StoredGeneration>(
        self,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        let of_kind = G::TABLES.iter().map(|table| (*table, Table::Data));
        TABLES.into_iter().chain(of_kind).map(move |(table, kind)| (table, self.to(kind)))
    }

    const fn to(self, kind: Table) -> &'static str {
        match (self, kind) {
            (Self::Reading, _) | (_, Table::Migrations) => "SELECT",
            (_, Table::History) => "SELECT, INSERT",
            (_, Table::Row) | (Self::Work, Table::Process) => "SELECT, INSERT, UPDATE",
            (Self::Shared | Self::Reconciling, Table::Process) | (_, Table::Data) => {
                "SELECT, INSERT, UPDATE, DELETE"
            }
        }
    }
}

/// How a table is written.
#[derive(Debug, Clone, Copy)]
enum Table {
    /// By migrations alone.
    Migrations,
    /// Once: nobody but the owner can change a history afterwards, or take a line out of it. It
    /// goes with its process, which the foreign key does, as the owner.
    History,
    /// What goes when the time is over for which it is kept, with all that belongs to it.
    Process,
    /// Rows that stay.
    Row,
    /// In every way.
    Data,
}

/// Our tables, besides those of what is generated.
const TABLES: [(&str, Table); 13] = [
    ("_sqlx_migrations", Table::Migrations),
    ("processing_batch", Table::Data),
    ("processing_capacity", Table::Row),
    ("processing_event", Table::History),
    ("processing_model", Table::Row),
    ("processing_output", Table::Data),
    ("processing_queue", Table::Row),
    ("processing_start", Table::Row),
    ("processing_state", Table::Process),
    ("rate_limit", Table::Row),
    ("reconciler_sweep", Table::Row),
    ("request_batch", Table::Process),
    ("token_use", Table::Row),
];
