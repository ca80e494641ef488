//! What an error of the database means: for the caller, for the connection, and for the statement.

use std::{borrow::Cow, io};

use crate::process::{ErrorCode, Failure};

/// Whether the connection is known to be well after this error. Only of errors by which a server
/// refuses one statement it is; after all others (lost, shutting down, read-only, out of
/// resources, a protocol that went astray) a new one costs little.
pub(super) fn leaves_connection_well(error: &sqlx::Error) -> bool {
    state(error).is_some_and(|state| {
        // 26000 and 42P05: a statement of ours is not where we left it, as behind a pooler.
        matches!(state.get(..2), Some("21" | "22" | "23" | "40" | "42" | "44" | "55" | "P0"))
            && state != "42P05"
    })
}

/// Whether the statement was rolled back whole for a reason that is gone at once: somebody else
/// was in its way. Every statement of the store is a transaction of its own, so it can be repeated.
pub(super) fn may_be_repeated(error: &sqlx::Error) -> bool {
    matches!(state(error).as_deref(), Some("40001" | "40P01" | "55P03"))
}

/// Whether user and password were refused.
pub(super) fn is_refused_password(error: &sqlx::Error) -> bool {
    matches!(state(error).as_deref(), Some("28P01" | "28000"))
}

/// Whether connecting may succeed in a moment: the server is starting, stopping or full.
pub(super) fn may_connect_soon(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        error => matches!(state(error).as_deref(), Some("53300" | "57P03" | "57P01")),
    }
}

/// The SQLSTATE, if the server gave one.
pub(in crate::store) fn state(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// PostgreSQL's name for a state, of those that an operator is likely to meet
/// (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
fn condition(state: &str) -> &'static str {
    match state {
        "08000" | "08003" | "08006" => "connection failure",
        "0A000" => "feature not supported",
        "21000" => "cardinality violation",
        "22001" => "text too long for its column",
        "22003" => "number out of range",
        "22008" => "date out of range",
        "22021" => "text not in the encoding",
        "22P02" => "text cannot be read as its type",
        "22P05" => "character cannot be stored",
        "23502" => "not-null violation",
        "23503" => "foreign key violation",
        "23505" => "unique violation",
        "23514" => "check violation",
        "25006" => "read-only transaction: the server is not, or no longer, the writer",
        "26000" => {
            "prepared statement missing: \
             behind a transaction pooler set DATABASE_POOLING=transaction"
        }
        "28000" => "login refused",
        "28P01" => "wrong password",
        "3D000" => "no such database",
        "40001" => "serialization failure",
        "40P01" => "deadlock",
        "42501" => "insufficient privilege",
        "42703" => "undefined column",
        "42P01" => "undefined table",
        "42P05" => {
            "duplicate prepared statement: \
             behind a transaction pooler set DATABASE_POOLING=transaction"
        }
        "53100" => "disk full",
        "53200" => "out of memory",
        "53300" => "too many clients",
        "53400" => "configuration limit exceeded",
        "55P03" => "lock not available in time",
        "57014" => "statement took too long, or was cancelled",
        "57P01" => "the server is shutting down",
        "57P02" => "the server crashed",
        "57P03" => "the server is starting up",
        "57P05" => "the session was idle too long",
        "58P01" => "file of the server missing",
        "XX000" => "internal error of the server",
        other => match other.get(..2) {
            Some("08") => "connection exception",
            Some("22") => "data exception",
            Some("23") => "integrity constraint violation",
            Some("25") => "invalid transaction state",
            Some("42") => "access rule violation",
            Some("53") => "insufficient resources",
            Some("57") => "operator intervention",
            _ => "see PostgreSQL's list of error codes",
        },
    }
}

/// What a database error means to a caller. Its own words are left out: they may quote what a user
/// wrote.
impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let lost = |cause: String| Self::new(ErrorCode::DatabaseConnectionError, cause);
        match &error {
            sqlx::Error::Database(database) => {
                let state = database.code().unwrap_or_default();
                let code = match state.get(..2).unwrap_or_default() {
                    // Connection, authorisation, resources (too many connections), operator
                    // intervention (shutting down). "25": read-only, as a server is that has been
                    // demoted.
                    "08" | "25" | "28" | "53" | "57" => ErrorCode::DatabaseConnectionError,
                    // We sent what the database cannot hold: repeating it does not help.
                    "22" => ErrorCode::InternalError,
                    "23" => ErrorCode::DatabaseConstraintViolation,
                    _ => ErrorCode::DatabaseError,
                };
                Self::new(
                    code,
                    format!(
                        "SQLSTATE {state} ({}), table {}, constraint {}",
                        condition(&state),
                        database.table().unwrap_or("-"),
                        database.constraint().unwrap_or("-")
                    ),
                )
            }
            // The TLS library's refusals come in an `Io`.
            sqlx::Error::Io(error) => lost(with_hint(format!("the connection failed: {error}"))),
            sqlx::Error::Tls(error) => lost(with_hint(format!("TLS failed: {error}"))),
            sqlx::Error::Protocol(_) => lost("the connection was lost".to_owned()),
            sqlx::Error::ColumnDecode { index, .. } => {
                Self::new(ErrorCode::DatabaseError, format!("column {index} cannot be read"))
            }
            other => Self::new(
                ErrorCode::DatabaseError,
                format!("the driver: {other:?}")
                    .chars()
                    .take_while(|c| *c != '(')
                    .collect::<String>(),
            ),
        }
    }
}

fn with_hint(cause: String) -> String {
    if cause.contains("UnknownIssuer") {
        return format!("{cause}; DATABASE_CA_FILE can name the server's authority");
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_connection_is_told_from_a_failed_statement() {
        let lost = sqlx::Error::Io(io::ErrorKind::ConnectionReset.into());
        assert!(!leaves_connection_well(&lost));
        assert_eq!(Failure::from(lost).code, ErrorCode::DatabaseConnectionError);
        assert_eq!(Failure::from(sqlx::Error::RowNotFound).code, ErrorCode::DatabaseError);
    }
}
