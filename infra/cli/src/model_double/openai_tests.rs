//! Facts about the translation.

use super::*;

fn converse() -> Value {
    json!({
        "system": [{"text": "S"}, {"cachePoint": {"type": "default"}}],
        "messages": [
            {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
            {"role": "assistant", "content": [
                {"text": "so"},
                {"toolUse": {"toolUseId": "t1", "name": "save", "input": {"x": 1}}},
            ]},
            {"role": "user", "content": [
                {"toolResult": {
                    "toolUseId": "t1",
                    "content": [{"text": "no"}, {"json": {"y": 2}}],
                }},
                {"text": "again"},
            ]},
        ],
        "inferenceConfig": {
            "maxTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["."],
        },
        "toolConfig": {
            "tools": [
                {"toolSpec": {
                    "name": "save",
                    "description": "d",
                    "strict": true,
                    "inputSchema": {"json": {"type": "object"}},
                }},
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"tool": {"name": "save"}},
        },
    })
}

#[test]
fn a_request_says_the_same_in_the_servers_words() {
    let expected = json!({
        "model": "m",
        "stream": false,
        "messages": [
            {"role": "system", "content": "S"},
            {"role": "user", "content": "a\nb"},
            {"role": "assistant", "content": "so", "tool_calls": [{
                "id": "t1",
                "type": "function",
                "function": {"name": "save", "arguments": "{\"x\":1}"},
            }]},
            {"role": "tool", "tool_call_id": "t1", "content": "no\n{\"y\":2}"},
            {"role": "user", "content": "again"},
        ],
        "max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["."],
        "tools": [{"type": "function", "function": {
            "name": "save", "description": "d", "strict": true, "parameters": {"type": "object"},
        }}],
        "tool_choice": {"type": "function", "function": {"name": "save"}},
    });
    assert_eq!(request(&converse(), "m").unwrap(), expected);
}

#[test]
fn what_a_request_does_not_say_is_left_out() {
    let bare = json!({"messages": [{"role": "user", "content": [{"text": "ping"}]}]});
    let expected =
        json!({"model": "m", "stream": false, "messages": [{"role": "user", "content": "ping"}]});
    assert_eq!(request(&bare, "m").unwrap(), expected);
}

#[test]
fn each_choice_of_a_tool_has_its_word() {
    for (ours, theirs) in [
        (json!({"any": {}}), json!("required")),
        (json!({"auto": {}}), json!("auto")),
        (json!(null), json!(null)),
    ] {
        let mut asked = converse();
        asked["toolConfig"]["toolChoice"] = ours;
        assert_eq!(request(&asked, "m").unwrap()["tool_choice"], theirs);
    }
}

#[test]
fn an_output_schema_becomes_a_response_format() {
    let structure = json!({"jsonSchema": {"name": "n", "schema": "{\"type\":\"object\"}"}});
    let format = json!({"type": "json_schema", "structure": structure});
    let asked = json!({"messages": [], "outputConfig": {"textFormat": format}});
    let named = json!({"name": "n", "schema": {"type": "object"}, "strict": true});
    let expected = json!({"type": "json_schema", "json_schema": named});
    assert_eq!(request(&asked, "m").unwrap()["response_format"], expected);
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let image = json!({"messages": [{"role": "user", "content": [{"image": {}}]}]});
    assert!(request(&image, "m").unwrap_err().contains("image"));
}

fn answer(message: &Value, finish: &str) -> (Reply, Option<(u64, u64)>) {
    reply(&json!({
        "choices": [{"message": message, "finish_reason": finish}],
        "usage": {"prompt_tokens": 600, "completion_tokens": 90, "total_tokens": 690},
    }))
    .unwrap()
}

fn called(arguments: &Value) -> Value {
    let function = json!({"name": "save", "arguments": arguments});
    let calls = json!([{"id": "c", "type": "function", "function": function}]);
    json!({"content": null, "tool_calls": calls})
}

#[test]
fn a_call_of_the_tool_comes_back_with_its_input_and_its_cost() {
    let expected = Reply::tool_use("save", "c", &json!({"x": [1]}));
    for finish in ["tool_calls", "stop"] {
        for arguments in [json!("{\"x\":[1]}"), json!({"x": [1]})] {
            let (reply, usage) = answer(&called(&arguments), finish);
            assert_eq!((&reply, usage), (&expected, Some((600, 90))));
        }
    }
}

#[test]
fn several_calls_and_the_text_before_them_all_come_back() {
    let mut message = called(&json!("{}"));
    message["content"] = json!("First,");
    let calls = message["tool_calls"].as_array_mut().unwrap();
    calls.push(json!({"id": "", "function": {"name": "other", "arguments": "{}"}}));
    let (reply, _) = answer(&message, "tool_calls");
    let ids: Vec<&Value> =
        reply.content[1..].iter().map(|block| &block["toolUse"]["toolUseId"]).collect();
    assert_eq!(
        (&reply.content[0], ids),
        (&json!({"text": "First,"}), vec![&json!("c"), &json!("call_1")])
    );
}

#[test]
fn each_end_has_the_stop_reason_of_converse() {
    for (message, finish, stop_reason) in [
        (json!({"content": "Hello"}), "stop", "end_turn"),
        (json!({"content": "Hel"}), "length", "max_tokens"),
        (called(&json!("{\"x\":[1")), "length", "max_tokens"),
        (called(&json!("{\"x\":[1")), "stop", "malformed_tool_use"),
        (json!({"refusal": "No."}), "content_filter", "content_filtered"),
    ] {
        assert_eq!(answer(&message, finish).0.stop_reason, stop_reason);
    }
    let (cut, _) = answer(&called(&json!("{\"x\":[1")), "length");
    assert_eq!(cut.content[0]["toolUse"]["input"], "{\"x\":[1");
}

#[test]
fn an_answer_without_a_choice_is_none() {
    assert!(reply(&json!({"choices": []})).is_err());
    assert!(reply(&json!("hello")).is_err());
}

#[test]
fn each_status_is_an_exception_of_bedrock() {
    for (status, kind) in [
        (400, ErrorKind::Validation),
        (401, ErrorKind::AccessDenied),
        (404, ErrorKind::ResourceNotFound),
        (408, ErrorKind::ModelTimeout),
        (422, ErrorKind::Validation),
        (429, ErrorKind::Throttling),
        (500, ErrorKind::InternalServer),
        (502, ErrorKind::ServiceUnavailable),
        (503, ErrorKind::ServiceUnavailable),
        (504, ErrorKind::ModelTimeout),
    ] {
        assert_eq!(error(status), kind, "{status}");
    }
}

#[test]
fn the_words_of_an_error_are_found_wherever_they_stand() {
    for body in
        [json!({"error": {"message": "why"}}), json!({"error": "why"}), json!({"detail": "why"})]
    {
        assert_eq!(error_message(&body), Some("why"));
    }
    assert_eq!(error_message(&json!({})), None);
}
