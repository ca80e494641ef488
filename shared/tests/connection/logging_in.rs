//! Logging in while the password is rotated, or the server is not ready.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use shared::{
    process::{ErrorCode, Failure},
    store::{Database, Store},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::secrets::{Secrets, credentials, secret_for};

/// A way to the server that refuses the first logins.
struct Door {
    port: u16,
    logins: Arc<AtomicU32>,
}

impl Door {
    async fn new(server: SocketAddr, refusals: u32, sqlstate: &'static str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let logins = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&logins);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if count.fetch_add(1, Ordering::Relaxed) < refusals {
                    assert!(client.read(&mut [0; 1024]).await.unwrap() > 0);
                    client.write_all(&refusal(sqlstate)).await.unwrap();
                } else {
                    tokio::spawn(async move {
                        let mut server = TcpStream::connect(server).await.unwrap();
                        copy_bidirectional(&mut client, &mut server).await
                    });
                }
            }
        });
        Self { port, logins }
    }

    fn logins(&self) -> u32 {
        self.logins.load(Ordering::Relaxed)
    }
}

/// PostgreSQL's `ErrorResponse`.
fn refusal(sqlstate: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0Mrefused\0\0");
    let length = u32::try_from(fields.len() + 4).unwrap();
    [b"E".as_slice(), &length.to_be_bytes(), fields.as_bytes()].concat()
}

struct Rotation {
    door: Door,
    secrets: Arc<Secrets>,
    store: Store,
}

impl Rotation {
    async fn new(
        options: &PgConnectOptions,
        refusals: u32,
        sqlstate: &'static str,
        limit: Duration,
        has_pending: bool,
    ) -> Self {
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, options.get_port()));
        let door = Door::new(server, refusals, sqlstate).await;
        let secret = secret_for(options, door.port);
        let secrets = Arc::new(Secrets::default());
        let endpoint = Arc::clone(&secrets).serve(secret, has_pending).await;
        let credentials = credentials(endpoint, &[("DATABASE_TLS", "disable")]);
        let store = Store::new(Database::new(credentials).limit_calls(limit));
        Self { door, secrets, store }
    }

    async fn call(&self) -> Result<i64, Failure> {
        self.store.schema_version().await
    }
}

const LONG: Duration = Duration::from_mins(1);

// world.md 21: the database has the new password, the secret still calls it pending
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_pending_password_is_tried_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let rotation = Rotation::new(&options, 1, "28P01", LONG, true).await;
    rotation.call().await.unwrap();
    assert_eq!((rotation.door.logins(), rotation.secrets.asked()), (2, (1, 1)));
    // What worked is known from now on.
    rotation.call().await.unwrap();
    assert_eq!(rotation.secrets.asked(), (1, 1));
}

// world.md 21: neither works for a while
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_rotation_in_which_no_password_works_is_waited_out(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let rotation = Rotation::new(&options, 4, "28P01", LONG, false).await;
    rotation.call().await.unwrap();
    assert_eq!((rotation.door.logins(), rotation.secrets.asked()), (5, (5, 4)));
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_password_that_stays_wrong_is_told_in_time(_: PgPoolOptions, options: PgConnectOptions) {
    let short = Duration::from_millis(300);
    let rotation = Rotation::new(&options, u32::MAX, "28P01", short, false).await;
    let failure = rotation.call().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("28P01 (wrong password)"), "{failure}");
}

// aws.md 4: the server's own words were lost
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_full_server_is_waited_for_and_then_named(_: PgPoolOptions, options: PgConnectOptions) {
    let rotation = Rotation::new(&options, 2, "53300", LONG, false).await;
    rotation.call().await.unwrap();
    assert_eq!((rotation.door.logins(), rotation.secrets.asked()), (3, (1, 0)));
    let short = Duration::from_millis(300);
    let rotation = Rotation::new(&options, u32::MAX, "53300", short, false).await;
    let failure = rotation.call().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("53300 (too many clients)"), "{failure}");
}
