//! `verify-full`: whose certificate a server may have.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use shared::{
    process::{ErrorCode, Failure},
    store::{Database, Store},
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::secrets::{Secrets, credentials, secret_for};

/// A server's way into TLS: the certificate is by a private authority, for `name`.
struct Encrypted {
    port: u16,
    /// The authority's own certificate, as a PEM file.
    authority: PathBuf,
}

impl Encrypted {
    async fn new(server: SocketAddr, name: &str) -> Self {
        let (authority, config) = certify(name);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let path = std::env::temp_dir().join(format!("aigen-authority-{port}.pem"));
        std::fs::write(&path, authority).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // The client asks whether there is TLS (`SSLRequest`).
                    client.read_exact(&mut [0; 8]).await?;
                    client.write_all(b"S").await?;
                    let mut client = acceptor.accept(client).await?;
                    let mut server = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Self { port, authority: path }
    }
}

impl Drop for Encrypted {
    fn drop(&mut self) {
        std::fs::remove_file(&self.authority).unwrap();
    }
}

/// A new authority's certificate, and a server with one by it.
pub fn certify(name: &str) -> (String, ServerConfig) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (authority, config)
}

/// What a call says of a server that is certified for `name`, by functions with `DATABASE_CA_FILE`
/// or without.
async fn call(options: &PgConnectOptions, name: &str, knows: bool) -> Result<i64, Failure> {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, options.get_port()));
    let encrypted = Encrypted::new(server, name).await;
    let secret = secret_for(options, encrypted.port);
    let endpoint = Arc::new(Secrets::default()).serve(secret, false).await;
    let file = encrypted.authority.to_str().unwrap();
    let variables =
        [("DATABASE_TLS", "verify-full"), ("DATABASE_CA_FILE", if knows { file } else { "" })];
    Store::new(Database::new(credentials(endpoint, &variables))).schema_version().await
}

// aws.md 2
#[sqlx::test(migrations = "../infra/migrations")]
async fn a_private_authority_is_believed_when_a_file_names_it(
    _: PgPoolOptions,
    options: PgConnectOptions,
) {
    assert!(call(&options, "127.0.0.1", true).await.unwrap() > 0);
    let failure = call(&options, "127.0.0.1", false).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
    assert!(failure.cause.contains("DATABASE_CA_FILE"), "{failure}");
}

#[sqlx::test(migrations = "../infra/migrations")]
async fn a_certificate_for_another_host_is_refused(_: PgPoolOptions, options: PgConnectOptions) {
    let failure = call(&options, "db.example.com", true).await.unwrap_err();
    assert_eq!(failure.code, ErrorCode::DatabaseConnectionError);
}
