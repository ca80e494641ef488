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
    let before = linux::open_files();
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
    use std::{net::SocketAddr, os::fd::RawFd, time::Duration};

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

    /// The numbers of the files that this process has open.
    pub(super) fn open_files() -> Vec<RawFd> {
        let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return Vec::new() };
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// Sets the options of the sockets to `port` that were connected since `before`. Whether there
    /// was one.
    pub(super) fn tune(port: u16, before: &[RawFd], patience: Duration) -> bool {
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
        let new = open_files().into_iter().filter(|number| !before.contains(number));
        // All of them, also after the first: two may connect at once.
        new.filter(|number| set(*number).unwrap_or(false)).count() > 0
    }
}
