//! One connection through the forwarder, and what can be done to it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{oneshot, watch};

use crate::forwarder::{Moment, Shared, Trigger};
use crate::messages::{self, Splitter};

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    Requests,
    /// From the server to the client.
    Answers,
    /// Both.
    Both,
}

/// What happens to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing passes that way any more, and nobody is told: the sockets stay open. What comes is
    /// held, and passes when bytes flow again.
    Swallow(Direction),
    /// Both sides are reset.
    Cut,
    /// Both sides are closed in order.
    Close,
}

/// Which ways are shut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Gate {
    requests_shut: bool,
    answers_shut: bool,
}

impl Gate {
    pub(crate) fn shut(&mut self, direction: Direction) {
        self.requests_shut |= direction != Direction::Answers;
        self.answers_shut |= direction != Direction::Requests;
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    No,
    Reset,
    Closed,
}

/// The handle by which a connection is told what happens to it.
#[derive(Debug)]
pub(crate) struct Control {
    gate: watch::Sender<Gate>,
    end: watch::Sender<End>,
    /// A fault that waits for the server to have answered.
    after_answer: Mutex<Option<(Fault, oneshot::Sender<()>)>>,
}

impl Control {
    pub(crate) fn new(gate: Gate) -> Arc<Self> {
        Arc::new(Self {
            gate: watch::Sender::new(gate),
            end: watch::Sender::new(End::No),
            after_answer: Mutex::new(None),
        })
    }

    pub(crate) fn meet(&self, fault: Fault) {
        match fault {
            Fault::Swallow(direction) => self.gate.send_modify(|gate| gate.shut(direction)),
            Fault::Cut => drop(self.end.send_replace(End::Reset)),
            Fault::Close => drop(self.end.send_replace(End::Closed)),
        }
    }

    pub(crate) fn flow(&self) {
        self.gate.send_replace(Gate::default());
    }

    fn after_answer(&self) -> std::sync::MutexGuard<'_, Option<(Fault, oneshot::Sender<()>)>> {
        self.after_answer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forwards until one side ends, or the connection is ended on order.
pub(crate) async fn run(
    mut client: TcpStream,
    mut server: TcpStream,
    control: Arc<Control>,
    shared: Arc<Shared>,
    read_only: bool,
) {
    let mut end = control.end.subscribe();
    let ended = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let pumps = async {
            tokio::join!(
                requests(from_client, to_server, &control, &shared, read_only),
                answers(from_server, to_client, &control, &shared)
            )
        };
        tokio::select! {
            _ = pumps => End::Closed,
            ended = end.wait_for(|end| *end != End::No) => ended.map_or(End::Closed, |end| *end),
        }
    };
    if ended == End::Reset {
        for side in [&client, &server] {
            let _ = side.set_zero_linger();
        }
    }
}

async fn requests(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    control: &Control,
    shared: &Shared,
    read_only: bool,
) -> io::Result<()> {
    let mut splitter = Splitter::default();
    let mut pending: Option<Trigger> = None;
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            pass(control, shared, |gate| gate.requests_shut).await;
            return to.shutdown().await;
        }
        for mut message in splitter.feed(&chunk[..length]) {
            if message.is_startup && read_only {
                message.bytes =
                    messages::with_setting(&message.bytes, "default_transaction_read_only", "on");
            }
            if let Some(trigger) = message.runs.as_deref().and_then(|text| shared.trigger(text)) {
                match trigger.moment {
                    Moment::Before => {
                        control.meet(trigger.fault);
                        let _ = trigger.reached.send(());
                    }
                    Moment::After => pending = Some(trigger),
                }
            }
            if message.ends_request
                && let Some(trigger) = pending.take()
            {
                *control.after_answer() = Some((trigger.fault, trigger.reached));
            }
            pass(control, shared, |gate| gate.requests_shut).await;
            to.write_all(&message.bytes).await?;
        }
    }
}

async fn answers(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    control: &Control,
    shared: &Shared,
) -> io::Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            pass(control, shared, |gate| gate.answers_shut).await;
            return to.shutdown().await;
        }
        let mut answer = chunk[..length].to_vec();
        let waiting = control.after_answer().take();
        if let Some((fault, reached)) = waiting {
            while !messages::end_ready(&answer) {
                let length = from.read(&mut chunk).await?;
                if length == 0 {
                    break;
                }
                answer.extend_from_slice(&chunk[..length]);
            }
            control.meet(fault);
            let _ = reached.send(());
            if !matches!(fault, Fault::Swallow(_)) {
                // The answer must not slip out before the connection is ended.
                std::future::pending::<()>().await;
            }
        }
        pass(control, shared, |gate| gate.answers_shut).await;
        to.write_all(&answer).await?;
    }
}

/// Waits as long as the way is shut, and then as long as bytes are to be late.
async fn pass(control: &Control, shared: &Shared, is_shut: impl Fn(&Gate) -> bool) {
    let mut gate = control.gate.subscribe();
    if is_shut(&gate.borrow()) {
        shared.note_held();
    }
    // The sender is in `control`, which is borrowed: it cannot be gone.
    let _ = gate.wait_for(|gate| !is_shut(gate)).await;
    let delay = shared.delay();
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
}
