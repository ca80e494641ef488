//! The double over real HTTP, each test with a server of its own on a free port.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::server::{Options, router};

pub(crate) async fn start() -> String {
    start_with(Options::default()).await
}

pub(super) async fn start_with(options: Options) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router(options)).await });
    url
}

pub(super) fn request(title: &str) -> Value {
    let text = json!({"type": "string"});
    let properties = json!({"title": text, "description": text, "background": text});
    let item = json!({"type": "object", "properties": properties});
    let list = json!({"type": "array", "minItems": 8, "maxItems": 8, "items": item});
    let schema = json!({"type": "object", "properties": {"subGoals": list}});
    let goal = format!("<goal>{}</goal>", json!({"title": title}));
    json!({
        "system": [{"text": "あなたは目標達成の専門家です。"}],
        "messages": [{"role": "user", "content": [{"text": goal}]}],
        "toolConfig": {
            "tools": [{"toolSpec": {"name": "save", "inputSchema": {"json": schema}}}],
            "toolChoice": {"tool": {"name": "save"}},
        },
    })
}

pub(super) async fn call(url: &str, model: &str, body: &Value) -> (u16, Option<String>, Value) {
    let answer = reqwest::Client::new()
        .post(format!("{url}/model/{model}/converse"))
        .json(body)
        .send()
        .await
        .unwrap();
    let name =
        answer.headers().get("x-amzn-errortype").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), name, answer.json().await.unwrap())
}

pub(super) async fn post(url: &str, path: &str, body: &Value) -> (u16, Value) {
    let answer =
        reqwest::Client::new().post(format!("{url}{path}")).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

pub(super) async fn calls(url: &str) -> Value {
    reqwest::get(format!("{url}/_calls")).await.unwrap().json().await.unwrap()
}

/// Waits until the log says what it should: the other side of a broken connection takes its moment
/// to notice.
pub(super) async fn until(url: &str, holds: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let seen = calls(url).await;
        if holds(&seen) {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("still {}", calls(url).await);
}

#[tokio::test]
async fn a_call_is_answered_with_a_call_of_the_tool() {
    let url = start().await;
    let (status, _, body) =
        call(&url, "anthropic.claude-3-haiku-20240307-v1%3A0", &request("英語を話す")).await;
    assert_eq!((status, &body["stopReason"]), (200, &json!("tool_use")));
    let tool = &body["output"]["message"]["content"][0]["toolUse"];
    assert_eq!(
        (&tool["name"], tool["input"]["subGoals"].as_array().unwrap().len()),
        (&json!("save"), 8)
    );
    let usage = &body["usage"];
    let tokens = |name: &str| usage[name].as_u64().unwrap();
    assert!(
        tokens("inputTokens") > 0
            && tokens("totalTokens") == tokens("inputTokens") + tokens("outputTokens")
    );
    assert!(body["metrics"]["latencyMs"].is_u64());
}

#[tokio::test]
async fn model_ids_are_decoded_arns_too() {
    let url = start().await;
    call(
        &url,
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.m-v1%3A0",
        &request("a"),
    )
    .await;
    call(&url, "arn:aws:bedrock:us-east-1:1:inference-profile/us.m-v1:0", &request("a")).await;
    let seen = calls(&url).await;
    for index in 0..2 {
        assert_eq!(
            seen["calls"][index]["model"],
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.m-v1:0"
        );
    }
}

#[tokio::test]
async fn errors_look_like_bedrocks() {
    let url = start().await;
    post(&url, "/_faults", &json!({"throttle": 1, "unavailable": 1, "error": 2})).await;
    for (status, name) in [
        (429, "ThrottlingException"),
        (503, "ServiceUnavailableException"),
        (424, "ModelErrorException"),
        (500, "InternalServerException"),
    ] {
        let (got, got_name, body) = call(&url, "m", &request("a")).await;
        assert_eq!((got, got_name.as_deref()), (status, Some(name)));
        assert!(body["message"].is_string());
    }
    assert_eq!(call(&url, "m", &request("a")).await.0, 200);
    let outcomes: Vec<Value> = calls(&url).await["calls"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["outcome"].clone())
        .collect();
    assert_eq!(outcomes, ["throttled", "unavailable", "error", "error", "ok"]);
}

#[tokio::test]
async fn a_wrong_request_is_a_validation_exception() {
    let url = start().await;
    let (status, name, _) = call(&url, "m", &json!({"messages": []})).await;
    assert_eq!((status, name.as_deref()), (400, Some("ValidationException")));
}

#[tokio::test]
async fn garbage_and_cut_off_answers_come_with_status_200() {
    let url = start().await;
    post(&url, "/_faults", &json!({"garbage": 1, "truncated": 1})).await;
    let (status, _, garbage) = call(&url, "m", &request("a")).await;
    assert_eq!((status, &garbage["stopReason"]), (200, &json!("end_turn")));
    let (status, _, cut) = call(&url, "m", &request("a")).await;
    assert_eq!((status, &cut["stopReason"]), (200, &json!("max_tokens")));
}

#[tokio::test]
async fn an_answer_longer_than_max_tokens_is_cut_off() {
    let url = start().await;
    let mut request = request("英語を話す");
    request["inferenceConfig"] = json!({"maxTokens": 50});
    assert_eq!(call(&url, "m", &request).await.2["stopReason"], "max_tokens");
}

#[tokio::test]
async fn a_request_without_tools_gets_text() {
    let url = start().await;
    let (_, _, body) =
        call(&url, "m", &json!({"messages": [{"role": "user", "content": [{"text": "ping"}]}]}))
            .await;
    assert_eq!(
        (&body["output"]["message"]["content"][0]["text"], &body["stopReason"]),
        (&json!("OK"), &json!("end_turn"))
    );
}

#[tokio::test]
async fn unknown_faults_are_refused_with_their_name() {
    let url = start().await;
    let (status, body) = post(&url, "/_faults", &json!({"explode": 1})).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("explode"), "{body}");
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_as_dropped() {
    let url = start().await;
    post(&url, "/_faults", &json!({"delayMs": 60_000})).await;
    let waiting = tokio::spawn({
        let url = url.clone();
        async move { call(&url, "m", &request("a")).await }
    });
    until(&url, |seen| seen["inFlight"] == 1).await;
    waiting.abort();
    let seen = until(&url, |seen| seen["dropped"] == 1).await;
    assert_eq!(
        (&seen["inFlight"], &seen["total"], &seen["calls"][0]["outcome"]),
        (&json!(0), &json!(1), &json!("dropped"))
    );
}

#[tokio::test]
async fn calls_wait_side_by_side_and_reset_forgets_them() {
    let url = start().await;
    post(&url, "/_faults", &json!({"delayMs": 100, "onlyModel": "m"})).await;
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { call(&url, "m", &request("a")).await.0 })
        })
        .collect();
    for one in waiting {
        assert_eq!(one.await.unwrap(), 200);
    }
    let seen = calls(&url).await;
    assert_eq!(
        (&seen["maxInFlight"], &seen["inFlight"], &seen["total"]),
        (&json!(8), &json!(0), &json!(8))
    );
    post(&url, "/_reset", &json!({})).await;
    let none = json!({
        "total": 0, "inFlight": 0, "maxInFlight": 0, "dropped": 0, "throttled": 0,
        "inputTokens": 0, "outputTokens": 0, "calls": [],
    });
    assert_eq!(calls(&url).await, none);
}
