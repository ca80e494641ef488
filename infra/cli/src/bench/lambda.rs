//! A function's own process, given its invocations as Lambda gives them: by the Runtime API.

use std::{
    path::Path,
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use axum::{
    Router,
    body::Bytes,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use serde_json::Value;
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Mutex, mpsc},
};

/// How long an invocation may take.
const PATIENCE: Duration = Duration::from_mins(15);

type Answer = (bool, Value);

#[derive(Debug, Clone)]
struct Api {
    events: Arc<Mutex<mpsc::Receiver<Value>>>,
    answers: mpsc::Sender<Answer>,
}

/// A running function.
#[derive(Debug)]
pub(crate) struct Function {
    child: Child,
    events: mpsc::Sender<Value>,
    answers: mpsc::Receiver<Answer>,
}

/// What an invocation has cost.
#[derive(Debug, Clone)]
pub(crate) struct Invoked {
    /// What was answered.
    pub(crate) answer: Value,
    /// From handing over the event to having the answer.
    pub(crate) took: Duration,
    /// Time on the processor, in the function's process.
    pub(crate) cpu: Duration,
    /// Most memory that the process has ever had, in bytes.
    pub(crate) peak_rss: u64,
}

impl Function {
    /// Starts `binary` with nothing in its environment but `variables` and what Lambda adds.
    pub(crate) async fn start(
        binary: &Path,
        name: &str,
        variables: &[(&str, String)],
    ) -> Result<Self> {
        let (events, receiver) = mpsc::channel(1);
        let (sender, answers) = mpsc::channel(1);
        let api = Api { events: Arc::new(Mutex::new(receiver)), answers: sender };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(api);
        let listener =
            TcpListener::bind("127.0.0.1:0").await.context("no port for the Runtime API")?;
        let address = listener.local_addr().context("the Runtime API has no address")?;
        tokio::spawn(async move { axum::serve(listener, router).await });
        let child = Command::new(binary)
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (*name, value.as_str())))
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", binary.display()))?;
        Ok(Self { child, events, answers })
    }

    /// Hands `event` over and waits for the answer.
    pub(crate) async fn invoke(&mut self, event: Value) -> Result<Invoked> {
        let pid = self.child.id().context("the function has ended")?;
        let (before, began) = (cpu(pid)?, Instant::now());
        self.events.send(event).await.context("the function asks for no more")?;
        let answer = tokio::select! {
            answer = self.answers.recv() => answer.context("the Runtime API has ended")?,
            ended = self.child.wait() => {
                bail!("the function ended: {:?}", ended.context("and nobody knows how")?)
            }
            () = tokio::time::sleep(PATIENCE) => bail!("no answer within {} s", PATIENCE.as_secs()),
        };
        let took = began.elapsed();
        match answer {
            (true, answer) => Ok(Invoked {
                answer,
                took,
                cpu: cpu(pid)?.saturating_sub(before),
                peak_rss: peak_rss(pid)?,
            }),
            (false, error) => bail!("the function failed: {error}"),
        }
    }

    /// Ends the process, whatever it is doing.
    pub(crate) async fn end(mut self) -> Result<()> {
        self.child.kill().await.context("the function cannot be ended")
    }
}

async fn next(State(api): State<Api>) -> impl IntoResponse {
    let event = api.events.lock().await.recv().await;
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + PATIENCE;
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.as_millis().to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:000000000000:function:bench".to_owned(),
        ),
    ];
    match event {
        Some(event) => (headers, event.to_string()).into_response(),
        None => StatusCode::GONE.into_response(),
    }
}

async fn response(State(api): State<Api>, UrlPath(_): UrlPath<String>, body: Bytes) -> StatusCode {
    answered(&api, true, &body).await
}

async fn error(State(api): State<Api>, UrlPath(_): UrlPath<String>, body: Bytes) -> StatusCode {
    answered(&api, false, &body).await
}

async fn answered(api: &Api, good: bool, body: &[u8]) -> StatusCode {
    let answer = serde_json::from_slice(body).unwrap_or(Value::Null);
    if api.answers.send((good, answer)).await.is_ok() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::GONE
    }
}

/// Most memory that the process `pid` has ever had.
fn peak_rss(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("this needs Linux's /proc")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("/proc tells no peak")?;
    let kilobytes: u64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .context("/proc tells a peak that is no number")?;
    Ok(kilobytes * 1_024)
}

/// Time on the processor that the process `pid` has had: user and system, in the 100 ticks a second
/// that /proc counts in.
fn cpu(pid: u32) -> Result<Duration> {
    let stat =
        std::fs::read_to_string(format!("/proc/{pid}/stat")).context("this needs Linux's /proc")?;
    let (_, fields) = stat.rsplit_once(')').context("/proc tells no times")?;
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_millis(ticks * 10))
}
