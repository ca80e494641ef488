//! Logging in to RDS without a password: by a token, which is a request to `rds-db` that is signed
//! and never sent. It opens new connections for fifteen minutes; one that is made goes on
//! (<https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html>).

use std::time::{Duration, SystemTime};

use aws_config::SdkConfig;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_http::query::fmt_string;
use sqlx::postgres::PgConnectOptions;

use super::account::Account;
use crate::{
    process::{ErrorCode, Failure},
    store::config::DatabaseServer,
};

/// How long a token opens connections: what RDS takes at most.
const VALID: Duration = Duration::from_mins(15);

/// Whom a token lets in, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Holder<'a> {
    host: &'a str,
    port: u16,
    user: &'a str,
    region: &'a str,
}

/// Who makes tokens: the function by its own credentials.
#[derive(Debug)]
pub struct Tokens {
    /// Why there are none, where the environment is not whole.
    signer: Result<Signer, Failure>,
    user: String,
}

#[derive(Debug, Clone)]
struct Signer {
    credentials: SharedCredentialsProvider,
    region: String,
}

impl Tokens {
    /// Tokens for `user`, signed with the credentials and for the region of `aws`.
    pub(super) fn new(aws: &SdkConfig, user: String) -> Self {
        let region = aws.region().map(ToString::to_string);
        let signer = region.zip(aws.credentials_provider()).map_or_else(
            || Err(Failure::internal("DATABASE_LOGIN=iam needs a region and credentials of AWS")),
            |(region, credentials)| Ok(Signer { credentials, region }),
        );
        Self { signer, user }
    }

    /// How to connect at this moment.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when the environment is not whole, or `DATABASE_CA_FILE` cannot be read;
    /// `DATABASE_CONNECTION_ERROR` when there are no credentials.
    pub(super) async fn connect_options(
        &self,
        server: &DatabaseServer,
    ) -> Result<PgConnectOptions, Failure> {
        let Signer { credentials, region } = self.signer.as_ref().map_err(Clone::clone)?;
        let missing = |name| Failure::internal(format!("DATABASE_LOGIN=iam needs {name}"));
        let host = server.host.as_deref().ok_or_else(|| missing("DATABASE_HOST"))?;
        let database = server.name.as_deref().ok_or_else(|| missing("DATABASE_NAME"))?;
        let credentials = credentials.provide_credentials().await;
        let credentials = credentials.map_err(|error| unmade(&error.to_string()))?;
        let (port, user) = (server.port, self.user.as_str());
        let holder = Holder { host, port, user, region };
        let password = &token(holder, credentials, SystemTime::now())?;
        Account { host, port, database, user, password }.options(server)
    }
}

fn unmade(why: &str) -> Failure {
    let cause = format!("a token for the database cannot be made: {why}");
    Failure::new(ErrorCode::DatabaseConnectionError, cause)
}

/// The token: the address of a request, without its scheme.
fn token(holder: Holder<'_>, credentials: Credentials, now: SystemTime) -> Result<String, Failure> {
    let Holder { host, port, user, region } = holder;
    let mut address = format!("{host}:{port}/?Action=connect&DBUser={}", fmt_string(user));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID);
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| unmade(&error.to_string()))?;
    let url = format!("https://{address}");
    let signed = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[]))
        .and_then(|request| sign(request, &params.into()))
        .map_err(|error| unmade(&error.to_string()))?;
    for (name, value) in signed.output().params() {
        address = format!("{address}&{name}={}", fmt_string(value));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-08-26 22:00:00 UTC.
    const NOW: Duration = Duration::from_hours(479_086);

    /// The token's parts: where, and each of what is asked, in the order of the alphabet.
    fn parts(token: &str) -> Vec<&str> {
        let mut parts: Vec<_> = token.split(['?', '&']).collect();
        parts[1..].sort_unstable();
        parts
    }

    fn assert_made(holder: Holder<'_>, credentials: [&str; 3], token_of_botocore: &str) {
        let [key, secret, session] = credentials;
        let session = (!session.is_empty()).then(|| session.to_owned());
        let credentials = Credentials::new(key, secret, session, None, "test");
        let made = token(holder, credentials, SystemTime::UNIX_EPOCH + NOW).unwrap();
        assert_eq!(parts(&made), parts(token_of_botocore));
    }

    /// What `botocore` 1.43.127 gives for the same (`generate_db_auth_token`, with its clock
    /// stopped). The first is also the vector of AWS's own SDK for Rust (`aws-sdk-rds`,
    /// `auth_token.rs`).
    #[test]
    fn a_token_is_the_one_that_the_tools_of_aws_make() {
        let host = "prod-instance.us-east-1.rds.amazonaws.com";
        let holder = Holder { host, port: 3306, user: "peccy", region: "us-east-1" };
        assert_made(
            holder,
            ["akid", "secret", ""],
            "prod-instance.us-east-1.rds.amazonaws.com:3306/?Action=connect&DBUser=peccy\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=akid%2F20240826%2Fus-east-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=dd0cba843009474347af724090233265628ace491ea17ce3eb3da098b983ad89",
        );
    }

    /// As a function has them: credentials of a role, which bear a session's token.
    #[test]
    fn a_role_s_session_is_signed_too() {
        let host = "aigen.cluster-abc.ap-northeast-1.rds.amazonaws.com";
        let user = "aigen_diagnostics";
        let holder = Holder { host, port: 5432, user, region: "ap-northeast-1" };
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let session = "IQoJb3JpZ2luX2VjEXAMPLE//a+b/c==";
        assert_made(
            holder,
            ["ASIAEXAMPLE", secret, session],
            "aigen.cluster-abc.ap-northeast-1.rds.amazonaws.com:5432/?Action=connect\
             &DBUser=aigen_diagnostics&X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=ASIAEXAMPLE%2F20240826%2Fap-northeast-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=IQoJb3JpZ2luX2VjEXAMPLE%2F%2Fa%2Bb%2Fc%3D%3D\
             &X-Amz-Signature=c8badd56c60944b53101db683361f9f554b1abf84d46785796e34819061e5761",
        );
    }

    #[test]
    fn a_name_with_other_letters_is_signed_as_it_is_sent() {
        let user = "odd user+/@x";
        let holder = Holder { host: "db.example.com", port: 6432, user, region: "eu-west-1" };
        assert_made(
            holder,
            ["akid", "secret", ""],
            "db.example.com:6432/?Action=connect&DBUser=odd%20user%2B%2F%40x\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=akid%2F20240826%2Feu-west-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20240826T220000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=c551ea0501c6f9c963aefb36b801611d0b706e64e9a7a62e06afb8fe90c301df",
        );
    }
}
