//! What a function reads from its environment. The template sets these; each is named with its meaning and unit there too.

use std::time::Duration;

use crate::failure::Failure;

/// How the connection to the database is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseTls {
    /// Not at all: the local stack only.
    Disable,
    /// Encrypted; the server's certificate is not checked.
    Require,
    /// Encrypted, and the certificate must be the host's by a public authority (RDS Proxy has one).
    VerifyFull,
}

/// Reads one variable through `lookup`, so that tests need not touch the process's environment.
fn required(lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<String, Failure> {
    lookup(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Failure::internal(format!("the environment variable {name} is not set; infra/template.yaml sets it")))
}

fn seconds(lookup: &dyn Fn(&str) -> Option<String>, name: &str, default: u64) -> Result<Duration, Failure> {
    match lookup(name) {
        None => Ok(Duration::from_secs(default)),
        Some(text) => match text.parse() {
            Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
            _ => Err(Failure::internal(format!("{name} must be a whole number of seconds above 0"))),
        },
    }
}

/// Where the database is and how to reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseConfig {
    /// `DATABASE_SECRET_ARN`: the secret with host, port, name, user and password.
    pub secret_arn: String,
    /// `DATABASE_TLS`: `disable`, `require` (default) or `verify-full`.
    pub tls: DatabaseTls,
}

impl DatabaseConfig {
    /// Reads it through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let tls = match lookup("DATABASE_TLS").as_deref() {
            Some("disable") => DatabaseTls::Disable,
            None | Some("" | "require") => DatabaseTls::Require,
            Some("verify-full") => DatabaseTls::VerifyFull,
            Some(_) => return Err(Failure::internal("DATABASE_TLS must be disable, require or verify-full")),
        };
        Ok(Self { secret_arn: required(lookup, "DATABASE_SECRET_ARN")?, tls })
    }
}

/// Which models to ask, and how long to wait for one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelConfig {
    /// `MODEL_IDS`: model or inference-profile ids, in order of preference, separated by commas.
    pub ids: Vec<String>,
    /// `MODEL_TIMEOUT_SECONDS`: of one call; 120 by default.
    pub timeout: Duration,
}

impl ModelConfig {
    /// Reads it through `lookup`.
    ///
    /// # Errors
    /// Names the variable that is missing or wrong.
    pub fn read(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let ids: Vec<String> =
            required(lookup, "MODEL_IDS")?.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
        if ids.is_empty() {
            return Err(Failure::internal("MODEL_IDS names no model"));
        }
        Ok(Self { ids, timeout: seconds(lookup, "MODEL_TIMEOUT_SECONDS", 120)? })
    }
}

/// `RATE_LIMIT_PER_MINUTE`: requests a minute of one user on the three POST routes; 20 by default.
///
/// # Errors
/// When it is not a number above 0.
pub fn rate_limit_per_minute(lookup: &dyn Fn(&str) -> Option<String>) -> Result<i32, Failure> {
    const DEFAULT: i32 = 20;
    match lookup("RATE_LIMIT_PER_MINUTE").filter(|text| !text.is_empty()) {
        None => Ok(DEFAULT),
        Some(text) => match text.parse() {
            Ok(limit) if limit > 0 => Ok(limit),
            _ => Err(Failure::internal("RATE_LIMIT_PER_MINUTE must be a whole number above 0")),
        },
    }
}

/// `STATE_MACHINE_ARN`.
///
/// # Errors
/// When it is not set.
pub fn state_machine_arn(lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, Failure> {
    required(lookup, "STATE_MACHINE_ARN")
}

/// The process's own environment, for the edge.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup<'a>(pairs: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn a_missing_variable_is_named() {
        assert!(DatabaseConfig::read(&lookup(&[])).unwrap_err().cause.contains("DATABASE_SECRET_ARN"));
        assert!(ModelConfig::read(&lookup(&[("MODEL_IDS", " , ")])).unwrap_err().cause.contains("MODEL_IDS"));
        assert!(
            ModelConfig::read(&lookup(&[("MODEL_IDS", "a"), ("MODEL_TIMEOUT_SECONDS", "soon")]))
                .unwrap_err()
                .cause
                .contains("MODEL_TIMEOUT_SECONDS")
        );
    }

    #[test]
    fn the_rate_limit_is_20_unless_told_otherwise() {
        assert_eq!(rate_limit_per_minute(&lookup(&[])), Ok(20));
        assert_eq!(rate_limit_per_minute(&lookup(&[("RATE_LIMIT_PER_MINUTE", "300")])), Ok(300));
        for wrong in ["0", "-1", "many", "1.5"] {
            assert!(
                rate_limit_per_minute(&lookup(&[("RATE_LIMIT_PER_MINUTE", wrong)])).unwrap_err().cause.contains("RATE_LIMIT_PER_MINUTE")
            );
        }
    }

    #[test]
    fn models_are_an_ordered_list() {
        let config = ModelConfig::read(&lookup(&[("MODEL_IDS", "first, second")])).unwrap();
        assert_eq!(config.ids, ["first", "second"]);
        assert_eq!(config.timeout, Duration::from_mins(2));
    }

    #[test]
    fn the_database_is_encrypted_unless_told_otherwise() {
        assert_eq!(DatabaseConfig::read(&lookup(&[("DATABASE_SECRET_ARN", "arn")])).unwrap().tls, DatabaseTls::Require);
        assert!(DatabaseConfig::read(&lookup(&[("DATABASE_SECRET_ARN", "arn"), ("DATABASE_TLS", "maybe")])).is_err());
    }
}
