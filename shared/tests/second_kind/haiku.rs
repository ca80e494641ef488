//! The kind itself: pages of a book, and a poem of three lines for each.

use std::convert::Infallible;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use shared::{
    process::{
        Assembly, ErrorCode, FailedTarget, Generation, ModelUsage, Output, Outputs, PlannedTarget,
        ProcessError, ProcessType, Prompt, Rejection, UnreadableParams,
        generation::parse_failed_targets, total_by_model,
    },
    validation::{Reader, Rule, Text, Violation, check_text},
};
use uuid::Uuid;

/// Poems as a kind of generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haiku {}

/// One page, or all pages of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Of {
    PageId(Uuid),
    BookId(Uuid),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Params {
    #[serde(flatten)]
    pub of: Of,
    pub theme: String,
    /// Only these pages: what a partial process left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<Uuid>>,
}

/// A page that a poem is written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub id: Uuid,
    pub season: String,
    pub theme: String,
}

/// Three lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poem {
    pub lines: Vec<String>,
}

impl Generation for Haiku {
    type Params = Params;
    type Target = Page;
    type Written = Poem;
    // A poem is written anew as a whole.
    type Draft = Infallible;

    const TYPE_NAMES: &'static [&'static str] = &["HAIKU_GENERATION"];
    const LEAF: &'static str = "lines";

    fn read_params(
        _: &str,
        reader: &mut Reader<'_>,
        _: &Map<String, Value>,
        _: DateTime<Utc>,
    ) -> Option<Params> {
        let theme = reader.text("theme", Text::Line, 1..=100);
        let of = match (reader.optional_uuid("pageId"), reader.optional_uuid("bookId")) {
            (Some(page), None) => Of::PageId(page),
            (None, Some(book)) => Of::BookId(book),
            _ => {
                reader.violate("pageId", Rule::ExactlyOneOf { fields: "pageId, bookId" });
                return None;
            }
        };
        Some(Params { of, theme: theme?, only: None })
    }

    fn to_stored(params: &Params) -> Result<Value, serde_json::Error> {
        serde_json::to_value(params)
    }

    fn parse_stored(
        process_type: &ProcessType,
        stored: &Value,
    ) -> Result<Params, UnreadableParams> {
        if !Self::TYPE_NAMES.contains(&process_type.as_str()) {
            return Err(UnreadableParams(format!("{process_type} is no type of a poem")));
        }
        Params::deserialize(stored).map_err(|error| UnreadableParams(error.to_string()))
    }

    fn process_type(_: &Params) -> ProcessType {
        ProcessType::new(Self::TYPE_NAMES[0])
    }

    fn target_id(params: &Params) -> Uuid {
        match params.of {
            Of::PageId(id) | Of::BookId(id) => id,
        }
    }

    fn target_must_exist(_: &Params) -> bool {
        true
    }

    fn replace(_: &Params) -> bool {
        false
    }

    fn only_what_is_open(_: &Params) -> bool {
        false
    }

    fn planned_calls(params: &Params) -> i16 {
        params.only.as_ref().map_or(1, |only| i16::try_from(only.len()).unwrap_or(i16::MAX))
    }

    fn has_several_targets(params: &Params) -> bool {
        matches!(params.of, Of::BookId(_))
    }

    fn leading_root(_: &Params) -> Option<Page> {
        None
    }

    fn params_for_retry(mut params: Params, result: Option<&Value>) -> Params {
        let failed = result.map(parse_failed_targets).filter(|failed| !failed.is_empty());
        params.only = failed.or(params.only);
        params
    }

    fn id(target: &Page) -> Uuid {
        target.id
    }

    fn weight(_: &Params, _: &Page) -> i16 {
        1
    }

    fn children(_: &Params, _: &Page, _: &Poem) -> Vec<Page> {
        Vec::new()
    }

    fn planned_children(_: &Params, _: &Poem) -> Vec<PlannedTarget> {
        Vec::new()
    }

    fn prompt(target: &Page) -> Prompt {
        let line = json!({"type": "string"});
        let lines = json!({"type": "array", "minItems": 3, "maxItems": 3, "items": line});
        Prompt {
            system: "You write haiku.".to_owned(),
            context: json!({"theme": target.theme}).to_string(),
            question: json!({"season": target.season}).to_string(),
            tool: "write_haiku",
            tool_description: "Writes three lines",
            schema: json!({"type": "object", "properties": {"lines": lines}}),
            max_tokens: 200,
            schema_recurs: true,
            context_recurs: false,
        }
    }

    fn repair_prompt(target: &Page, rejection: &Rejection<Infallible>) -> Prompt {
        let violations = rejection.violations.iter();
        let fields: Vec<_> = violations.map(|violation| violation.field.as_str()).collect();
        let prompt = Self::prompt(target);
        let question = format!("{}\nMend: {}", prompt.question, fields.join(", "));
        Prompt { question, ..prompt }
    }

    fn read_answer(
        _: &Page,
        answer: &Value,
        _: Option<Infallible>,
        _: &mut dyn FnMut() -> Uuid,
    ) -> Result<Poem, Rejection<Infallible>> {
        let expected = Rule::Type { expected: "list of three texts" };
        let poem = Poem::deserialize(answer).map_err(|_| Rejection {
            violations: vec![Violation::new("lines", expected)],
            draft: None,
        })?;
        let mut violations = Vec::new();
        if poem.lines.len() != 3 {
            let rule = Rule::Count { min: 3, max: 3, actual: poem.lines.len() };
            violations.push(Violation::new("lines", rule));
        }
        for (index, line) in poem.lines.iter().enumerate() {
            let rule = check_text(line, Text::Line, 1..=20);
            violations.extend(rule.map(|rule| Violation::new(format!("lines[{index}]"), rule)));
        }
        if violations.is_empty() { Ok(poem) } else { Err(Rejection { violations, draft: None }) }
    }

    fn single_result(
        target: &Page,
        written: &Poem,
        usage: &[ModelUsage],
    ) -> Result<Value, serde_json::Error> {
        Ok(json!({"pageId": target.id, "lines": written.lines, "usage": usage}))
    }

    fn assemble(
        params: &Params,
        roots: &[Page],
        gone: &[PlannedTarget],
        outputs: &Outputs<Self>,
        usage: &[ModelUsage],
    ) -> Assembly<Poem> {
        let (mut parts, mut failed, mut first) = (Vec::new(), Vec::new(), None);
        let pages = roots.iter().map(|page| (page.id, page.season.clone(), true));
        let torn_out = gone.iter().map(|page| (page.id, String::new(), false));
        for (target_id, title, is_there) in pages.chain(torn_out) {
            let error = match outputs.get(&target_id) {
                Some(Output::Written(poem)) if is_there => {
                    parts.push((target_id, poem.clone()));
                    continue;
                }
                Some(Output::GivenUp(error)) => error.clone(),
                Some(Output::Written(_)) => ProcessError::new(ErrorCode::TargetNotFound, "gone"),
                None => ProcessError::new(ErrorCode::ResultMissing, "never staged"),
            };
            failed.push(FailedTarget {
                target_id,
                title,
                missing: "lines".to_owned(),
                code: error.code,
                message: error.message.clone(),
                retryable: error.code.retryable(),
            });
            first.get_or_insert(error);
        }
        let pages: Vec<_> =
            parts.iter().map(|(id, poem)| json!({"id": id, "lines": poem.lines})).collect();
        let result = json!({
            "bookId": Self::target_id(params),
            "pages": pages,
            "partial": !failed.is_empty(),
            "failedTargets": failed,
            "usage": total_by_model(usage),
        });
        let nothing_written = parts.is_empty().then(|| {
            first.unwrap_or_else(|| ProcessError::new(ErrorCode::TargetNotFound, "no page is left"))
        });
        Assembly { parts, failed, result, nothing_written }
    }
}
