//! The wire format of Bedrock Runtime's Converse, as the AWS SDK reads and writes it: requests and
//! answers. Its errors are in [`super::exceptions`].

use serde::Deserialize;
use serde_json::{Value, json};

/// A Converse request. What the double does not look at is not read, so that new fields of the SDK
/// do no harm.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    messages: Vec<Message>,
    #[serde(default)]
    system: Vec<Value>,
    #[serde(default)]
    inference_config: InferenceConfig,
    tool_config: Option<ToolConfig>,
    output_config: Option<Value>,
}

/// What is reserved of a token quota for a call that sets no `maxTokens`.
const USUAL_MAX_TOKENS: u64 = 4_096;

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct InferenceConfig {
    max_tokens: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ToolConfig {
    tools: Vec<Value>,
    tool_choice: Option<Value>,
}

/// The tool that the answer has to call.
#[derive(Debug, Clone, Copy)]
pub struct Tool<'a> {
    /// Its name.
    pub name: &'a str,
    /// The JSON schema of its input.
    pub schema: &'a Value,
}

impl Request {
    /// Reads a body; the error is the message of a `ValidationException`.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let request: Self = serde_json::from_slice(body)
            .map_err(|error| format!("The request body is not a Converse request: {error}"))?;
        match request.messages.first() {
            None => {
                return Err(
                    "The messages field is empty. A conversation must start with a user message."
                        .to_owned(),
                );
            }
            Some(first) if first.role != "user" => {
                return Err("A conversation must start with a user message. \
                     Try again with a conversation that starts with a user message."
                    .to_owned());
            }
            Some(_) => {}
        }
        request.tool()?;
        Ok(request)
    }

    /// The tool to call: the one that `toolChoice` names, or else the first. `None` asks for plain
    /// text.
    pub fn tool(&self) -> Result<Option<Tool<'_>>, String> {
        let Some(config) = &self.tool_config else {
            return Ok(None);
        };
        let wanted = config
            .tool_choice
            .as_ref()
            .and_then(|choice| choice.pointer("/tool/name"))
            .and_then(Value::as_str);
        let specs = config.tools.iter().filter_map(|tool| tool.get("toolSpec"));
        for spec in specs {
            let name = spec.get("name").and_then(Value::as_str).unwrap_or_default();
            if wanted.is_some_and(|wanted| wanted != name) {
                continue;
            }
            let schema = spec.pointer("/inputSchema/json").filter(|schema| schema.is_object());
            let schema = schema.ok_or_else(|| {
                format!(
                    "The value at toolConfig.tools.toolSpec.inputSchema.json of tool {name} \
                     is not an object."
                )
            })?;
            return Ok(Some(Tool { name, schema }));
        }
        match wanted {
            Some(name) => Err(format!(
                "The tool {name} named in toolConfig.toolChoice is not among toolConfig.tools."
            )),
            None => Err("The toolConfig.tools field holds no toolSpec.".to_owned()),
        }
    }

    /// The most tokens that the answer may have.
    pub fn max_tokens(&self) -> Option<u64> {
        self.inference_config.max_tokens
    }

    /// The most tokens that the call may come to cost: what a token quota reserves.
    pub fn reserved_tokens(&self) -> u64 {
        self.input_tokens().saturating_add(self.max_tokens().unwrap_or(USUAL_MAX_TOKENS))
    }

    /// The schema that the answer's text must follow (structured output), if one is asked for.
    pub fn text_schema(&self) -> Option<Value> {
        let schema = self.output_config.as_ref()?;
        let schema = schema.pointer("/textFormat/structure/jsonSchema/schema")?.as_str()?;
        serde_json::from_str(schema).ok()
    }

    /// The user's messages, newest first: a repair call puts its complaint last and leaves the goal
    /// in the first.
    pub fn user_texts(&self) -> Vec<String> {
        self.messages
            .iter()
            .rev()
            .filter(|message| message.role == "user")
            .map(|message| join_texts(&message.content))
            .collect()
    }

    /// Every text of the request, system prompt first.
    pub fn whole_prompt(&self) -> String {
        let mut texts = vec![join_texts(&self.system)];
        texts.extend(self.messages.iter().map(|message| join_texts(&message.content)));
        texts.join("\n")
    }

    /// An estimate of the request's tokens: texts and tool schemas.
    pub fn input_tokens(&self) -> u64 {
        let tools: String = self
            .tool_config
            .iter()
            .flat_map(|config| &config.tools)
            .map(Value::to_string)
            .collect();
        count_tokens(&self.whole_prompt()) + count_tokens(&tools)
    }
}

/// All `text` leaves of content blocks, however deep (a tool result holds blocks of its own).
fn join_texts(blocks: &[Value]) -> String {
    fn collect<'a>(value: &'a Value, out: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    match inner {
                        Value::String(text) if key == "text" => out.push(text),
                        _ => collect(inner, out),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
            _ => {}
        }
    }
    let mut out = Vec::new();
    for block in blocks {
        collect(block, &mut out);
    }
    out.join("\n")
}

/// About what a tokenizer would count: four ASCII characters a token, one of any other script.
pub fn count_tokens(text: &str) -> u64 {
    let ascii = text.chars().filter(char::is_ascii).count() as u64;
    let other = text.chars().count() as u64 - ascii;
    ascii.div_ceil(4) + other
}

/// What the model says and why it stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The content blocks of the assistant's message.
    pub content: Vec<Value>,
    /// Why it stopped, in Converse's words, such as `tool_use`, `end_turn` or `max_tokens`.
    pub stop_reason: &'static str,
}

impl Reply {
    /// A call of the tool.
    pub fn tool_use(name: &str, id: &str, input: &Value) -> Self {
        Self { content: vec![tool_use_block(name, id, input)], stop_reason: "tool_use" }
    }

    /// Plain text, no tool called.
    pub fn text(text: &str) -> Self {
        Self { content: vec![json!({"text": text})], stop_reason: "end_turn" }
    }

    /// A call of the tool that the token limit cut off.
    pub fn cut_off(name: &str, id: &str, input: &Value) -> Self {
        Self { content: vec![tool_use_block(name, id, input)], stop_reason: "max_tokens" }
    }

    /// An estimate of the answer's tokens.
    pub fn output_tokens(&self) -> u64 {
        self.content.iter().map(|block| count_tokens(&block.to_string())).sum()
    }

    /// The body of the HTTP answer.
    pub fn body(&self, (input_tokens, output_tokens): (u64, u64), latency_ms: u64) -> Value {
        json!({
            "metrics": {"latencyMs": latency_ms},
            "output": {"message": {"content": self.content, "role": "assistant"}},
            "stopReason": self.stop_reason,
            "usage": {
                "inputTokens": input_tokens,
                "outputTokens": output_tokens,
                "totalTokens": input_tokens + output_tokens,
            },
        })
    }
}

/// A content block that calls a tool.
pub fn tool_use_block(name: &str, id: &str, input: &Value) -> Value {
    json!({"toolUse": {"input": input, "name": name, "toolUseId": id}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(tool_choice: &Value) -> Result<Request, String> {
        let body = json!({
            "messages": [{"role": "user", "content": [{"text": "目標"}]}],
            "system": [{"text": "指示"}],
            "toolConfig": {
                "tools": [
                    {"toolSpec": {"name": "a", "inputSchema": {"json": {}}}},
                    {"toolSpec": {"name": "b", "inputSchema": {"json": {}}}},
                ],
                "toolChoice": tool_choice,
            },
        });
        Request::read(body.to_string().as_bytes())
    }

    #[test]
    fn the_tool_of_the_tool_choice_is_called() {
        assert_eq!(
            request(&json!({"tool": {"name": "b"}})).unwrap().tool().unwrap().unwrap().name,
            "b"
        );
        assert_eq!(request(&json!({"any": {}})).unwrap().tool().unwrap().unwrap().name, "a");
    }

    #[test]
    fn a_tool_choice_without_its_tool_is_a_validation_error() {
        assert!(request(&json!({"tool": {"name": "c"}})).unwrap_err().contains("tool c"));
    }

    #[test]
    fn a_conversation_must_start_with_the_user() {
        assert!(Request::read(br#"{"messages":[]}"#).is_err());
        assert!(Request::read(br#"{"messages":[{"role":"assistant","content":[]}]}"#).is_err());
        assert!(Request::read(b"nonsense").unwrap_err().contains("Converse"));
    }

    #[test]
    fn a_call_reserves_its_input_and_all_that_it_may_answer() {
        let read = |body: Value| Request::read(body.to_string().as_bytes()).unwrap();
        let messages = json!([{"role": "user", "content": [{"text": "目標"}]}]);
        let limited = json!({"messages": messages, "inferenceConfig": {"maxTokens": 500}});
        let (limited, bare) = (read(limited), read(json!({"messages": messages})));
        assert_eq!(limited.reserved_tokens(), limited.input_tokens() + 500);
        assert_eq!(bare.reserved_tokens(), bare.input_tokens() + USUAL_MAX_TOKENS);
    }

    #[test]
    fn the_prompt_holds_system_and_tool_result_texts() {
        let body = br#"{"system":[{"text":"S"}],"messages":[
            {"role":"user","content":[{"text":"U"}]},
            {"role":"user","content":[
                {"toolResult":{"toolUseId":"x","content":[{"text":"wrong"}]}}]}]}"#;
        let request = Request::read(body).unwrap();
        assert_eq!(request.whole_prompt(), "S\nU\nwrong");
        assert_eq!(request.user_texts(), ["wrong", "U"]);
    }
}
