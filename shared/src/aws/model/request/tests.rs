use serde_json::json;

use super::*;

fn prompt(context: &str) -> Prompt {
    Prompt {
        system: "規則".into(),
        context: context.into(),
        question: "問い".into(),
        tool: "write_tasks",
        tool_description: "書き込む",
        schema: json!({"type": "array", "maxItems": 8, "items": {"type": "string"}}),
        max_tokens: 100,
        schema_recurs: true,
        context_recurs: true,
    }
}

const ABLE: Capability = Capability { strict_tools: true, cacheable_from: Some(1_024) };

fn tool(capability: Capability, prompt: &Prompt) -> (Option<bool>, Value) {
    let config = tools(capability, prompt).unwrap();
    let spec = config.tools()[0].as_tool_spec().unwrap();
    let ToolInputSchema::Json(schema) = spec.input_schema().unwrap() else { panic!() };
    (spec.strict(), document::to_json(schema))
}

fn is_cached(capability: Capability, prompt: &Prompt) -> bool {
    content(capability, prompt).unwrap().iter().any(ContentBlock::is_cache_point)
}

#[test]
fn a_schema_is_enforced_only_by_a_model_that_can_and_only_if_it_comes_again() {
    let asked = prompt("目標");
    assert_eq!(tool(Capability::default(), &asked), (None, asked.schema.clone()));
    let once = Prompt { schema_recurs: false, ..asked.clone() };
    assert_eq!(tool(ABLE, &once), (None, asked.schema.clone()));
    let (strict, enforced) = tool(ABLE, &asked);
    assert_eq!(strict, Some(true));
    assert_ne!(enforced, asked.schema);
}

#[test]
fn an_enforced_schema_keeps_all_but_the_keywords_that_bedrock_refuses() {
    let schema = json!({"type": "array", "minItems": 1, "maxItems": 8, "description": "1〜8件。",
        "items": {"type": "object", "required": ["maximum"], "additionalProperties": false,
            "properties": {"maximum": {"type": "integer", "minimum": 1, "enum": [1, 2]}}}});
    let kept = json!({"type": "array", "description": "1〜8件。",
        "items": {"type": "object", "required": ["maximum"], "additionalProperties": false,
            "properties": {"maximum": {"type": "integer", "enum": [1, 2]}}}});
    assert_eq!(enforceable(&schema), kept);
}

#[test]
fn what_is_long_enough_and_shared_is_cached() {
    let long = prompt(&"目".repeat(2_000));
    assert!(is_cached(ABLE, &long));
    assert!(!is_cached(Capability { cacheable_from: Some(4_096), ..ABLE }, &long));
    assert!(!is_cached(Capability::default(), &long));
    assert!(!is_cached(ABLE, &Prompt { context_recurs: false, ..long }));
}

#[test]
fn a_cache_point_stands_between_what_is_shared_and_the_question() {
    let blocks = content(ABLE, &prompt(&"目".repeat(2_000))).unwrap();
    assert!(blocks[0].is_text() && blocks[1].is_cache_point() && blocks[2].is_text());
    let blocks = content(ABLE, &Prompt { question: String::new(), ..prompt("目標") }).unwrap();
    assert_eq!(blocks.len(), 1, "Bedrock refuses an empty text");
}
