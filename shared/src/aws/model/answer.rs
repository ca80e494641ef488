//! What a Converse answer says about itself. That it holds a call of the tool is not enough: a list
//! that was cut off, or that is one of two, looks whole.

use aws_sdk_bedrockruntime::{
    operation::converse::ConverseOutput,
    types::{ContentBlock, ConverseMetrics, Message, StopReason, TokenUsage},
};
use serde_json::Value;

use super::document;
use crate::{
    process::ModelUsage,
    validation::{Rule, Violation},
};

/// How a Converse answer ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ended {
    /// With one call of the tool: its input.
    Called(Value),
    /// In a way that another answer may mend.
    Unusable(Violation),
    /// A filter or a guardrail kept it back: the same question would meet it again. The stop
    /// reason.
    Refused(String),
}

/// What a stop reason means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The model said all that it had to say.
    Whole,
    /// It was cut off at a limit of tokens.
    Cut,
    /// It was refused.
    Refused,
    /// It did not come to its proper end, or nobody here knows how it ended.
    Unfinished,
}

/// By the documentation of `stopReason`
/// (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>). We set no
/// stop sequence, so that an answer that ends at one is not whole. A reason that comes to be after
/// this is never taken for success.
fn meaning(reason: &StopReason) -> Meaning {
    match reason {
        // Forced to call a tool, most models end with `tool_use`, and some with `end_turn`.
        StopReason::ToolUse | StopReason::EndTurn => Meaning::Whole,
        StopReason::MaxTokens | StopReason::ModelContextWindowExceeded => Meaning::Cut,
        StopReason::ContentFiltered | StopReason::GuardrailIntervened => Meaning::Refused,
        // Anthropic's own name, which this version of the SDK does not know.
        reason if reason.as_str() == "refusal" => Meaning::Refused,
        // `MalformedModelOutput`, `MalformedToolUse`, `StopSequence`, and whatever is new.
        _ => Meaning::Unfinished,
    }
}

/// How `output` ended, which was to be one call of `tool`.
pub(super) fn read(tool: &str, output: &ConverseOutput) -> Ended {
    let unusable = |rule| Ended::Unusable(Violation::new("answer", rule));
    let reason = output.stop_reason();
    match meaning(reason) {
        Meaning::Cut => return unusable(Rule::Truncated),
        Meaning::Refused => return Ended::Refused(name_of(reason)),
        Meaning::Unfinished => {
            return unusable(Rule::Unfinished { stop_reason: name_of(reason) });
        }
        Meaning::Whole => {}
    }
    let content = output.output().and_then(|output| output.as_message().ok());
    let content = content.map(Message::content).unwrap_or_default();
    let calls: Vec<_> =
        content.iter().filter_map(|block| ContentBlock::as_tool_use(block).ok()).collect();
    match calls.as_slice() {
        [] => unusable(Rule::NoToolCall),
        [call] if call.name() == tool => Ended::Called(document::to_json(call.input())),
        [_] => unusable(Rule::OtherTool),
        calls => unusable(Rule::SeveralToolCalls { actual: calls.len() }),
    }
}

/// A stop reason as a prompt and a log may quote it: one that nobody here knows could be any text.
fn name_of(reason: &StopReason) -> String {
    const LONGEST: usize = 64;
    let in_names = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    reason.as_str().chars().take_while(in_names).take(LONGEST).collect()
}

/// What the call cost, whatever it brought.
pub(super) fn usage(id: &str, output: &ConverseOutput) -> ModelUsage {
    let tokens = output.usage();
    let cached = |tokens: Option<i32>| tokens.map_or(0, i64::from);
    ModelUsage {
        model_id: id.to_owned(),
        input_tokens: tokens.map_or(0, |tokens| tokens.input_tokens().into()),
        output_tokens: tokens.map_or(0, |tokens| tokens.output_tokens().into()),
        cache_read_input_tokens: cached(tokens.and_then(TokenUsage::cache_read_input_tokens)),
        cache_write_input_tokens: cached(tokens.and_then(TokenUsage::cache_write_input_tokens)),
        latency_ms: output.metrics().map_or(0, ConverseMetrics::latency_ms),
    }
}

#[cfg(test)]
mod tests;
