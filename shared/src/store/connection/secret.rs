//! The secret that names the database and its user.

use std::fmt;

use aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueError;
use serde_json::{Map, Value};
use sqlx::postgres::PgConnectOptions;

use super::account::Account;
use crate::{
    aws,
    process::{ErrorCode, Failure},
    store::config::DatabaseServer,
};

/// Which of a secret's versions is meant. While a password is rotated, the database may know the
/// pending one only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The version that is in force.
    Current,
    /// The version that a rotation is about to put in force.
    Pending,
}

/// The parts of the secret that matter; others are ignored. The secrets that Secrets Manager makes
/// for a database have all of them, those that RDS itself manages have user and password only
/// (<https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html>).
#[derive(Debug, PartialEq, Eq)]
struct DatabaseSecret {
    username: String,
    password: String,
    host: Option<String>,
    port: Option<u16>,
    dbname: Option<String>,
}

/// How to connect by the secret as it is now. `None`: it has no version of that stage.
///
/// # Errors
/// `DATABASE_CONNECTION_ERROR` when the secret cannot be read, `INTERNAL_ERROR` when
/// `DATABASE_CA_FILE` cannot.
pub(super) async fn connect_options(
    client: &aws_sdk_secretsmanager::Client,
    secret_arn: &str,
    server: &DatabaseServer,
    stage: Stage,
) -> Result<Option<PgConnectOptions>, Failure> {
    let secret = read(client, secret_arn, stage).await?;
    secret.map(|secret| options(&secret, server)).transpose()
}

/// User and password of the secret as it is now.
///
/// # Errors
/// `DATABASE_CONNECTION_ERROR` when the secret cannot be read.
pub(super) async fn login(
    client: &aws_sdk_secretsmanager::Client,
    secret_arn: &str,
) -> Result<(String, String), Failure> {
    let secret = read(client, secret_arn, Stage::Current).await?;
    let secret = secret.ok_or_else(|| unreadable(&"it has no version in force"))?;
    Ok((secret.username, secret.password))
}

/// The secret as it is now. `None`: it has no version of that stage.
async fn read(
    client: &aws_sdk_secretsmanager::Client,
    secret_arn: &str,
    stage: Stage,
) -> Result<Option<DatabaseSecret>, Failure> {
    let mut request = client.get_secret_value().secret_id(secret_arn);
    if stage == Stage::Pending {
        request = request.version_stage("AWSPENDING");
    }
    let secret = match request.send().await {
        Ok(secret) => secret,
        Err(error)
            if stage == Stage::Pending
                && error
                    .as_service_error()
                    .is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&aws::describe_error(&error))),
    };
    let text = secret.secret_string().ok_or_else(|| unreadable(&"it is binary"))?;
    parse(text).map(Some).map_err(|fault| unreadable(&fault))
}

fn unreadable(what: &dyn fmt::Display) -> Failure {
    Failure::new(
        ErrorCode::DatabaseConnectionError,
        format!("the database secret cannot be read: {what}"),
    )
}

/// Reads the secret. What is said about a fault names the field and never a value.
fn parse(text: &str) -> Result<DatabaseSecret, String> {
    // The parser's own words may quote the secret, so only the position is told.
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
        format!("it is not a JSON object (line {}, column {})", error.line(), error.column())
    })?;
    Ok(DatabaseSecret {
        username: text_field(&fields, "username")?.ok_or("it has no username")?,
        password: text_field(&fields, "password")?.ok_or("it has no password")?,
        host: text_field(&fields, "host")?,
        port: port(&fields)?,
        dbname: text_field(&fields, "dbname")?,
    })
}

fn text_field(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, String> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("its {name} is no text")),
    }
}

/// A number, or a number as text: AWS's own pages show `"port": "8888"`.
fn port(fields: &Map<String, Value>) -> Result<Option<u16>, String> {
    match fields.get("port") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64().and_then(|port| u16::try_from(port).ok()),
        Some(Value::String(text)) => text.trim().parse().ok(),
        Some(_) => None,
    }
    .filter(|port| *port > 0)
    .map_or_else(|| Err("its port is no port number".to_owned()), |port| Ok(Some(port)))
}

/// What the secret says, and for what it leaves out the configuration.
fn options(secret: &DatabaseSecret, server: &DatabaseServer) -> Result<PgConnectOptions, Failure> {
    let named = |of_secret: &Option<String>, configured: &Option<String>, what, variable| {
        of_secret
            .clone()
            .or_else(|| configured.clone())
            .ok_or_else(|| unreadable(&format!("it names no {what}, and neither does {variable}")))
    };
    let account = Account {
        host: &named(&secret.host, &server.host, "host", "DATABASE_HOST")?,
        port: secret.port.unwrap_or(server.port),
        database: &named(&secret.dbname, &server.name, "dbname", "DATABASE_NAME")?,
        user: &secret.username,
        password: &secret.password,
    };
    account.options(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(secret: &str) -> Result<(String, u16, Option<String>), String> {
        let server = DatabaseServer {
            host: Some("configured".into()),
            port: 6432,
            name: None,
            tls: crate::store::DatabaseTls::VerifyFull,
            ca_file: None,
            pooling: crate::store::Pooling::Session,
        };
        let options = options(&parse(secret)?, &server).map_err(|failure| failure.cause)?;
        Ok((
            options.get_host().to_owned(),
            options.get_port(),
            options.get_database().map(str::to_owned),
        ))
    }

    #[test]
    fn a_whole_secret_wins_over_the_configuration() {
        let whole = r#"{
            "engine":"postgres", "host":"db", "port":5433, "dbname":"aigen",
            "dbInstanceIdentifier":"db-1", "username":"app", "password":"p"
        }"#;
        assert_eq!(address(whole), Ok(("db".to_owned(), 5433, Some("aigen".to_owned()))));
    }

    #[test]
    fn what_a_secret_leaves_out_comes_from_the_configuration() {
        let without_address = r#"{"dbname":"aigen","username":"app","password":"p"}"#;
        assert_eq!(
            address(without_address),
            Ok(("configured".to_owned(), 6432, Some("aigen".to_owned())))
        );
        let fault = address(r#"{"username":"app","password":"p"}"#).unwrap_err();
        assert!(fault.contains("dbname") && fault.contains("DATABASE_NAME"), "{fault}");
    }

    // aws.md 3
    #[test]
    fn a_port_in_quotes_is_a_port() {
        let quoted = r#"{"port":"8888","dbname":"d","username":"app","password":"p"}"#;
        assert_eq!(address(quoted).unwrap().1, 8888);
    }

    // aws.md 3
    #[test]
    fn a_field_that_is_wrong_is_named_without_its_value() {
        for (secret, name) in [
            (r#"{"username":"app"}"#, "password"),
            (r#"{"username":["s3cret"],"password":"s3cret"}"#, "username"),
            (r#"{"username":"app","password":531977}"#, "password"),
            (r#"{"username":"app","password":"s3cret","port":"s3cret"}"#, "port"),
            (r#"{"username":"app","password":"s3cret","port":531977}"#, "port"),
            (r#"{"username":"app","password":"s3cret","port":0}"#, "port"),
            (r#"{"username":"app","password":"s3cret","host":531977}"#, "host"),
            (r#"["s3cret"]"#, "JSON object"),
            (r#""s3cret"#, "JSON object"),
        ] {
            let fault = parse(secret).unwrap_err();
            assert!(fault.contains(name), "{secret}: {fault}");
            assert!(!fault.contains("s3cret") && !fault.contains("531977"), "{fault}");
        }
    }
}
