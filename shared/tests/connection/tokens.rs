//! Logging in by a token of IAM, where the server asks for the password as it is, inside TLS: as
//! RDS asks a role that has `rds_iam`.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{
    Credentials as AwsCredentials,
    provider::{ProvideCredentials, SharedCredentialsProvider, future},
};
use postgres_protocol::{
    authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    message::frontend,
};
use shared::{
    environment::Environment,
    process::{ErrorCode, Failure},
    store::{Credentials, Database, DatabaseConfig, Store},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::encrypted::certify;

/// Whom a token is for: no role of the server's. The front lets it in as the test's own.
const USER: &str = "aigen_work";
/// `invalid_authorization_specification`: what becomes of it is tried again.
const REFUSED: &str = "28000";
/// `invalid_catalog_name`: there is no such database, and trying again does not help.
const UNKNOWN: &str = "3D000";

/// A server that asks for the password as it is, and lets in whoever it does not refuse.
struct Front {
    port: u16,
    /// The authority of its certificate, as a PEM file.
    authority: PathBuf,
    /// The users and passwords that came.
    came: Arc<Mutex<Vec<(String, String)>>>,
}

impl Front {
    /// It refuses the first logins, with that state.
    async fn new(options: &PgConnectOptions, refusals: usize, sqlstate: &'static str) -> Self {
        let (authority, config) = certify("127.0.0.1");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let path = std::env::temp_dir().join(format!("aigen-front-{port}.pem"));
        std::fs::write(&path, authority).unwrap();
        let front = Self { port, authority: path, came: Arc::default() };
        let came = Arc::clone(&front.came);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let own = Own::of(options);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (acceptor, came, own) = (acceptor.clone(), Arc::clone(&came), own.clone());
                tokio::spawn(async move {
                    let mut client = encrypted(client, &acceptor).await?;
                    let login = ask(&mut client).await?;
                    let number = {
                        let mut came = came.lock().unwrap();
                        came.push(login);
                        came.len()
                    };
                    if number <= refusals {
                        return client.write_all(&refusal(sqlstate)).await;
                    }
                    let mut server = own.log_in().await?;
                    client.write_all(&message(b'R', &0_i32.to_be_bytes())).await?;
                    copy_bidirectional(&mut client, &mut server).await.map(drop)
                });
            }
        });
        front
    }

    fn came(&self) -> Vec<(String, String)> {
        self.came.lock().unwrap().clone()
    }

    /// A function that logs in here by tokens; `knows` the authority or does not.
    fn store(&self, knows: bool) -> Store {
        let file = if knows { self.authority.to_str().unwrap() } else { "" };
        let config = DatabaseConfig::read(Environment::new(&|name| match name {
            "DATABASE_LOGIN" => Some("iam".to_owned()),
            "DATABASE_USER" => Some(USER.to_owned()),
            "DATABASE_HOST" => Some("127.0.0.1".to_owned()),
            "DATABASE_PORT" => Some(self.port.to_string()),
            "DATABASE_NAME" => Some("of the front".to_owned()),
            "DATABASE_CA_FILE" => Some(file.to_owned()),
            _ => None,
        }));
        let aws = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(Counting::default()))
            .build();
        let database = Database::new(Credentials::new(config.unwrap(), &aws));
        Store::new(database.limit_calls(Duration::from_mins(1)))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        std::fs::remove_file(&self.authority).unwrap();
    }
}

/// Credentials of a role, whose session has another name each time that they are asked for: so that
/// two tokens of one second are told apart.
#[derive(Debug, Default)]
struct Counting(AtomicU32);

impl ProvideCredentials for Counting {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        let session = Some(format!("session{number}"));
        future::ProvideCredentials::ready(Ok(AwsCredentials::new("id", "s", session, None, "test")))
    }
}

/// The test's own login, at the real server.
#[derive(Clone)]
struct Own {
    server: SocketAddr,
    user: String,
    password: String,
    database: String,
}

impl Own {
    fn of(options: &PgConnectOptions) -> Self {
        // The options do not give the password away.
        let url = std::env::var("DATABASE_URL").unwrap();
        let login = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        Self {
            server: SocketAddr::from((Ipv4Addr::LOCALHOST, options.get_port())),
            user: user.to_owned(),
            password: password.to_owned(),
            database: options.get_database().unwrap().to_owned(),
        }
    }

    /// A session that has been let in, before the server's first word after that.
    async fn log_in(&self) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect(self.server).await?;
        let mut out = bytes::BytesMut::new();
        let who = [("user", self.user.as_str()), ("database", self.database.as_str())];
        frontend::startup_message(who, &mut out)?;
        server.write_all(&out).await?;
        let mut scram = ScramSha256::new(self.password.as_bytes(), ChannelBinding::unsupported());
        loop {
            let (kind, body) = read(&mut server).await?;
            let (code, data) = body.split_at(4);
            let code = i32::from_be_bytes(code.try_into().unwrap());
            out.clear();
            match (kind, code) {
                (b'R', 0) => return Ok(server),
                (b'R', 10) => {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut out)?;
                }
                (b'R', 11) => {
                    scram.update(data)?;
                    frontend::sasl_response(scram.message(), &mut out)?;
                }
                (b'R', 12) => scram.finish(data)?,
                other => panic!("{other:?}: {}", String::from_utf8_lossy(&body)),
            }
            server.write_all(&out).await?;
        }
    }
}

/// The client asks whether there is TLS (`SSLRequest`), and there is.
async fn encrypted(
    mut client: TcpStream,
    acceptor: &TlsAcceptor,
) -> io::Result<impl AsyncRead + AsyncWrite + Unpin> {
    client.read_exact(&mut [0; 8]).await?;
    client.write_all(b"S").await?;
    acceptor.accept(client).await
}

/// Who wants to log in, and the password.
async fn ask(client: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<(String, String)> {
    let length = client.read_u32().await?;
    let mut startup = vec![0; length as usize - 4];
    client.read_exact(&mut startup).await?;
    let texts: Vec<_> =
        startup[4..].split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let user = texts.chunks(2).find(|pair| pair[0] == "user").unwrap()[1].to_string();
    // `AuthenticationCleartextPassword`.
    client.write_all(&message(b'R', &3_i32.to_be_bytes())).await?;
    let (kind, body) = read(client).await?;
    assert_eq!(kind, b'p', "it does not give its password");
    let password = body.strip_suffix(b"\0").unwrap();
    Ok((user, String::from_utf8(password.to_vec()).unwrap()))
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    let length = stream.read_u32().await?;
    let mut body = vec![0; length as usize - 4];
    stream.read_exact(&mut body).await?;
    Ok((kind, body))
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

/// By what a server refuses somebody, as RDS does a token that it does not take.
fn refusal(sqlstate: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{sqlstate}\0Mrefused \"{USER}\"\0\0");
    message(b'E', fields.as_bytes())
}

async fn call(store: &Store) -> Result<i64, Failure> {
    store.schema_version().await
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_token_is_the_password_and_one_connection_needs_one(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let front = Front::new(&options, 0, REFUSED).await;
    let store = front.store(true);
    assert!(call(&store).await.unwrap() > 0);
    assert!(call(&store).await.unwrap() > 0);
    let came = front.came();
    let [(user, token)] = came.as_slice() else { panic!("{came:?}") };
    assert_eq!(user, USER);
    let begins = format!("127.0.0.1:{}/?Action=connect&DBUser={USER}&X-Amz-", front.port);
    assert!(token.starts_with(&begins), "{token}");
    let parts = ["%2Feu-west-1%2Frds-db%2Faws4_request&", "&X-Amz-Expires=900&", "=session1"];
    assert!(parts.iter().all(|part| token.contains(part)), "{token}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn each_connection_and_each_new_attempt_has_a_token_of_its_own(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let front = Front::new(&options, 2, REFUSED).await;
    let store = front.store(true);
    call(&store).await.unwrap();
    // Another session of the server, as after a failover.
    let pool = sqlx::PgPool::connect_with(options).await.unwrap();
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    sqlx::raw_sql(end).execute(&pool).await.unwrap();
    let lost = call(&store).await;
    assert!(lost.is_ok() || call(&store).await.is_ok());
    let sessions: Vec<_> = front
        .came()
        .iter()
        .map(|(_, token)| token.rsplit_once("session").unwrap().1.to_owned())
        .collect();
    assert_eq!(sessions, ["1", "2", "3", "4"]);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_server_whose_certificate_is_not_believed_gets_no_token(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let front = Front::new(&options, 0, REFUSED).await;
    let failure = call(&front.store(false)).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("DATABASE_CA_FILE"), "{failure}");
    assert_eq!(front.came(), []);
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn what_is_wrong_is_told_with_whom_the_token_was_for_and_never_the_token(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    let front = Front::new(&options, usize::MAX, UNKNOWN).await;
    let failure = call(&front.store(true)).await.unwrap_err();
    assert!(failure.cause.contains("3D000 (no such database)"), "{failure}");
    assert!(failure.cause.contains(&format!("as {USER} at 127.0.0.1")), "{failure}");
    assert!(!failure.cause.contains("X-Amz"), "{failure}");
    assert_eq!(front.came().len(), 1);
}
