//! What the functions take for AWS: the secret and Step Functions, answered at once, and the model
//! double.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::model_double;

pub(super) const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:AIGenerationStateMachine";

#[derive(Debug)]
struct World {
    secret: Mutex<String>,
    /// When the secret was last asked for.
    secret_asked: Mutex<Option<Instant>>,
}

/// The server.
#[derive(Debug)]
pub(super) struct Outside {
    world: Arc<World>,
    /// Where it listens.
    pub(super) url: String,
}

impl Outside {
    pub(super) async fn serve() -> Result<Self> {
        let world = Arc::new(World { secret: Mutex::default(), secret_asked: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.context("no port for AWS")?;
        let url = format!("http://{}", listener.local_addr().context("AWS has no address")?);
        let router = Router::new()
            .route("/", post(answer))
            .with_state(Arc::clone(&world))
            .merge(model_double::router(model_double::Options::default()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { world, url })
    }

    /// What the secret says from now on.
    pub(super) fn tell(&self, secret: &Value) {
        *self.world.secret.lock().unwrap_or_else(PoisonError::into_inner) = secret.to_string();
    }

    /// When the secret was last asked for.
    pub(super) fn secret_asked(&self) -> Option<Instant> {
        *self.world.secret_asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn answer(State(world): State<Arc<World>>, headers: HeaderMap) -> Response {
    let target =
        headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    match target.rsplit('.').next().unwrap_or_default() {
        "GetSecretValue" => {
            *world.secret_asked.lock().unwrap_or_else(PoisonError::into_inner) =
                Some(Instant::now());
            let secret = world.secret.lock().unwrap_or_else(PoisonError::into_inner).clone();
            Json(json!({"ARN": "bench", "Name": "bench", "SecretString": secret})).into_response()
        }
        "StartExecution" => {
            let arn = MACHINE.replacen(":stateMachine:", ":execution:", 1);
            Json(json!({"executionArn": format!("{arn}:bench"), "startDate": 1_764_000_000.0}))
                .into_response()
        }
        other => {
            let told = json!({"__type": "UnknownOperationException", "message": other});
            (StatusCode::BAD_REQUEST, Json(told)).into_response()
        }
    }
}
