//! A forwarder between a function and Postgres, that notes when the function speaks. Inside TLS it
//! cannot read, but who connects always says the same things in the same order: each time the
//! function speaks after the server has, it has got one step further.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};

/// Who spoke, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) by_client: bool,
    pub(super) at: Instant,
}

/// When each turn of the client began: the first of what it said after the server had spoken.
pub(super) fn turns(spoken: &[Spoken]) -> Vec<Instant> {
    let mut turns = Vec::new();
    let mut was_client = false;
    for it in spoken {
        if it.by_client && !was_client {
            turns.push(it.at);
        }
        was_client = it.by_client;
    }
    turns
}

/// The forwarder.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) port: u16,
    spoken: Arc<Mutex<Vec<Spoken>>>,
}

impl Wire {
    /// Forwards to the server on `port` of this machine.
    pub(super) async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port to forward from")?;
        let own = listener.local_addr().context("the forwarder has no address")?.port();
        let spoken: Arc<Mutex<Vec<Spoken>>> = Arc::default();
        let noted = Arc::clone(&spoken);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, port, Arc::clone(&noted)));
            }
        });
        Ok(Self { port: own, spoken })
    }

    /// What was spoken since the last time this was asked.
    pub(super) fn take(&self) -> Vec<Spoken> {
        std::mem::take(&mut self.spoken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn forward(client: TcpStream, port: u16, spoken: Arc<Mutex<Vec<Spoken>>>) {
    let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    // Or what is forwarded waits for an acknowledgement that would not be waited for without it.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(
        pass(from_client, to_server, true, &spoken),
        pass(from_server, to_client, false, &spoken)
    );
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    by_client: bool,
    spoken: &Mutex<Vec<Spoken>>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        let it = Spoken { by_client, at: Instant::now() };
        spoken.lock().unwrap_or_else(PoisonError::into_inner).push(it);
        if to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_turn_begins_where_the_client_speaks_after_the_server() {
        let began = Instant::now();
        let at = |milliseconds| began + Duration::from_millis(milliseconds);
        let spoken: Vec<_> = [(true, 1), (true, 2), (false, 3), (true, 4), (false, 5), (false, 6)]
            .map(|(by_client, after)| Spoken { by_client, at: at(after) })
            .into();
        assert_eq!(turns(&spoken), [at(1), at(4)]);
        assert!(turns(&[]).is_empty());
    }

    #[tokio::test]
    async fn what_is_said_arrives_and_is_noted() {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::to(server.local_addr().unwrap().port()).await.unwrap();
        let mut client = TcpStream::connect(("127.0.0.1", wire.port)).await.unwrap();
        let (mut far_end, _) = server.accept().await.unwrap();
        let mut heard = [0; 4];
        client.write_all(b"ping").await.unwrap();
        far_end.read_exact(&mut heard).await.unwrap();
        far_end.write_all(b"pong").await.unwrap();
        client.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"pong");
        let spoken: Vec<_> = wire.take().iter().map(|it| it.by_client).collect();
        assert_eq!(spoken, [true, false]);
        assert!(wire.take().is_empty());
    }
}
