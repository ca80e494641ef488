//! Where the database is and how to reach it.

use crate::environment::{Environment, EnvironmentError};

/// How the connection to the database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseTls {
    /// Not at all: a database on the same machine only.
    Disable,
    /// Encrypted; the server's certificate is not checked.
    Require,
    /// Encrypted, and the certificate must be the host's by a public authority (RDS Proxy has one).
    VerifyFull,
}

/// Where the database is and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DATABASE_SECRET_ARN`: the secret with user and password, and perhaps with host, port and
    /// name.
    pub secret_arn: String,
    /// `DATABASE_HOST`: for a secret that names no host, such as those that RDS manages.
    pub host: Option<String>,
    /// `DATABASE_PORT`: for a secret that names no port; 5432 by default.
    pub port: u16,
    /// `DATABASE_NAME`: for a secret that names no database.
    pub name: Option<String>,
    /// `DATABASE_TLS`: `disable`, `require` (default) or `verify-full`.
    pub tls: DatabaseTls,
}

impl DatabaseConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let tls = environment.parsed(
            "DATABASE_TLS",
            DatabaseTls::Require,
            "disable, require or verify-full",
            |text| match text {
                "disable" => Some(DatabaseTls::Disable),
                "require" => Some(DatabaseTls::Require),
                "verify-full" => Some(DatabaseTls::VerifyFull),
                _ => None,
            },
        )?;
        let port =
            environment.parsed("DATABASE_PORT", 5432, "a port number", |text| text.parse().ok())?;
        Ok(Self {
            secret_arn: environment.required("DATABASE_SECRET_ARN")?,
            host: environment.text("DATABASE_HOST"),
            port,
            name: environment.text("DATABASE_NAME"),
            tls,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tls: Option<&str>) -> Result<DatabaseConfig, EnvironmentError> {
        DatabaseConfig::read(Environment::new(&|name| match name {
            "DATABASE_SECRET_ARN" => Some("arn".to_owned()),
            "DATABASE_TLS" => tls.map(str::to_owned),
            _ => None,
        }))
    }

    #[test]
    fn the_database_is_encrypted_unless_told_otherwise() {
        assert_eq!(read(None).unwrap().tls, DatabaseTls::Require);
        assert_eq!(read(Some("verify-full")).unwrap().tls, DatabaseTls::VerifyFull);
        assert!(read(Some("maybe")).unwrap_err().0.contains("DATABASE_TLS"));
    }

    #[test]
    fn a_missing_secret_is_named() {
        let error = DatabaseConfig::read(Environment::new(&|_| None)).unwrap_err();
        assert!(error.0.contains("DATABASE_SECRET_ARN"));
    }
}
