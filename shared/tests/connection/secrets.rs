//! Secrets Manager, as far as the store uses it.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_credential_types::{Credentials as AwsCredentials, provider::SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use serde_json::json;
use shared::{
    environment::Environment,
    store::{Credentials, DatabaseConfig},
};
use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A Secrets Manager that knows one secret, whose pending version may be missing. It counts how
/// often each was asked for.
#[derive(Default)]
pub struct Secrets {
    current: AtomicU32,
    pending: AtomicU32,
}

impl Secrets {
    pub async fn serve(self: Arc<Self>, secret: String, has_pending: bool) -> SocketAddr {
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

    /// How often the current version was asked for, and the pending one.
    pub fn asked(&self) -> (u32, u32) {
        let count = |asked: &AtomicU32| asked.load(Ordering::Relaxed);
        (count(&self.current), count(&self.pending))
    }
}

/// The test's own login, at another port.
pub fn secret_for(options: &PgConnectOptions, port: u16) -> String {
    // The options do not give the password away.
    let url = std::env::var("DATABASE_URL").unwrap();
    let login = url.split_once("://").unwrap().1.rsplit_once('@').unwrap().0;
    let (username, password) = login.split_once(':').unwrap_or((login, ""));
    json!({
        "username": username,
        "password": password,
        "host": "127.0.0.1",
        "port": port.to_string(),
        "dbname": options.get_database().unwrap(),
    })
    .to_string()
}

/// What a function makes of its `variables`, with the secret at `endpoint`.
pub fn credentials(endpoint: SocketAddr, variables: &[(&str, &str)]) -> Credentials {
    let read = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    let config = DatabaseConfig::read(Environment::new(&|name| match name {
        "DATABASE_SECRET_ARN" => Some("arn".to_owned()),
        name => read(name),
    }));
    let identity = AwsCredentials::new("a", "b", None, None, "test");
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(identity))
        .endpoint_url(format!("http://{endpoint}"))
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Credentials::new(config.unwrap(), &aws)
}
