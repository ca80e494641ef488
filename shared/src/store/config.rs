//! Where the database is and how to reach it.

use std::path::PathBuf;

use crate::environment::{Environment, EnvironmentError};

/// How the connection to the database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseTls {
    /// Not at all: a database on the same machine only.
    Disable,
    /// Encrypted; the server's certificate is not checked.
    Require,
    /// Encrypted, and the certificate must be the host's: by a public authority (RDS Proxy has
    /// one), one of RDS, or one of `DATABASE_CA_FILE`.
    VerifyFull,
}

/// What one session of ours is to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// A session of the server: there is no pooler between, or one that keeps a session for us.
    Session,
    /// Each transaction may run in another session of the server, as behind `PgBouncer` in
    /// transaction mode, or an RDS Proxy that is to share its connections. Costs two or three round
    /// trips more for each statement, since nothing may be left in a session.
    Transaction,
}

/// How a function logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseLogin {
    /// With the user and the password of a secret.
    Password {
        /// `DATABASE_SECRET_ARN`: the secret, which perhaps names host, port and database too.
        secret_arn: String,
    },
    /// With a token of IAM, made from the function's own credentials for each connection.
    Iam {
        /// `DATABASE_USER`: the role of the database.
        user: String,
    },
}

/// Where the database is and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseServer {
    /// `DATABASE_HOST`: for a secret that names no host, such as those that RDS manages. A token
    /// holds for this name, so that it must be the server's own.
    pub host: Option<String>,
    /// `DATABASE_PORT`: for a secret that names no port; 5432 by default.
    pub port: u16,
    /// `DATABASE_NAME`: for a secret that names no database.
    pub name: Option<String>,
    /// `DATABASE_TLS`: `disable`, `require` or `verify-full` (default).
    pub tls: DatabaseTls,
    /// `DATABASE_CA_FILE`: a PEM file with further authorities for `verify-full`.
    pub ca_file: Option<PathBuf>,
    /// `DATABASE_POOLING`: `session` (default) or `transaction`.
    pub pooling: Pooling,
}

/// How to log in, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DATABASE_LOGIN`: `password` (default) or `iam`.
    pub login: DatabaseLogin,
    /// Where.
    pub server: DatabaseServer,
}

impl DatabaseConfig {
    /// Reads it.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let by_iam =
            environment.parsed("DATABASE_LOGIN", false, "password or iam", |text| match text {
                "password" => Some(false),
                "iam" => Some(true),
                _ => None,
            })?;
        let server = DatabaseServer::read(environment)?;
        if !by_iam {
            let secret_arn = environment.required("DATABASE_SECRET_ARN")?;
            return Ok(Self { login: DatabaseLogin::Password { secret_arn }, server });
        }
        // No secret says where it is.
        environment.required("DATABASE_HOST")?;
        environment.required("DATABASE_NAME")?;
        if server.tls != DatabaseTls::VerifyFull {
            return Err(EnvironmentError(
                "DATABASE_TLS must be verify-full with DATABASE_LOGIN=iam: a token is sent as it \
                 is, and whoever gets it can log in"
                    .to_owned(),
            ));
        }
        let user = environment.required("DATABASE_USER")?;
        Ok(Self { login: DatabaseLogin::Iam { user }, server })
    }
}

impl DatabaseServer {
    fn read(environment: Environment<'_>) -> Result<Self, EnvironmentError> {
        let tls = environment.parsed(
            "DATABASE_TLS",
            DatabaseTls::VerifyFull,
            "disable, require or verify-full",
            |text| match text {
                "disable" => Some(DatabaseTls::Disable),
                "require" => Some(DatabaseTls::Require),
                "verify-full" => Some(DatabaseTls::VerifyFull),
                _ => None,
            },
        )?;
        let pooling = environment.parsed(
            "DATABASE_POOLING",
            Pooling::Session,
            "session or transaction",
            |text| match text {
                "session" => Some(Pooling::Session),
                "transaction" => Some(Pooling::Transaction),
                _ => None,
            },
        )?;
        let port =
            environment.parsed("DATABASE_PORT", 5432, "a port number", |text| text.parse().ok())?;
        Ok(Self {
            host: environment.text("DATABASE_HOST"),
            port,
            name: environment.text("DATABASE_NAME"),
            tls,
            ca_file: environment.text("DATABASE_CA_FILE").map(PathBuf::from),
            pooling,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: Option<&str>) -> Result<DatabaseConfig, EnvironmentError> {
        DatabaseConfig::read(Environment::new(&|asked| match asked {
            "DATABASE_SECRET_ARN" => Some("arn".to_owned()),
            asked if asked == name => value.map(str::to_owned),
            _ => None,
        }))
    }

    #[test]
    fn the_database_is_checked_unless_told_otherwise() {
        assert_eq!(read("DATABASE_TLS", None).unwrap().server.tls, DatabaseTls::VerifyFull);
        assert_eq!(read("DATABASE_TLS", Some("require")).unwrap().server.tls, DatabaseTls::Require);
        assert!(read("DATABASE_TLS", Some("maybe")).unwrap_err().0.contains("DATABASE_TLS"));
    }

    #[test]
    fn a_pooler_in_between_is_named() {
        let pooling = |value| read("DATABASE_POOLING", value).map(|config| config.server.pooling);
        assert_eq!(pooling(None), Ok(Pooling::Session));
        assert_eq!(pooling(Some("transaction")), Ok(Pooling::Transaction));
        assert!(pooling(Some("statement")).unwrap_err().0.contains("DATABASE_POOLING"));
    }

    #[test]
    fn a_missing_secret_is_named() {
        let error = DatabaseConfig::read(Environment::new(&|_| None)).unwrap_err();
        assert!(error.0.contains("DATABASE_SECRET_ARN"));
    }

    const IAM: [(&str, &str); 4] = [
        ("DATABASE_LOGIN", "iam"),
        ("DATABASE_HOST", "db"),
        ("DATABASE_NAME", "aigen"),
        ("DATABASE_USER", "aigen_work"),
    ];

    fn read_all(variables: &[(&str, &str)]) -> Result<DatabaseConfig, EnvironmentError> {
        DatabaseConfig::read(Environment::new(&|asked| {
            let found = variables.iter().find(|(name, _)| *name == asked);
            found.map(|(_, value)| (*value).to_owned())
        }))
    }

    #[test]
    fn a_login_by_iam_needs_a_user_and_a_place_and_no_secret() {
        let config = read_all(&IAM).unwrap();
        assert_eq!(config.login, DatabaseLogin::Iam { user: "aigen_work".to_owned() });
        for (name, _) in &IAM[1..] {
            let others: Vec<_> = IAM.into_iter().filter(|(other, _)| other != name).collect();
            assert!(read_all(&others).unwrap_err().0.contains(name), "{name}");
        }
        let wrong = read_all(&[("DATABASE_LOGIN", "token")]).unwrap_err();
        assert_eq!(wrong.0, "DATABASE_LOGIN must be password or iam");
    }

    #[test]
    fn a_token_is_sent_to_nobody_whose_certificate_was_not_checked() {
        for tls in ["disable", "require"] {
            let refused = read_all(&[&IAM[..], &[("DATABASE_TLS", tls)]].concat()).unwrap_err();
            assert!(refused.0.contains("DATABASE_TLS must be verify-full"), "{}", refused.0);
        }
    }
}
