//! The HTTP shell around the double's pure parts.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderName, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};

use super::{
    answer,
    calls::{CallLog, Outcome},
    faults::{Answer, Call, FaultRequest, Rules},
    nonsense,
    prompt::Prompt,
    wire::{ErrorKind, Reply, Request},
};

/// Bedrock takes requests of up to 20 MB; so much fits here too.
const LARGEST_BODY_BYTES: usize = 20 * 1024 * 1024;

#[derive(Debug, Clone)]
struct Double {
    rules: Arc<Mutex<Rules>>,
    calls: CallLog,
    /// Numbers the request ids.
    requests: Arc<AtomicU64>,
    default_delay: Duration,
}

/// The routes of the double.
pub fn router(default_delay: Duration) -> Router {
    let double = Double {
        rules: Arc::default(),
        calls: CallLog::default(),
        requests: Arc::default(),
        default_delay,
    };
    Router::new()
        // Not `/model/{id}/converse`: an ARN holds slashes, which a client may leave as they are.
        .route("/model/{*rest}", post(model))
        .route("/_faults", post(add_faults))
        .route("/_reset", post(reset))
        .route("/_calls", get(calls))
        .route("/_health", get(async || Json(json!({"status": "ok"}))))
        .layer(DefaultBodyLimit::max(LARGEST_BODY_BYTES))
        .with_state(double)
}

async fn model(State(double): State<Double>, Path(rest): Path<String>, body: Bytes) -> Response {
    let id =
        uuid::Uuid::from_u64_pair(0, double.requests.fetch_add(1, Ordering::Relaxed)).to_string();
    let response = match rest.strip_suffix("/converse") {
        Some(model) => converse(&double, model, &body).await,
        None => error(
            ErrorKind::Validation,
            "This model double speaks Converse only: POST /model/{modelId}/converse.",
        ),
    };
    ([(HeaderName::from_static("x-amzn-requestid"), id)], response).into_response()
}

async fn converse(double: &Double, model: &str, body: &[u8]) -> Response {
    let started = Instant::now();
    // From here on the call is in flight: if the client goes away, this future and with it the
    // guard are dropped.
    let in_flight = double.calls.arrived(model, SystemTime::now().into());
    let request = match Request::read(body) {
        Ok(request) => request,
        Err(message) => {
            in_flight.end(Outcome::Error);
            return error(ErrorKind::Validation, &message);
        }
    };
    let prompt = request.whole_prompt();
    let decision = {
        let mut rules = double.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.decide(Call { model, prompt: &prompt }, double.default_delay)
    };
    if !decision.delay.is_zero() {
        tokio::time::sleep(decision.delay).await;
    }
    let (outcome, reply) = match decision.answer {
        Answer::Error(kind) => {
            in_flight.end(outcome_of(kind));
            return error(kind, kind.on_the_wire().2);
        }
        other => compose(&request, other),
    };
    let latency_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    in_flight.end(outcome);
    Json(reply.body(request.input_tokens(), latency_ms)).into_response()
}

/// The reply to a request, and what the log calls it.
fn compose(request: &Request, answer: Answer) -> (Outcome, Reply) {
    let prompt = Prompt::read(&request.user_texts());
    let id = format!("tooluse_{:016x}", prompt.seed);
    // The request was read, so its tool is there or none was asked for.
    let Ok(Some(tool)) = request.tool() else {
        return match answer {
            Answer::Truncated => {
                (Outcome::Truncated, Reply { stop_reason: "max_tokens", ..Reply::text("O") })
            }
            Answer::Garbage(_) => (Outcome::Garbage, Reply::text("\u{fffd}\u{fffd}\u{fffd}")),
            Answer::Good | Answer::Error(_) => (Outcome::Ok, Reply::text("OK")),
        };
    };
    if let Answer::Garbage(number) = answer {
        return (Outcome::Garbage, nonsense::garbage(tool, &id, &prompt, number));
    }
    let input = answer::answer(tool.schema, &prompt);
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

/// An error as Bedrock sends it: status, name in a header, message in the body.
fn error(kind: ErrorKind, message: &str) -> Response {
    let (status, name, _) = kind.on_the_wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(HeaderName::from_static("x-amzn-errortype"), name)],
        Json(json!({"message": message})),
    )
        .into_response()
}

async fn add_faults(State(double): State<Double>, body: Bytes) -> Response {
    match serde_json::from_slice::<FaultRequest>(&body) {
        Ok(posted) => {
            double.rules.lock().unwrap_or_else(PoisonError::into_inner).add(posted);
            Json(json!({"status": "ok"})).into_response()
        }
        Err(error) => (
            StatusCode::BAD_REQUEST,
            Json(json!({"message": format!("These faults are not understood: {error}")})),
        )
            .into_response(),
    }
}

async fn reset(State(double): State<Double>) -> Json<Value> {
    double.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    double.calls.reset();
    Json(json!({"status": "ok"}))
}

async fn calls(State(double): State<Double>) -> Response {
    Json(double.calls.snapshot()).into_response()
}
