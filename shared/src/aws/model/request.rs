//! A question in Bedrock's terms, as the model that is asked can understand it.

use aws_sdk_bedrockruntime::{
    Client,
    config::{
        ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextMut,
    },
    error::{BoxError, BuildError},
    operation::converse::builders::ConverseFluentBuilder,
    types::{
        CachePointBlock, CachePointType, ContentBlock, ConversationRole, InferenceConfiguration,
        Message, SpecificToolChoice, SystemContentBlock, Tool, ToolChoice, ToolConfiguration,
        ToolInputSchema, ToolSpecification,
    },
};
use aws_smithy_types::body::SdkBody;
use serde_json::Value;

use super::{
    capability::{Capability, least_tokens},
    document,
};
use crate::process::Prompt;

/// The request that asks the model `id` for `prompt`.
///
/// # Errors
/// When a part of it is missing, which is a defect.
pub(super) fn build(
    client: &Client,
    id: &str,
    capability: Capability,
    prompt: &Prompt,
) -> Result<ConverseFluentBuilder, BuildError> {
    let message = Message::builder()
        .role(ConversationRole::User)
        .set_content(Some(content(capability, prompt)?))
        .build()?;
    Ok(client
        .converse()
        .model_id(id)
        .system(SystemContentBlock::Text(prompt.system.clone()))
        .messages(message)
        .inference_config(InferenceConfiguration::builder().max_tokens(prompt.max_tokens).build())
        .tool_config(tools(capability, prompt)?))
}

fn tools(capability: Capability, prompt: &Prompt) -> Result<ToolConfiguration, BuildError> {
    let strict = capability.strict_tools && prompt.schema_recurs;
    let schema = if strict { &enforceable(&prompt.schema) } else { &prompt.schema };
    let tool = ToolSpecification::builder()
        .name(prompt.tool)
        .description(prompt.tool_description)
        .input_schema(ToolInputSchema::Json(document::from_json(schema)))
        .set_strict(strict.then_some(true))
        .build()?;
    let choice = ToolChoice::Tool(SpecificToolChoice::builder().name(prompt.tool).build()?);
    ToolConfiguration::builder().tools(Tool::ToolSpec(tool)).tool_choice(choice).build()
}

fn content(capability: Capability, prompt: &Prompt) -> Result<Vec<ContentBlock>, BuildError> {
    let mut content = vec![ContentBlock::Text(prompt.context.clone())];
    if is_cached(capability, prompt) {
        let point = CachePointBlock::builder().r#type(CachePointType::Default).build()?;
        content.push(ContentBlock::CachePoint(point));
    }
    if !prompt.question.is_empty() {
        content.push(ContentBlock::Text(prompt.question.clone()));
    }
    Ok(content)
}

/// Whether a cache point pays: others with the same beginning follow soon, and it is long enough.
/// What is cached is the tool, the system text and the context, in this order. To read it costs a
/// tenth, to write it a quarter more, so that it pays when more than a fifth of the calls find it
/// there. Those that begin together do not: an entry can be read once its first answer begins.
fn is_cached(capability: Capability, prompt: &Prompt) -> bool {
    let Some(minimum) = capability.cacheable_from.filter(|_| prompt.context_recurs) else {
        return false;
    };
    let schema = prompt.schema.to_string();
    let parts = [schema.as_str(), &prompt.system, &prompt.context];
    parts.map(least_tokens).iter().sum::<usize>() >= minimum
}

/// Keywords that a schema to be enforced may not have: Bedrock answers 400. They stand in the
/// descriptions too, and the check of the answer stays the judge.
const UNENFORCEABLE: [&str; 6] =
    ["minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"];

fn enforceable(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .filter(|(name, value)| {
                    !(UNENFORCEABLE.contains(&name.as_str()) && value.is_number())
                })
                .map(|(name, value)| (name.clone(), enforceable(value)))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(enforceable).collect(),
        other => other.clone(),
    }
}

/// Puts the fields of a request's JSON in order before it is signed. The SDK keeps documents in
/// hash maps, so that one schema would be sent in another order each time, and Bedrock would know
/// it again neither as a cached prompt nor as a compiled schema.
#[derive(Debug)]
pub(super) struct PutInOrder;

impl Intercept for PutInOrder {
    fn name(&self) -> &'static str {
        "PutInOrder"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let Some(body) = request.body().bytes() else { return Ok(()) };
        // serde_json keeps an object's fields sorted.
        let body = serde_json::to_vec(&serde_json::from_slice::<Value>(body)?)?;
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = SdkBody::from(body);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
