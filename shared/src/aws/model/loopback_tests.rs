//! With a server on loopback that answers as it is told.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    thread::JoinHandle,
};

use aws_config::BehaviorVersion;
use aws_sdk_bedrockruntime::config::{Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::Builder;
use serde_json::json;

use super::*;

/// Answers each of `replies` to one connection, and returns what was asked: the path and the body.
fn serve(replies: Vec<Value>) -> (String, JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = std::thread::spawn(move || {
        let answer = |reply: Value| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut lines = reader.by_ref().lines().map(Result::unwrap);
            let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
            let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let length = headers.iter().find_map(|header| {
                header.to_lowercase().strip_prefix("content-length: ")?.parse().ok()
            });
            let mut body = vec![0; length.unwrap()];
            reader.read_exact(&mut body).unwrap();
            let reply = reply.to_string();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json";
            write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{reply}", reply.len()).unwrap();
            (path, String::from_utf8(body).unwrap())
        };
        replies.into_iter().map(answer).collect()
    });
    (url, served)
}

fn models(url: &str, ids: &[&str]) -> Models {
    let credentials = Credentials::new("a", "b", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(Builder::new().build_http())
        .endpoint_url(url)
        .build();
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    Models::new(&config, &ModelConfig { ids, timeout: Duration::from_secs(10) })
}

fn prompt() -> Prompt {
    Prompt {
        system: "規則".into(),
        context: "目標".into(),
        question: String::new(),
        tool: "write_tasks",
        tool_description: "書き込む",
        schema: json!({
            "type": "object",
            "required": ["tasks"],
            "properties": {"tasks": {
                "type": "array",
                "maxItems": 8,
                "description": "8件まで。",
                "items": {"type": "string", "maxLength": 9},
            }},
        }),
        max_tokens: 100,
        schema_recurs: true,
        context_recurs: false,
    }
}

fn reply(stop_reason: &str, content: &Value) -> Value {
    json!({"output": {"message": {"role": "assistant", "content": content}},
        "stopReason": stop_reason, "metrics": {"latencyMs": 9},
        "usage": {"inputTokens": 600, "outputTokens": 90, "totalTokens": 690}})
}

fn called() -> Value {
    reply(
        "tool_use",
        &json!([{"toolUse": {"toolUseId": "t", "name": "write_tasks", "input": {"tasks": []}}}]),
    )
}

// world.md row 8.
#[tokio::test]
async fn a_refused_question_goes_to_the_next_model_once_and_is_paid_for() {
    let blocked = reply("guardrail_intervened", &json!([{"text": "Blocked."}]));
    let (url, served) = serve(vec![blocked, called()]);
    let paid = RefCell::new(Vec::new());
    let models = models(&url, &["first", "second"]);
    let answer = models
        .ask(&prompt(), &Throttles::default(), &|usage| paid.borrow_mut().push(usage.model_id))
        .await;
    assert_eq!(answer.unwrap().unwrap(), json!({"tasks": []}));
    assert_eq!(paid.into_inner(), ["first", "second"]);
    let paths: Vec<_> = served.join().unwrap().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/model/first/converse", "/model/second/converse"]);
}

// world.md row 8.
#[tokio::test]
async fn what_every_model_refuses_names_the_stop_reason_of_each() {
    let filtered = |reason| reply(reason, &json!([{"text": "Blocked."}]));
    let (url, served) = serve(vec![filtered("guardrail_intervened"), filtered("content_filtered")]);
    let models = models(&url, &["first", "second"]);
    let failure = models.ask(&prompt(), &Throttles::default(), &|_| ()).await.unwrap_err();
    for words in ["first", "guardrail_intervened", "second", "content_filtered"] {
        assert!(failure.cause.contains(words), "{}", failure.cause);
    }
    assert_eq!(served.join().unwrap().len(), 2);
}

#[tokio::test]
async fn one_question_is_the_same_bytes_each_time() {
    let (url, served) = serve(vec![called(); 6]);
    for _ in 0..6 {
        // A new client each time: what counts is that other environments ask alike.
        models(&url, &["anthropic.claude-haiku-4-5"])
            .ask(&prompt(), &Throttles::default(), &|_| ())
            .await
            .unwrap()
            .unwrap();
    }
    let mut bodies: Vec<_> = served.join().unwrap().into_iter().map(|(_, body)| body).collect();
    bodies.dedup();
    assert_eq!(bodies.len(), 1);
    let body: Value = serde_json::from_str(&bodies[0]).unwrap();
    assert_eq!(body["toolConfig"]["tools"][0]["toolSpec"]["strict"], true);
    assert_eq!(body["messages"][0]["content"], json!([{"text": "目標"}]));
}
