//! Why the database cannot be used, as an operator has to know it to mend it: told apart by what a
//! failure of a store call says.

use super::open::AS;
use crate::process::Failure;

/// What is in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::VariantArray)]
pub enum DatabaseTrouble {
    /// The function may not read the secret.
    SecretDenied,
    /// There is no such secret.
    SecretMissing,
    /// The secret lacks something, or is no JSON.
    SecretMalformed,
    /// Secrets Manager does not answer.
    SecretUnreachable,
    /// The host's name is not known.
    NameUnknown,
    /// Nobody listens at the address.
    Refused,
    /// No way leads there, or nobody answers: routes, security groups, a server that hangs.
    NoAnswer,
    /// No TLS, or a certificate that is not trusted.
    Tls,
    /// The password is wrong.
    PasswordRefused,
    /// The user, or the way in which it connects, is not let in.
    LoginRefused,
    /// There is no such database.
    NoSuchDatabase,
    /// All connections are taken.
    TooManyClients,
    /// The server starts up.
    StartingUp,
    /// The server shuts down, or was ended.
    ShuttingDown,
    /// The server takes no writes: it is a replica, or no longer the writer.
    ReadOnly,
    /// The disk is full.
    DiskFull,
    /// A table is missing: migrations have not been applied.
    SchemaMissing,
    /// Something is not allowed to this user.
    PrivilegeMissing,
    /// A statement took too long, or waited too long for a lock.
    TooSlow,
    /// Another cause; the failure's own words say which.
    Other,
}

impl DatabaseTrouble {
    /// Every trouble.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// What `failure`, of a store call, is about.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        let cause = failure.cause.as_str();
        if let Some(rest) = cause.strip_prefix("SQLSTATE ") {
            return Self::of_state(rest.get(..5).unwrap_or_default());
        }
        if let Some(what) = cause.strip_prefix("the database secret cannot be read: ") {
            return Self::of_secret(what);
        }
        // Of where it was, the names mean nothing.
        let cause = cause.split(AS).next().unwrap_or(cause);
        let says = |parts: &[&str]| parts.iter().any(|part| cause.contains(part));
        if says(&["TLS failed", "certificate", "UnknownIssuer", "handshake", "HandshakeFailure"]) {
            Self::Tls
        } else if says(&["lookup address", "Name or service", "name resolution"]) {
            Self::NameUnknown
        } else if says(&["Connection refused", "connection refused"]) {
            Self::Refused
        } else if says(&["no answer", "timed out", "No route", "unreachable", "no turn in time"]) {
            Self::NoAnswer
        } else {
            Self::Other
        }
    }

    fn of_state(state: &str) -> Self {
        match state {
            "28P01" => Self::PasswordRefused,
            "28000" => Self::LoginRefused,
            "3D000" => Self::NoSuchDatabase,
            "53300" => Self::TooManyClients,
            "53100" => Self::DiskFull,
            "57P03" => Self::StartingUp,
            "57P01" | "57P02" => Self::ShuttingDown,
            "25006" => Self::ReadOnly,
            "42P01" | "42703" | "42883" => Self::SchemaMissing,
            "42501" => Self::PrivilegeMissing,
            "57014" | "55P03" => Self::TooSlow,
            _ => Self::Other,
        }
    }

    fn of_secret(what: &str) -> Self {
        let begins = |names: &[&str]| names.iter().any(|name| what.starts_with(name));
        if begins(&["AccessDenied", "KMS", "DecryptionFailure", "UnrecognizedClient"]) {
            Self::SecretDenied
        } else if begins(&["ResourceNotFound"]) {
            Self::SecretMissing
        } else if begins(&["it ", "its "]) {
            Self::SecretMalformed
        } else {
            Self::SecretUnreachable
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::process::ErrorCode;

    fn of_io(kind: io::ErrorKind, words: &str) -> DatabaseTrouble {
        let error = sqlx::Error::Io(io::Error::new(kind, words.to_owned()));
        DatabaseTrouble::of(&Failure::from(error))
    }

    fn saying(cause: &str) -> DatabaseTrouble {
        DatabaseTrouble::of(&Failure::new(ErrorCode::DatabaseConnectionError, cause))
    }

    #[test]
    fn a_server_that_cannot_be_reached_says_how() {
        use io::ErrorKind;
        let other = ErrorKind::Other;
        for (kind, words, trouble) in [
            (
                ErrorKind::ConnectionRefused,
                "Connection refused (os error 111)",
                DatabaseTrouble::Refused,
            ),
            (ErrorKind::TimedOut, "no answer within 4s", DatabaseTrouble::NoAnswer),
            (other, "No route to host (os error 113)", DatabaseTrouble::NoAnswer),
            (other, "Network is unreachable (os error 101)", DatabaseTrouble::NoAnswer),
            (
                other,
                "failed to lookup address information: Name or service not known",
                DatabaseTrouble::NameUnknown,
            ),
            (
                ErrorKind::InvalidData,
                "invalid peer certificate: UnknownIssuer",
                DatabaseTrouble::Tls,
            ),
            (ErrorKind::BrokenPipe, "Broken pipe (os error 32)", DatabaseTrouble::Other),
        ] {
            assert_eq!(of_io(kind, words), trouble, "{words}");
        }
        let misleading =
            "the connection was lost; as aigen at no-answer.certificate:5432/handshake";
        assert_eq!(saying(misleading), DatabaseTrouble::Other);
        let no_tls = sqlx::Error::Tls("server does not support TLS".into());
        assert_eq!(DatabaseTrouble::of(&Failure::from(no_tls)), DatabaseTrouble::Tls);
    }

    #[test]
    fn a_server_that_answers_says_what_it_has_against_us() {
        for (state, trouble) in [
            ("28P01", DatabaseTrouble::PasswordRefused),
            ("28000", DatabaseTrouble::LoginRefused),
            ("3D000", DatabaseTrouble::NoSuchDatabase),
            ("53300", DatabaseTrouble::TooManyClients),
            ("53100", DatabaseTrouble::DiskFull),
            ("57P03", DatabaseTrouble::StartingUp),
            ("57P01", DatabaseTrouble::ShuttingDown),
            ("25006", DatabaseTrouble::ReadOnly),
            ("42P01", DatabaseTrouble::SchemaMissing),
            ("42501", DatabaseTrouble::PrivilegeMissing),
            ("57014", DatabaseTrouble::TooSlow),
            ("XX000", DatabaseTrouble::Other),
        ] {
            let cause = format!("SQLSTATE {state} (words), table -, constraint -");
            assert_eq!(saying(&cause), trouble, "{state}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_read_says_why() {
        for (what, trouble) in [
            ("AccessDeniedException: not authorized", DatabaseTrouble::SecretDenied),
            ("ResourceNotFoundException: no such secret", DatabaseTrouble::SecretMissing),
            ("it has no password", DatabaseTrouble::SecretMalformed),
            ("its port is no port number", DatabaseTrouble::SecretMalformed),
            ("it is not a JSON object (line 1, column 2)", DatabaseTrouble::SecretMalformed),
            ("dispatch failure: timeout", DatabaseTrouble::SecretUnreachable),
        ] {
            let cause = format!("the database secret cannot be read: {what}");
            assert_eq!(saying(&cause), trouble, "{what}");
        }
    }
}
