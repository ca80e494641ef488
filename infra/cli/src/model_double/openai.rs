//! Converse in the words of an OpenAI-compatible server (`/v1/chat/completions`), and its answer
//! back. Nothing is added, left out or mended: what a real model says is what the product meets.

use serde_json::{Value, json};

use super::{
    exceptions::ErrorKind,
    wire::{Reply, tool_use_block},
};

/// The body for the server, or why this request cannot be said in its words.
pub fn request(converse: &Value, model: &str) -> Result<Value, String> {
    let mut messages = Vec::new();
    let system = texts(&converse["system"])?;
    if !system.is_empty() {
        messages.push(json!({"role": "system", "content": system}));
    }
    for message in list(&converse["messages"]) {
        turn(message, &mut messages)?;
    }
    let mut body = json!({"model": model, "messages": messages, "stream": false});
    let limits = &converse["inferenceConfig"];
    for (theirs, ours) in [
        ("max_tokens", &limits["maxTokens"]),
        ("temperature", &limits["temperature"]),
        ("top_p", &limits["topP"]),
        ("stop", &limits["stopSequences"]),
    ] {
        if !ours.is_null() {
            body[theirs] = ours.clone();
        }
    }
    if let Some(tools) = converse.pointer("/toolConfig/tools") {
        body["tools"] = list(tools).iter().filter_map(tool).collect();
        if let Some(choice) = choice(&converse["toolConfig"]["toolChoice"]) {
            body["tool_choice"] = choice;
        }
    }
    if let Some(format) = converse.pointer("/outputConfig/textFormat/structure/jsonSchema") {
        let text = format["schema"].as_str().unwrap_or_default();
        let schema: Value = serde_json::from_str(text)
            .map_err(|error| format!("The schema in outputConfig is no JSON: {error}"))?;
        let name = format["name"].as_str().unwrap_or("answer");
        let named = json!({"name": name, "schema": schema, "strict": true});
        body["response_format"] = json!({"type": "json_schema", "json_schema": named});
    }
    Ok(body)
}

/// What the server said, and what it says that it used, input and output.
pub fn reply(answer: &Value) -> Result<(Reply, Option<(u64, u64)>), String> {
    let choice = answer.pointer("/choices/0").ok_or("The answer holds no choice.")?;
    let message = &choice["message"];
    let mut content = Vec::new();
    for name in ["content", "refusal"] {
        if let Some(text) = message[name].as_str().filter(|text| !text.trim().is_empty()) {
            content.push(json!({"text": text}));
        }
    }
    let mut malformed = false;
    let calls = list(&message["tool_calls"]);
    for (index, call) in calls.iter().enumerate() {
        let input = match &call["function"]["arguments"] {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| {
                malformed = true;
                Value::String(text.clone())
            }),
            // Some servers send the object itself.
            other => other.clone(),
        };
        let name = call["function"]["name"].as_str().unwrap_or_default();
        let id = call["id"].as_str().filter(|id| !id.is_empty());
        let id = id.map_or_else(|| format!("call_{index}"), str::to_owned);
        content.push(tool_use_block(name, &id, &input));
    }
    let stop_reason = match choice["finish_reason"].as_str() {
        Some("length") => "max_tokens",
        Some("content_filter") => "content_filtered",
        _ if malformed => "malformed_tool_use",
        // A call that was forced ends with "stop" for some servers.
        _ if !calls.is_empty() => "tool_use",
        _ => "end_turn",
    };
    let used = |name: &str| answer["usage"][name].as_u64();
    let usage = used("prompt_tokens").zip(used("completion_tokens"));
    Ok((Reply { content, stop_reason }, usage))
}

/// The exception of Bedrock that says the same as a status of the server.
pub fn error(status: u16) -> ErrorKind {
    match status {
        401 | 403 => ErrorKind::AccessDenied,
        404 => ErrorKind::ResourceNotFound,
        408 | 504 => ErrorKind::ModelTimeout,
        424 => ErrorKind::ModelError,
        429 => ErrorKind::Throttling,
        502 | 503 | 529 => ErrorKind::ServiceUnavailable,
        500..=599 => ErrorKind::InternalServer,
        _ => ErrorKind::Validation,
    }
}

/// The words of an error, wherever the server puts them.
pub fn error_message(body: &Value) -> Option<&str> {
    let places = ["/error/message", "/error", "/message", "/detail"];
    places.iter().find_map(|place| body.pointer(place)?.as_str())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of content blocks. Cache points say nothing; anything else is not translated.
fn texts(blocks: &Value) -> Result<String, String> {
    let mut texts = Vec::new();
    for block in list(blocks) {
        match (block["text"].as_str(), &block["json"]) {
            (Some(text), _) => texts.push(text.to_owned()),
            (None, Value::Null) if block.get("cachePoint").is_some() => {}
            (None, Value::Null) => return Err(not_translated(block)),
            (None, json) => texts.push(json.to_string()),
        }
    }
    Ok(texts.join("\n"))
}

fn not_translated(block: &Value) -> String {
    let kind = block.as_object().and_then(|block| block.keys().next());
    let kind = kind.map_or("of no kind", String::as_str);
    format!("A content block {kind} is not translated for the server at --model-url.")
}

/// One message of Converse: its results of tools are messages of their own in the server's words.
fn turn(message: &Value, messages: &mut Vec<Value>) -> Result<(), String> {
    let role = message["role"].as_str().unwrap_or_default();
    let (mut plain, mut calls) = (Vec::new(), Vec::new());
    for block in list(&message["content"]) {
        if let Some(result) = block.get("toolResult") {
            let content = texts(&result["content"])?;
            let id = &result["toolUseId"];
            messages.push(json!({"role": "tool", "tool_call_id": id, "content": content}));
        } else if let Some(call) = block.get("toolUse") {
            let function = json!({"name": call["name"], "arguments": call["input"].to_string()});
            calls.push(json!({"id": call["toolUseId"], "type": "function", "function": function}));
        } else {
            plain.push(block.clone());
        }
    }
    let text = texts(&Value::Array(plain))?;
    if calls.is_empty() {
        if !text.is_empty() {
            messages.push(json!({"role": role, "content": text}));
        }
    } else {
        let content = if text.is_empty() { Value::Null } else { Value::String(text) };
        messages.push(json!({"role": role, "content": content, "tool_calls": calls}));
    }
    Ok(())
}

fn tool(tool: &Value) -> Option<Value> {
    let spec = tool.get("toolSpec")?;
    let mut function = json!({"name": spec["name"], "parameters": spec["inputSchema"]["json"]});
    for name in ["description", "strict"] {
        if let Some(value) = spec.get(name) {
            function[name] = value.clone();
        }
    }
    Some(json!({"type": "function", "function": function}))
}

fn choice(choice: &Value) -> Option<Value> {
    if let Some(name) = choice.pointer("/tool/name") {
        return Some(json!({"type": "function", "function": {"name": name}}));
    }
    ["any", "auto"]
        .into_iter()
        .find(|name| choice.get(name).is_some())
        .map(|name| json!(if name == "any" { "required" } else { "auto" }))
}

#[cfg(test)]
#[path = "openai_tests.rs"]
mod tests;
