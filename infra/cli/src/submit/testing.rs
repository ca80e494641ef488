//! What the tests of whole runs share: a double of `POST /batch`, and a folder of their own.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What the double does with a call instead of answering it.
pub(super) enum Fault {
    /// Refuses it, and judges nothing.
    Refuse(u16, Value),
    /// Judges it, and then says something else.
    Lose(u16),
    /// Has room for so many, and says of the others that too many wait.
    Room(usize),
}

#[derive(Default)]
pub(super) struct Judge {
    faults: VecDeque<Fault>,
    /// The titles of each call that was judged.
    pub calls: Vec<Vec<String>>,
    pub tokens: Vec<String>,
    /// Under its key, what was sent and what was said.
    known: BTreeMap<String, (Value, Value)>,
    pub accepted: Vec<String>,
}

impl Judge {
    fn judge(&mut self, key: &str, body: &Value, room: usize) -> Value {
        let dry_run = body["dryRun"] == true;
        if let Some((sent, said)) = self.known.get(key) {
            assert_eq!(sent, body, "another body under the same key");
            return said.clone();
        }
        let requests = body["requests"].as_array().unwrap();
        let titles: Vec<String> =
            requests.iter().map(|r| r["params"]["title"].as_str().unwrap().to_owned()).collect();
        let mut accepted = 0;
        let mut results = Vec::new();
        for (index, title) in titles.iter().enumerate() {
            let error = |code: &str, retryable: bool| {
                let (code, message) = (json!(code), json!(title));
                json!({"code": code, "message": message, "retryable": retryable})
            };
            results.push(if title.starts_with("bad") {
                json!({"index": index, "error": error("VALIDATION_ERROR", false)})
            } else if accepted == room {
                json!({"index": index, "error": error("TOO_MANY_WAITING", true)})
            } else {
                accepted += 1;
                if !dry_run {
                    self.accepted.push(title.clone());
                }
                json!({"index": index, "processId": title})
            });
        }
        self.calls.push(titles);
        let batch_id = format!("b{}", self.calls.len());
        let said = json!({"success": true, "data": {"batchId": batch_id, "accepted": accepted,
            "refused": results.len() - accepted, "results": results}});
        if !dry_run {
            self.known.insert(key.to_owned(), (body.clone(), said.clone()));
        }
        said
    }
}

#[derive(Clone, Default)]
pub(super) struct Double(Arc<Mutex<Judge>>);

impl Double {
    pub(super) fn with(faults: impl IntoIterator<Item = Fault>) -> Self {
        let double = Self::default();
        double.judge().faults.extend(faults);
        double
    }

    pub(super) fn judge(&self) -> MutexGuard<'_, Judge> {
        self.0.lock().unwrap()
    }

    pub(super) async fn start(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes =
            Router::new().route("/api/ai/async/batch", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        url
    }
}

async fn answer(
    State(double): State<Double>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let mut judge = double.judge();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    judge.tokens.push(header("authorization"));
    let key = header("idempotency-key");
    let status = |status: u16| StatusCode::from_u16(status).unwrap();
    match judge.faults.pop_front() {
        Some(Fault::Refuse(code, said)) => {
            (status(code), [("retry-after", "0")], Json(said)).into_response()
        }
        Some(Fault::Lose(code)) => {
            judge.judge(&key, &body, usize::MAX);
            status(code).into_response()
        }
        Some(Fault::Room(room)) => {
            (StatusCode::ACCEPTED, Json(judge.judge(&key, &body, room))).into_response()
        }
        None => (StatusCode::ACCEPTED, Json(judge.judge(&key, &body, usize::MAX))).into_response(),
    }
}

pub(super) fn refusal(code: &str) -> Value {
    json!({"success": false, "error": {"code": code, "message": "m", "retryable": true}})
}

/// A folder for a test's file and what is written beside it.
pub(super) struct Folder(pub PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("aigen-submit-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path
    }

    pub(super) fn lines(&self, name: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.0.join(name)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
