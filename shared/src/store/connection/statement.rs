//! A statement that can be sent more than once.

use sqlx::{
    Execute, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgStatement},
};

/// SQL with its arguments, taken out of a query of sqlx.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    sql: SqlStr,
    arguments: Option<PgArguments>,
    persistent: bool,
}

impl Statement {
    /// Takes the query apart. `named`: it may be prepared under a name and kept for the next time.
    pub(super) fn of<'q>(
        mut query: impl Execute<'q, Postgres>,
        named: bool,
    ) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        let persistent = named && query.persistent();
        Ok(Self { sql: query.sql(), arguments, persistent })
    }
}

impl Execute<'_, Postgres> for Statement {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        Ok(self.arguments.take())
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
