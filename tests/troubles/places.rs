//! Servers that are wrong: one that says nothing, and one that knows no TLS.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// A server on a free port, until it is dropped.
pub struct Place {
    pub port: u16,
    serving: JoinHandle<()>,
}

impl Place {
    /// Takes connections, and what comes, and never answers.
    pub async fn silent() -> Self {
        Self::answering(b"").await
    }

    /// Answers Postgres's request for TLS with a no.
    pub async fn without_tls() -> Self {
        Self::answering(b"N").await
    }

    async fn answering(answer: &'static [u8]) -> Self {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut client, _)) = listener.accept().await {
                let mut request = [0; 8];
                if client.read_exact(&mut request).await.is_ok() && !answer.is_empty() {
                    // One that has gone needs no answer.
                    let _ = client.write_all(answer).await;
                }
                open.push(client);
            }
        });
        Self { port, serving }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A port at which nobody listens: the discard service is on no machine of today.
pub const NOBODY: &str = "http://127.0.0.1:9";
