//! Logging in while the password is rotated, or the server is not ready.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_sdk_secretsmanager::config::{
    BehaviorVersion, Credentials as AwsCredentials, Region, retry::RetryConfig,
};
use aws_smithy_http_client::Builder;
use serde_json::json;
use shared::{
    environment::Environment,
    process::{ErrorCode, Failure},
    store::{Credentials, Database, DatabaseConfig, Store},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

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
                    client.read(&mut [0; 1024]).await.unwrap();
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

/// A Secrets Manager that knows one secret, whose pending version may be missing. It counts how
/// often each was asked for.
#[derive(Default)]
struct Secrets {
    current: AtomicU32,
    pending: AtomicU32,
}

impl Secrets {
    async fn serve(self: Arc<Self>, secret: String, has_pending: bool) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = String::new();
                while !request.contains("SecretId") {
                    let mut chunk = [0; 4096];
                    let length = client.read(&mut chunk).await.unwrap();
                    request.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
                }
                let is_pending = request.contains("AWSPENDING");
                let asked = if is_pending { &self.pending } else { &self.current };
                asked.fetch_add(1, Ordering::Relaxed);
                let (status, body) = if is_pending && !has_pending {
                    ("400 Bad Request", json!({"__type": "ResourceNotFoundException"}))
                } else {
                    ("200 OK", json!({"SecretString": secret}))
                };
                let body = body.to_string();
                let answer = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/x-amz-json-1.1\r\n\
                     Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }
}

fn client(endpoint: SocketAddr) -> aws_sdk_secretsmanager::Client {
    let config = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(AwsCredentials::new("a", "b", None, None, "test"))
        .endpoint_url(format!("http://{endpoint}"))
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    aws_sdk_secretsmanager::Client::from_conf(config)
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
        // The options do not give the password away.
        let url = std::env::var("DATABASE_URL").unwrap();
        let login = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
        let (username, password) = login.split_once(':').unwrap_or((login, ""));
        let secret = json!({
            "username": username,
            "password": password,
            "host": "127.0.0.1",
            "port": door.port.to_string(),
            "dbname": options.get_database().unwrap(),
        });
        let secrets = Arc::new(Secrets::default());
        let endpoint = Arc::clone(&secrets).serve(secret.to_string(), has_pending).await;
        let config = DatabaseConfig::read(Environment::new(&|name| match name {
            "DATABASE_SECRET_ARN" => Some("arn".to_owned()),
            "DATABASE_TLS" => Some("disable".to_owned()),
            _ => None,
        }));
        let credentials = Credentials::Secret { client: client(endpoint), config: config.unwrap() };
        let store = Store::new(Database::new(credentials).limit_calls(limit));
        Self { door, secrets, store }
    }

    async fn call(&self) -> Result<i64, Failure> {
        self.store.schema_version().await
    }

    fn asked(&self) -> (u32, u32) {
        let count = |asked: &AtomicU32| asked.load(Ordering::Relaxed);
        (count(&self.secrets.current), count(&self.secrets.pending))
    }
}

const LONG: Duration = Duration::from_secs(60);

// world.md 21: the database has the new password, the secret still calls it pending
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_pending_password_is_tried_at_once(_: PgPoolOptions, options: PgConnectOptions) {
    let rotation = Rotation::new(&options, 1, "28P01", LONG, true).await;
    rotation.call().await.unwrap();
    assert_eq!((rotation.door.logins(), rotation.asked()), (2, (1, 1)));
    // What worked is known from now on.
    rotation.call().await.unwrap();
    assert_eq!(rotation.asked(), (1, 1));
}

// world.md 21: neither works for a while
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_rotation_in_which_no_password_works_is_waited_out(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let rotation = Rotation::new(&options, 4, "28P01", LONG, false).await;
    rotation.call().await.unwrap();
    assert_eq!((rotation.door.logins(), rotation.asked()), (5, (5, 4)));
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
    assert_eq!((rotation.door.logins(), rotation.asked()), (3, (1, 0)));
    let short = Duration::from_millis(300);
    let rotation = Rotation::new(&options, u32::MAX, "53300", short, false).await;
    let failure = rotation.call().await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("53300 (too many clients)"), "{failure}");
}
