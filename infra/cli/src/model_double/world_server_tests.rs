//! The world over real HTTP.

use serde_json::{Value, json};

use super::server_tests::{call, calls, post, request, start, until};

fn limited(title: &str, max_tokens: u64) -> Value {
    let mut request = request(title);
    request["inferenceConfig"] = json!({"maxTokens": max_tokens});
    request
}

async fn shown(url: &str) -> Value {
    reqwest::get(format!("{url}/_world")).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn beyond_the_quota_a_call_is_throttled_as_bedrock_does() {
    let url = start().await;
    post(&url, "/_world", &json!({"requestsPerMinute": 1, "burst": 2})).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(call(&url, "m", &request("a")).await);
    }
    assert_eq!((statuses[0].0, statuses[1].0), (200, 200));
    let (status, name, body) = &statuses[2];
    assert_eq!((*status, name.as_deref()), (429, Some("ThrottlingException")));
    assert_eq!(body["message"], "Too many requests, please wait before trying again.");
    assert_eq!(call(&url, "other", &request("a")).await.0, 200);
    let seen = calls(&url).await;
    assert_eq!(
        (&seen["throttled"], &seen["calls"][2]["outcome"]),
        (&json!(1), &json!("throttled"))
    );
}

#[tokio::test]
async fn a_call_reserves_its_most_tokens_and_gives_back_what_it_did_not_use() {
    let url = start().await;
    let faults = json!({"delayMs": 60_000, "match": "slow"});
    post(&url, "/_faults", &faults).await;
    post(&url, "/_world", &json!({"tokensPerMinute": 10_000})).await;
    let waiting = tokio::spawn({
        let url = url.clone();
        async move { call(&url, "m", &limited("slow", 8_000)).await }
    });
    until(&url, |seen| seen["inFlight"] == 1).await;
    let (status, _, body) = call(&url, "m", &limited("a", 8_000)).await;
    assert_eq!(status, 429);
    assert_eq!(body["message"], "Too many tokens, please wait before trying again.");
    waiting.abort();
    let seen = until(&url, |seen| seen["dropped"] == 1).await;
    // Bedrock finishes an answer whose client is gone: it is paid for.
    assert!(seen["outputTokens"].as_u64().unwrap() > 100, "{seen}");
    assert_eq!(call(&url, "m", &limited("a", 8_000)).await.0, 200);
}

#[tokio::test]
async fn tokens_are_counted_over_all_answers() {
    let url = start().await;
    let mut expected = (0, 0);
    for title in ["a", "b"] {
        let usage = call(&url, "m", &request(title)).await.2["usage"].clone();
        expected.0 += usage["inputTokens"].as_u64().unwrap();
        expected.1 += usage["outputTokens"].as_u64().unwrap();
    }
    let seen = calls(&url).await;
    assert_eq!(
        (&seen["inputTokens"], &seen["outputTokens"]),
        (&json!(expected.0), &json!(expected.1))
    );
}

#[tokio::test]
async fn a_reply_is_sent_as_it_stands() {
    let url = start().await;
    let message = "The model returned the following errors: Output blocked";
    let refused = json!({
        "status": 400,
        "headers": {"x-amzn-errortype": "ValidationException"},
        "body": {"message": message},
    });
    post(&url, "/_world", &json!({"reply": refused, "times": 1, "onlyModel": "m"})).await;
    let content = json!([{"toolUse": {}}, {"toolUse": {}}]);
    let twice = json!({
        "stopReason": "tool_use",
        "output": {"message": {"role": "assistant", "content": content}},
        "usage": {"inputTokens": 600, "outputTokens": 90},
    });
    post(&url, "/_world", &json!({"reply": {"body": twice}, "times": 1})).await;
    let (status, name, body) = call(&url, "m", &request("a")).await;
    assert_eq!((status, name.as_deref()), (400, Some("ValidationException")));
    assert_eq!(body, json!({"message": message}));
    let (status, _, body) = call(&url, "m", &request("a")).await;
    assert_eq!((status, body), (200, twice));
    assert_eq!(call(&url, "m", &request("a")).await.2["stopReason"], "tool_use");
    let seen = calls(&url).await;
    assert_eq!(seen["calls"][1]["outcome"], "reply");
}

#[tokio::test]
async fn a_reply_that_is_a_text_is_no_json_unless_it_says_so() {
    let url = start().await;
    let reply =
        json!({"status": 502, "headers": {"content-type": "text/html"}, "body": "<h1>502</h1>"});
    post(&url, "/_world", &json!({"reply": reply})).await;
    let send = reqwest::Client::new().post(format!("{url}/model/m/converse"));
    let answer = send.json(&request("a")).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html");
    assert_eq!(
        (answer.status().as_u16(), answer.text().await.unwrap()),
        (502, "<h1>502</h1>".to_owned())
    );
}

#[tokio::test]
async fn a_seed_repeats_the_slips_of_a_run() {
    async fn run(url: &str) -> Vec<Value> {
        post(url, "/_world", &json!({"seed": 5, "shortText": 0.3, "longText": 0.3})).await;
        let mut request = request("英語を話す");
        let item =
            "/toolConfig/tools/0/toolSpec/inputSchema/json/properties/subGoals/items/properties";
        *request.pointer_mut(item).unwrap() =
            json!({"description": {"type": "string", "minLength": 50, "maxLength": 200}});
        let mut answers = Vec::new();
        for _ in 0..3 {
            answers.push(call(url, "m", &request).await.2["output"].clone());
        }
        answers
    }
    let url = start().await;
    let first = run(&url).await;
    assert_eq!(first, run(&url).await);
    assert_eq!(first, run(&start().await).await);
    assert!(first[0] != first[1] && first[1] != first[2]);
}

#[tokio::test]
async fn the_world_can_be_seen_and_taken_away_and_rules_stay() {
    let url = start().await;
    post(&url, "/_faults", &json!({"throttle": 1})).await;
    let (status, answered) = post(&url, "/_world", &json!({"seed": 1, "delayMs": 1})).await;
    assert_eq!((status, &answered["posts"]), (200, &json!([{"seed": 1, "delayMs": 1}])));
    assert_eq!(shown(&url).await, answered);
    reqwest::Client::new().delete(format!("{url}/_world")).send().await.unwrap();
    assert_eq!(shown(&url).await["posts"], json!([]));
    assert_eq!(call(&url, "m", &request("a")).await.0, 429);
    post(&url, "/_world", &json!({"requestsPerMinute": 0})).await;
    assert_eq!(call(&url, "m", &request("a")).await.0, 429);
    post(&url, "/_reset", &json!({})).await;
    assert_eq!(call(&url, "m", &request("a")).await.0, 200);
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_its_name() {
    let url = start().await;
    let (status, body) = post(&url, "/_world", &json!({"requestsPerHour": 1})).await;
    assert_eq!(status, 400);
    assert!(body["message"].as_str().unwrap().contains("requestsPerHour"), "{body}");
}

#[tokio::test]
async fn a_web_page_is_refused_at_every_route_and_changes_nothing() {
    let url = start().await;
    let client = reqwest::Client::new();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("host", "evil.example"),
    ] {
        for (method, path) in [
            ("POST", "/model/m/converse"),
            ("POST", "/_faults"),
            ("POST", "/_world"),
            ("GET", "/_world"),
            ("DELETE", "/_world"),
            ("POST", "/_reset"),
            ("GET", "/_calls"),
            ("GET", "/_health"),
            ("GET", "/nowhere"),
            ("OPTIONS", "/_faults"),
        ] {
            let method = method.parse().unwrap();
            let send = client.request(method, format!("{url}{path}")).header(name, value);
            let answer = send.body(r#"{"throttle":9}"#).send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 403, "{name} {path}");
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
            let body: Value = answer.json().await.unwrap();
            assert!(body["message"].as_str().unwrap().ends_with("refused."), "{body}");
        }
    }
    assert_eq!(call(&url, "m", &request("a")).await.0, 200);
}

#[tokio::test]
async fn structured_output_is_a_text_that_follows_its_schema() {
    let url = start().await;
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}});
    let structure = json!({"jsonSchema": {"schema": schema.to_string()}});
    let request = json!({
        "messages": [{"role": "user", "content": [{"text": "ping"}]}],
        "outputConfig": {"textFormat": {"type": "json_schema", "structure": structure}},
    });
    let (_, _, body) = call(&url, "m", &request).await;
    let text = body["output"]["message"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), json!({"ok": true}));
}
