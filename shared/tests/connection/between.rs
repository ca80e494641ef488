//! A store whose connections go through a forwarder.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use shared::store::{Credentials, Database, Store};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use test_kit::Fixture;
use unkind::{Forwarder, Target};

/// The longest time of a call in these tests: short, so that they are, and long for any statement.
pub const LIMIT: Duration = Duration::from_secs(3);

/// A store that speaks through the forwarder, and a fixture that does not.
pub struct Between {
    pub forwarder: Forwarder,
    pub store: Store,
    pub fixture: Fixture,
    server: SocketAddr,
}

impl Between {
    pub async fn new(options: PgConnectOptions) -> Self {
        Self::with(options, |database| database).await
    }

    /// With a database that `change` has its way with.
    pub async fn with(
        options: PgConnectOptions,
        change: impl FnOnce(Database) -> Database,
    ) -> Self {
        let fixture = Fixture::new(options.clone()).await;
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, options.get_port()));
        let forwarder = Forwarder::to(server).await.unwrap();
        let options =
            options.host("127.0.0.1").port(forwarder.address().port()).ssl_mode(PgSslMode::Disable);
        let database = Database::new(Credentials::Given(Box::new(options))).limit_calls(LIMIT);
        Self { forwarder, store: Store::new(change(database)), fixture, server }
    }

    /// The server, as one that has been demoted.
    pub fn read_only(&self) -> Target {
        Target { address: self.server, read_only: true }
    }

    /// The server.
    pub fn writer(&self) -> Target {
        Target { address: self.server, read_only: false }
    }
}
