//! The forwarder: where clients connect, and where it is told what is to happen.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::connection::{self, Control, Direction, Fault, Gate};

/// A server that connections go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it refuses to write, as a server does that was the writer until a failover (25006).
    /// The session is asked for that, so only a connection in the clear is.
    pub read_only: bool,
}

/// When a fault comes, seen from the statement it is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The server never sees the statement (as long as it is swallowed).
    Before,
    /// The server has run the statement and said so, and the client does not hear it.
    After,
}

/// Comes when the statement has met its fault.
pub type Reached = oneshot::Receiver<()>;

/// Listens on a free port of the loopback interface and forwards to a server. When it is dropped,
/// so are all its connections.
#[derive(Debug)]
pub struct Forwarder {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// The listener's task; none while connections are refused.
    listening: tokio::sync::Mutex<Option<tokio::task::JoinHandle<()>>>,
    connections: Arc<Mutex<JoinSet<()>>>,
}

#[derive(Debug)]
pub(crate) struct Trigger {
    text: String,
    pub fault: Fault,
    pub moment: Moment,
    pub reached: oneshot::Sender<()>,
}

/// What the forwarder and its connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// How many times bytes came to a shut way.
    held: watch::Sender<u64>,
    /// How many connections were accepted.
    accepted: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    target: Target,
    next_targets: VecDeque<Target>,
    gate: Gate,
    delay: Duration,
    triggers: Vec<Trigger>,
    controls: HashMap<u64, Arc<Control>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first order that waits for a statement with this text; it is carried out once.
    pub(crate) fn trigger(&self, statement: &str) -> Option<Trigger> {
        let mut state = self.state();
        let at = state.triggers.iter().position(|trigger| statement.contains(&trigger.text))?;
        Some(state.triggers.remove(at))
    }

    pub(crate) fn delay(&self) -> Duration {
        self.state().delay
    }

    pub(crate) fn note_held(&self) {
        self.held.send_modify(|count| *count += 1);
    }
}

impl Forwarder {
    /// Listens for `server`.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let target = Target { address: server, read_only: false };
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                target,
                next_targets: VecDeque::new(),
                gate: Gate::default(),
                delay: Duration::ZERO,
                triggers: Vec::new(),
                controls: HashMap::new(),
            }),
            held: watch::Sender::new(0),
            accepted: watch::Sender::new(0),
        });
        let listener = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let forwarder = Self {
            address: listener.local_addr()?,
            shared,
            listening: tokio::sync::Mutex::new(None),
            connections: Arc::default(),
        };
        *forwarder.listening.lock().await = Some(forwarder.serve(listener));
        Ok(forwarder)
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has every connection meet `fault`. New ones are swallowed too, but not cut or closed.
    pub fn meet(&self, fault: Fault) {
        let mut state = self.shared.state();
        if let Fault::Swallow(direction) = fault {
            state.gate.shut(direction);
        }
        state.controls.values().for_each(|control| control.meet(fault));
    }

    /// Swallows all that comes, of present and new connections.
    pub fn swallow(&self) {
        self.meet(Fault::Swallow(Direction::Both));
    }

    /// Lets everything through again, what was held first.
    pub fn flow(&self) {
        let mut state = self.shared.state();
        state.gate = Gate::default();
        state.controls.values().for_each(|control| control.flow());
    }

    /// Lets each piece wait for so long before it passes.
    pub fn delay(&self, delay: Duration) {
        self.shared.state().delay = delay;
    }

    /// Has the next statement that contains `text` meet `fault`, once, on its own connection only.
    /// A prepared statement is meant when it runs, not when it is prepared.
    #[must_use = "await it to know that the statement has come by"]
    pub fn at(&self, text: &str, moment: Moment, fault: Fault) -> Reached {
        let (reached, when_reached) = oneshot::channel();
        let trigger = Trigger { text: text.to_owned(), fault, moment, reached };
        self.shared.state().triggers.push(trigger);
        when_reached
    }

    /// Sends all new connections to `target`.
    pub fn send_to(&self, target: Target) {
        self.shared.state().target = target;
    }

    /// Sends the next connection, and no other, to `target`.
    pub fn send_next_to(&self, target: Target) {
        self.shared.state().next_targets.push_back(target);
    }

    /// Refuses new connections, as a port does where nobody listens.
    pub async fn refuse(&self) {
        if let Some(task) = self.listening.lock().await.take() {
            task.abort();
            // The port is closed when the task has let go of it.
            let _ = task.await;
        }
    }

    /// Takes new connections again.
    ///
    /// # Errors
    /// When the port has been taken by another program meanwhile.
    pub async fn accept(&self) -> io::Result<()> {
        let mut listening = self.listening.lock().await;
        if listening.is_none() {
            *listening = Some(self.serve(listen(self.address)?));
        }
        Ok(())
    }

    /// Waits until a connection has something to send to where nothing passes, counted from the
    /// first use on.
    pub async fn something_held(&self) {
        let _ = self.shared.held.subscribe().wait_for(|count| *count > 0).await;
    }

    /// How many connections have been accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        *self.shared.accepted.borrow()
    }

    fn serve(&self, listener: TcpListener) -> tokio::task::JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        let connections = Arc::clone(&self.connections);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let forward = forward(client, Arc::clone(&shared));
                let mut connections = connections.lock().unwrap_or_else(PoisonError::into_inner);
                while connections.try_join_next().is_some() {}
                connections.spawn(forward);
            }
        })
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        if let Some(task) = self.listening.get_mut() {
            task.abort();
        }
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).abort_all();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // The port can be had again although old connections still linger on it.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(128)
}

async fn forward(client: TcpStream, shared: Arc<Shared>) {
    let (id, control, target) = {
        let mut state = shared.state();
        let id = *shared.accepted.borrow() + 1;
        shared.accepted.send_replace(id);
        let control = Control::new(state.gate);
        state.controls.insert(id, Arc::clone(&control));
        let target = state.next_targets.pop_front().unwrap_or(state.target);
        (id, control, target)
    };
    // A server that cannot be reached shows itself as a connection that ends at once.
    if let Ok(server) = TcpStream::connect(target.address).await {
        let _ = client.set_nodelay(true);
        let _ = server.set_nodelay(true);
        connection::run(client, server, control, Arc::clone(&shared), target.read_only).await;
    }
    shared.state().controls.remove(&id);
}
