//! What the catalog says of tables: of the model, and of the app.

use serde::Deserialize;

/// A table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// `pg_class.relkind`: `r` is an ordinary table.
    pub(crate) kind: String,
    /// Whether whoever migrates owns it.
    pub(crate) is_owned: bool,
    /// Whether row security hides rows from roles that do not own it.
    pub(crate) has_row_security: bool,
    pub(crate) comment: Option<String>,
    /// How many rows there are.
    #[serde(default)]
    pub(crate) rows: i64,
    pub(crate) columns: Vec<Column>,
    pub(crate) constraints: Vec<Constraint>,
    /// Those that no constraint stands for.
    pub(crate) indexes: Vec<Index>,
    /// Foreign keys of other tables that refer to this one.
    pub(crate) incoming: Vec<Incoming>,
    /// Names of its triggers, but for those that stand behind foreign keys.
    pub(crate) triggers: Vec<String>,
}

/// A column of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Column {
    pub(crate) name: String,
    /// As `format_type` says it.
    pub(crate) data_type: String,
    pub(crate) is_enum: bool,
    pub(crate) not_null: bool,
    pub(crate) default: Option<String>,
    /// `pg_attribute.attidentity`: empty, `a`lways or by `d`efault.
    pub(crate) identity: String,
    pub(crate) is_generated: bool,
    pub(crate) comment: Option<String>,
    /// What else is made of the column, and would be in the way of another type.
    pub(crate) dependents: Vec<String>,
}

/// A constraint of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Constraint {
    pub(crate) name: String,
    /// `pg_constraint.contype`: `p`, `u`, `c`, `f` or `x`.
    pub(crate) kind: String,
    pub(crate) definition: String,
    pub(crate) columns: Vec<String>,
    /// Of a check: the condition.
    pub(crate) condition: Option<String>,
    /// Of a foreign key: the other table and its columns.
    pub(crate) target: Option<String>,
    pub(crate) target_columns: Vec<String>,
    /// Of a foreign key: `pg_constraint.confdeltype`.
    pub(crate) on_delete: String,
}

/// An index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) definition: String,
    pub(crate) is_unique: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) predicate: Option<String>,
}

/// A foreign key of another table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Incoming {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) on_delete: String,
}

impl Table {
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that tells its rows apart, for naming some of them.
    pub(crate) fn id(&self) -> &str {
        let first = self.columns.first().map_or("id", |column| column.name.as_str());
        if self.column("id").is_some() { "id" } else { first }
    }
}

/// What `confdeltype` says.
pub(crate) fn on_delete(code: &str) -> &'static str {
    match code {
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        "r" => "RESTRICT",
        _ => "NO ACTION",
    }
}
