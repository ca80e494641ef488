//! What a connection is made with, wherever its parts come from.

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::roots;
use crate::{
    process::Failure,
    store::config::{DatabaseServer, DatabaseTls},
};

/// Who logs in, and where.
pub(super) struct Account<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
    pub(super) password: &'a str,
}

impl Account<'_> {
    /// How to connect, protected as `server` says.
    ///
    /// # Errors
    /// `INTERNAL_ERROR` when `DATABASE_CA_FILE` cannot be read.
    pub(super) fn options(&self, server: &DatabaseServer) -> Result<PgConnectOptions, Failure> {
        let mut options = PgConnectOptions::new_without_pgpass()
            .host(self.host)
            .port(self.port)
            .database(self.database)
            .username(self.user)
            .password(self.password)
            .application_name("aigen")
            .ssl_mode(match server.tls {
                DatabaseTls::Disable => PgSslMode::Disable,
                DatabaseTls::Require => PgSslMode::Require,
                DatabaseTls::VerifyFull => PgSslMode::VerifyFull,
            });
        if server.tls == DatabaseTls::VerifyFull
            && let Some(pem) = roots::authorities(self.host, server.ca_file.as_deref())?
        {
            options = options.ssl_root_cert_from_pem(pem);
        }
        Ok(options)
    }
}
