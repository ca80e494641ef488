//! The double in front of a tiny OpenAI-compatible server, over real HTTP.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    server::Options,
    server_tests::{call, calls, post as send, request, start_with},
    upstream::{Upstream, base_url},
};

/// What the server was asked, and what it answers next.
#[derive(Debug, Clone, Default)]
struct Fake {
    asked: Arc<Mutex<Vec<Value>>>,
    answers: Arc<Mutex<Vec<(u16, String)>>>,
}

impl Fake {
    fn with(answers: &[(u16, &str)]) -> Self {
        let answers = answers.iter().rev().map(|(status, text)| (*status, (*text).to_owned()));
        Self { answers: Arc::new(Mutex::new(answers.collect())), ..Self::default() }
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    /// A double in front of it.
    async fn double(&self, model: Option<&str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new()
            .route("/v1/chat/completions", post(complete))
            .route("/v1/models", get(async || Json(json!({"data": [{"id": "tiny"}]}))))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        in_front_of(&url, model).await
    }
}

async fn in_front_of(url: &str, model: Option<&str>) -> String {
    let upstream = Upstream::new(base_url(url).unwrap(), model.map(str::to_owned)).unwrap();
    start_with(Options { upstream: Some(upstream), ..Options::default() }).await
}

async fn complete(State(fake): State<Fake>, Json(body): Json<Value>) -> (StatusCode, String) {
    fake.asked.lock().unwrap().push(body);
    let (status, text) = fake.answers.lock().unwrap().pop().unwrap();
    (StatusCode::from_u16(status).unwrap(), text)
}

const CALLED: &str = r#"{
    "choices": [{
        "message": {"tool_calls": [
            {"id": "c", "function": {"name": "save", "arguments": "{\"subGoals\":[]}"}}
        ]},
        "finish_reason": "stop"
    }],
    "usage": {"prompt_tokens": 600, "completion_tokens": 90}
}"#;

#[tokio::test]
async fn a_real_models_answer_comes_back_as_converses() {
    let fake = Fake::with(&[(200, CALLED), (200, CALLED)]);
    let url = fake.double(None).await;
    let (status, _, body) = call(&url, "bedrock.id", &request("英語を話す")).await;
    assert_eq!((status, &body["stopReason"]), (200, &json!("tool_use")));
    let tool = &body["output"]["message"]["content"][0]["toolUse"];
    assert_eq!(*tool, json!({"toolUseId": "c", "name": "save", "input": {"subGoals": []}}));
    let usage = json!({"inputTokens": 600, "outputTokens": 90, "totalTokens": 690});
    assert_eq!(body["usage"], usage);
    call(&url, "bedrock.id", &request("英語を話す")).await;
    let asked = fake.asked();
    assert_eq!((&asked[0]["model"], asked.len()), (&json!("tiny"), 2));
    assert_eq!(asked[0]["tool_choice"]["function"]["name"], "save");
    let seen = calls(&url).await;
    assert_eq!((&seen["inputTokens"], &seen["outputTokens"]), (&json!(1_200), &json!(180)));
}

#[tokio::test]
async fn the_model_that_is_named_is_asked() {
    let fake = Fake::with(&[(200, CALLED)]);
    let url = fake.double(Some("large")).await;
    call(&url, "m", &request("a")).await;
    assert_eq!(fake.asked()[0]["model"], "large");
}

#[tokio::test]
async fn the_servers_errors_are_bedrocks_with_the_servers_words() {
    let limited = r#"{"error":{"message":"slow down"}}"#;
    let fake = Fake::with(&[(429, limited), (503, "loading"), (500, "{}"), (200, "no json")]);
    let url = fake.double(None).await;
    for (status, name, words) in [
        (429, "ThrottlingException", "slow down"),
        (503, "ServiceUnavailableException", "loading"),
        (500, "InternalServerException", "500"),
        (424, "ModelErrorException", "no json"),
    ] {
        let (got, got_name, body) = call(&url, "m", &request("a")).await;
        assert_eq!((got, got_name.as_deref()), (status, Some(name)));
        assert!(body["message"].as_str().unwrap().contains(words), "{body}");
    }
    assert_eq!(calls(&url).await["throttled"], 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_named() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = in_front_of(&format!("http://{free}"), Some("m")).await;
    let (status, name, body) = call(&url, "m", &request("a")).await;
    assert_eq!((status, name.as_deref()), (503, Some("ServiceUnavailableException")));
    assert!(body["message"].as_str().unwrap().contains(&free.to_string()), "{body}");
}

#[tokio::test]
async fn faults_and_quotas_hold_in_front_of_a_real_model_too() {
    let fake = Fake::with(&[(200, CALLED)]);
    let url = fake.double(None).await;
    send(&url, "/_faults", &json!({"garbage": 1})).await;
    send(&url, "/_world", &json!({"requestsPerMinute": 1, "burst": 2})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(call(&url, "m", &request("a")).await.0);
    }
    assert_eq!((statuses, fake.asked().len()), (vec![200, 200, 429], 1));
}
