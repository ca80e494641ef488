//! How the kernel is to treat the connection.
//!
//! sqlx 0.9.0 leaves Nagle's algorithm on, so that the TLS handshake and the login stall twice for
//! 40 ms (<https://github.com/transact-rs/sqlx/issues/4335>, mended after that release), and gives
//! no access to its socket. Here the socket is found among the process's own open files as soon as
//! it is connected, which is before the handshake. Where the system does not allow that, the
//! connection works as well, only slower. With a release of sqlx that sets `TCP_NODELAY`, this file
//! can shrink to `options.connect()`.

use std::time::Duration;

use sqlx::{ConnectOptions, PgConnection, postgres::PgConnectOptions};

/// Connects. A peer that does not acknowledge for `patience` is given up by the kernel too.
#[cfg(target_os = "linux")]
pub(super) async fn connect(
    options: &PgConnectOptions,
    patience: Duration,
) -> Result<PgConnection, sqlx::Error> {
    let before = linux::sockets();
    let mut is_tuned = false;
    let mut connecting = std::pin::pin!(options.connect());
    std::future::poll_fn(|context| {
        let polled = connecting.as_mut().poll(context);
        if !is_tuned {
            is_tuned = linux::tune(options.get_port(), &before, patience);
        }
        polled
    })
    .await
}

/// Connects.
#[cfg(not(target_os = "linux"))]
pub(super) async fn connect(
    options: &PgConnectOptions,
    _patience: Duration,
) -> Result<PgConnection, sqlx::Error> {
    options.connect().await
}

#[cfg(target_os = "linux")]
mod linux {
    use std::{fs::DirEntry, net::SocketAddr, os::fd::RawFd, path::PathBuf, time::Duration};

    use rustix::{
        io,
        net::{getpeername, sockopt},
        process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open},
    };

    /// After so long without a word the kernel asks whether the peer is there, and asks so many
    /// times with this pause before it gives up.
    const KEEPALIVE_AFTER: Duration = Duration::from_secs(10);
    const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
    const KEEPALIVE_TIMES: u32 = 3;

    /// A socket's number in this process, which is given again when it is closed, and its name in
    /// the kernel, which is not.
    type Socket = (RawFd, PathBuf);

    /// The sockets that this process has open.
    pub(super) fn sockets() -> Vec<Socket> {
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
        let socket = |entry: DirEntry| {
            let name = std::fs::read_link(entry.path()).ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            name.to_str()?.starts_with("socket:").then_some((number, name))
        };
        entries.flatten().filter_map(socket).collect()
    }

    /// Sets the options of the sockets to `port` that were connected since `before`. Whether there
    /// was one.
    pub(super) fn tune(port: u16, before: &[Socket], patience: Duration) -> bool {
        let new = sockets().into_iter().filter(|socket| !before.contains(socket));
        let new: Vec<RawFd> = new.map(|(number, _)| number).collect();
        if new.is_empty() {
            return false;
        }
        let Ok(process) = pidfd_open(getpid(), PidfdFlags::empty()) else { return false };
        let set = |number| -> io::Result<bool> {
            // A second descriptor of the same socket: options belong to the socket.
            let socket = pidfd_getfd(&process, number, PidfdGetfdFlags::empty())?;
            let peer = getpeername(&socket)?.ok_or(io::Errno::NOTCONN)?;
            if SocketAddr::try_from(peer)?.port() != port {
                return Ok(false);
            }
            sockopt::set_tcp_nodelay(&socket, true)?;
            sockopt::set_socket_keepalive(&socket, true)?;
            sockopt::set_tcp_keepidle(&socket, KEEPALIVE_AFTER)?;
            sockopt::set_tcp_keepintvl(&socket, KEEPALIVE_EVERY)?;
            sockopt::set_tcp_keepcnt(&socket, KEEPALIVE_TIMES)?;
            let patience = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(&socket, patience)?;
            Ok(true)
        };
        // All of them, also after the first: two may connect at once.
        new.into_iter().filter(|number| set(*number).unwrap_or(false)).count() > 0
    }

    #[cfg(test)]
    mod tests {
        use std::net::{TcpListener, TcpStream};

        use super::*;

        #[test]
        fn only_new_sockets_to_the_database_are_touched() {
            let server = TcpListener::bind("127.0.0.1:0").unwrap();
            let other = TcpListener::bind("127.0.0.1:0").unwrap();
            let connect =
                |server: &TcpListener| TcpStream::connect(server.local_addr().unwrap()).unwrap();
            let old = connect(&server);
            let before = sockets();
            let port = server.local_addr().unwrap().port();
            let patience = Duration::from_secs(9);
            let elsewhere = connect(&other);
            assert!(!tune(port, &before, patience));
            let new = connect(&server);
            assert!(tune(port, &before, patience));
            let nodelay = |socket: &TcpStream| socket.nodelay().unwrap();
            assert_eq!([&old, &elsewhere, &new].map(nodelay), [false, false, true]);
            assert_eq!(sockopt::tcp_user_timeout(&new), Ok(9_000));
            assert_eq!(sockopt::socket_keepalive(&new), Ok(true));
        }
    }
}
