//! The HTTP shell around the double's pure parts.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderName, StatusCode},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer,
    calls::{CallLog, Outcome},
    exceptions::{self, ErrorKind},
    faults::{Answer, Call, FaultRequest, Rules},
    guard, nonsense,
    prompt::Prompt,
    slips::Luck,
    upstream::Upstream,
    wire::{Reply, Request},
    world::{Held, World, WorldRequest},
};

/// Bedrock takes requests of up to 20 MB; so much fits here too.
const LARGEST_BODY_BYTES: usize = 20 * 1024 * 1024;

/// What a double is started with.
#[derive(Debug, Default)]
pub struct Options {
    /// How long every call waits, where no post names a delay.
    pub delay: Duration,
    /// Where the seeds come from that nobody posts.
    pub entropy: u64,
    /// The server whose model answers instead of the double.
    pub upstream: Option<Upstream>,
}

#[derive(Debug, Clone)]
struct Double {
    rules: Arc<Mutex<Rules>>,
    world: Arc<Mutex<World>>,
    calls: CallLog,
    /// Numbers the request ids.
    requests: Arc<AtomicU64>,
    default_delay: Duration,
    upstream: Option<Arc<Upstream>>,
    /// The world's time starts here.
    started: Instant,
}

impl Double {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The routes of the double.
pub fn router(options: Options) -> Router {
    let double = Double {
        rules: Arc::default(),
        world: Arc::new(Mutex::new(World::new(options.entropy))),
        calls: CallLog::default(),
        requests: Arc::default(),
        default_delay: options.delay,
        upstream: options.upstream.map(Arc::new),
        started: Instant::now(),
    };
    Router::new()
        // Not `/model/{id}/converse`: an ARN holds slashes, which a client may leave as they are.
        .route("/model/{*rest}", post(model))
        .route("/_faults", post(add_faults))
        .route("/_world", get(world).post(add_to_world).delete(clear_world))
        .route("/_reset", post(reset))
        .route("/_calls", get(calls))
        .route("/_health", get(async || Json(json!({"status": "ok"}))))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        // Around the fallback too: a page is refused whatever it asks for.
        .layer(middleware::from_fn(guard::programs_only))
        .with_state(double)
}

async fn model(State(double): State<Double>, Path(rest): Path<String>, body: Bytes) -> Response {
    let id =
        uuid::Uuid::from_u64_pair(0, double.requests.fetch_add(1, Ordering::Relaxed)).to_string();
    let response = match rest.strip_suffix("/converse") {
        Some(model) => converse(&double, model, &body).await,
        None => exceptions::response(
            ErrorKind::Validation,
            "This model double speaks Converse only: POST /model/{modelId}/converse.",
        ),
    };
    ([(HeaderName::from_static("x-amzn-requestid"), id)], response).into_response()
}

/// What a call holds of the token quota. When the call ends, or its client goes away, the rest goes
/// back: Bedrock finishes an answer that nobody waits for any more.
struct Holding<'a> {
    double: &'a Double,
    held: Held,
    /// What the call used, input and output.
    used: (u64, u64),
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        let now = self.double.started.elapsed();
        self.double.world().settle(&self.held, self.used, now);
    }
}

/// What a call is answered with once it has waited.
enum Plan {
    Error(ErrorKind),
    AsItStands(Response),
    Reply(Outcome, Reply),
    AskUpstream(Arc<Upstream>),
}

async fn converse(double: &Double, model: &str, body: &[u8]) -> Response {
    let started = Instant::now();
    // From here on the call is in flight: if the client goes away, this future and with it the
    // guard are dropped.
    let mut in_flight = double.calls.arrived(model, SystemTime::now().into());
    let request = match Request::read(body) {
        Ok(request) => request,
        Err(message) => {
            in_flight.end(Outcome::Error);
            return exceptions::response(ErrorKind::Validation, &message);
        }
    };
    let prompt = request.whole_prompt();
    let call = Call { model, prompt: &prompt };
    let now = double.started.elapsed();
    let admitted = double.world().admit(call, request.reserved_tokens(), now);
    let mut holding = match admitted {
        Ok(held) => Holding { double, held, used: (0, 0) },
        Err(exhausted) => {
            in_flight.end(Outcome::Throttled);
            return exceptions::response(ErrorKind::Throttling, exhausted.message());
        }
    };
    let default_delay = double.world().delay(call).unwrap_or(double.default_delay);
    let decision = double.rules().decide(call, default_delay);
    let (plan, used) = plan(double, call, &request, decision.answer);
    // Before the wait, since a call whose client goes away costs what its answer would have.
    in_flight.costs(used);
    holding.used = used;
    if !decision.delay.is_zero() {
        tokio::time::sleep(decision.delay).await;
    }
    let (outcome, reply) = match plan {
        Plan::Error(kind) => {
            in_flight.end(outcome_of(kind));
            return exceptions::response(kind, kind.on_the_wire().2);
        }
        Plan::AsItStands(response) => {
            in_flight.end(Outcome::Reply);
            return response;
        }
        Plan::Reply(outcome, reply) => (outcome, reply),
        Plan::AskUpstream(upstream) => match upstream.ask(body).await {
            Ok((reply, usage)) => {
                let used = usage.unwrap_or((request.input_tokens(), reply.output_tokens()));
                in_flight.costs(used);
                holding.used = used;
                let cut = reply.stop_reason == "max_tokens";
                (if cut { Outcome::Truncated } else { Outcome::Ok }, reply)
            }
            Err((kind, message)) => {
                in_flight.costs((0, 0));
                holding.used = (0, 0);
                in_flight.end(outcome_of(kind));
                return exceptions::response(kind, &message);
            }
        },
    };
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    in_flight.end(outcome);
    Json(reply.body(holding.used, latency_ms)).into_response()
}

/// How a call that was let pass is answered, and what that costs, input and output.
fn plan(double: &Double, call: Call<'_>, request: &Request, decided: Answer) -> (Plan, (u64, u64)) {
    let mut world = double.world();
    match decided {
        Answer::Error(kind) => return (Plan::Error(kind), (0, 0)),
        Answer::Good => {
            if let Some(canned) = world.reply(call) {
                return (Plan::AsItStands(canned.response()), canned.tokens());
            }
            if let Some(upstream) = &double.upstream {
                return (Plan::AskUpstream(upstream.clone()), (request.input_tokens(), 0));
            }
        }
        Answer::Garbage(_) | Answer::Truncated => {}
    }
    let prompt = Prompt::read(&request.user_texts());
    let luck = world.luck(call, prompt.seed);
    drop(world);
    let (outcome, reply) = compose(request, &prompt, luck, decided);
    let used = (request.input_tokens(), reply.output_tokens());
    (Plan::Reply(outcome, reply), used)
}

/// The reply to a request, and what the log calls it.
fn compose(request: &Request, prompt: &Prompt, luck: Luck, answer: Answer) -> (Outcome, Reply) {
    let id = format!("tooluse_{:016x}", prompt.seed);
    // The request was read, so its tool is there or none was asked for.
    let Ok(Some(tool)) = request.tool() else {
        let text = request.text_schema().map_or_else(
            || "OK".to_owned(),
            |schema| answer::answer_with(&schema, prompt, luck).to_string(),
        );
        let cut = |text: &str| Reply {
            stop_reason: "max_tokens",
            ..Reply::text(&text.chars().take(text.chars().count() / 2).collect::<String>())
        };
        let whole = Reply::text(&text);
        let limit = request.max_tokens().unwrap_or(u64::MAX);
        return match answer {
            Answer::Garbage(_) => (Outcome::Garbage, Reply::text("\u{fffd}\u{fffd}\u{fffd}")),
            Answer::Truncated => (Outcome::Truncated, cut(&text)),
            // An answer without a schema is a word, which fits into any limit.
            _ if request.text_schema().is_some() && whole.output_tokens() > limit => {
                (Outcome::Truncated, cut(&text))
            }
            Answer::Good | Answer::Error(_) => (Outcome::Ok, whole),
        };
    };
    if let Answer::Garbage(number) = answer {
        return (Outcome::Garbage, nonsense::garbage(tool, &id, prompt, number));
    }
    let input = answer::answer_with(tool.schema, prompt, luck);
    let reply = Reply::tool_use(tool.name, &id, &input);
    let limit = request.max_tokens().unwrap_or(u64::MAX);
    if answer == Answer::Truncated || reply.output_tokens() > limit {
        return (Outcome::Truncated, Reply::cut_off(tool.name, &id, &nonsense::cut_off(&input)));
    }
    (Outcome::Ok, reply)
}

fn outcome_of(kind: ErrorKind) -> Outcome {
    match kind {
        ErrorKind::Throttling => Outcome::Throttled,
        ErrorKind::ServiceUnavailable => Outcome::Unavailable,
        _ => Outcome::Error,
    }
}

async fn add_faults(State(double): State<Double>, body: Bytes) -> Response {
    match serde_json::from_slice::<FaultRequest>(&body) {
        Ok(posted) => {
            double.rules().add(posted);
            Json(json!({"status": "ok"})).into_response()
        }
        Err(error) => refused(&format!("These faults are not understood: {error}")),
    }
}

async fn add_to_world(State(double): State<Double>, body: Bytes) -> Response {
    match WorldRequest::read(&body) {
        Ok(posted) => {
            let mut world = double.world();
            world.add(posted);
            Json(world.shown()).into_response()
        }
        Err(error) => refused(&format!("This world is not understood: {error}")),
    }
}

fn refused(message: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"message": message}))).into_response()
}

async fn world(State(double): State<Double>) -> Json<Value> {
    Json(double.world().shown())
}

async fn clear_world(State(double): State<Double>) -> Json<Value> {
    double.world().clear();
    Json(json!({"status": "ok"}))
}

async fn reset(State(double): State<Double>) -> Json<Value> {
    double.rules().clear();
    double.world().clear();
    double.calls.reset();
    Json(json!({"status": "ok"}))
}

async fn calls(State(double): State<Double>) -> Response {
    Json(double.calls.snapshot()).into_response()
}
