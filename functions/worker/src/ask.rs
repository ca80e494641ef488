//! Asking a model for what is to be written for one target.

use std::cell::RefCell;

use serde_json::Value;
use shared::{
    clock::Clock,
    error_code::ErrorCode,
    failure::Failure,
    generated::{Rows, parse},
    language::Language,
    metrics::{Metric, emit, line},
    model::Usage,
    prompt::{self, Target},
    validation::Violation,
};

use crate::Worker;

/// The calls that an answer took. They are kept apart from the answer, because a call that brought
/// none has been paid for too.
pub(crate) type Calls = RefCell<Vec<Usage>>;

impl Worker {
    /// Asks, and after an answer that broke rules asks once more, saying which.
    pub(crate) async fn ask(&self, target: &Target, calls: &Calls) -> Result<Rows, Failure> {
        let prompt = prompt::write(target);
        let violations = match self.ask_once(&prompt, target, calls).await? {
            Ok(rows) => return Ok(rows),
            Err(violations) => violations,
        };
        tracing::warn!(targetId = %target.id, violations = said(&violations), "the answer broke rules; asking once more");
        self.ask_once(&prompt::repair(&prompt, &violations), target, calls).await?.map_err(
            |violations| {
                Failure::new(
                    ErrorCode::AiResponseInvalid,
                    format!("twice in a row: {}", said(&violations)),
                )
            },
        )
    }

    async fn ask_once(
        &self,
        prompt: &prompt::Prompt,
        target: &Target,
        calls: &Calls,
    ) -> Result<Result<Rows, Vec<Violation>>, Failure> {
        let answer = self.models.ask(prompt).await?;
        self.measure(&answer.usage);
        calls.borrow_mut().push(answer.usage);
        let read = |input: Value| parse(target.kind, &input, || self.clock.new_id());
        Ok(answer.input.map_err(|violation| vec![violation]).and_then(read))
    }

    /// What a call used, as metrics by model.
    #[expect(clippy::cast_precision_loss, reason = "no call has 2^52 tokens")]
    fn measure(&self, usage: &Usage) {
        let values = [
            (Metric::InputTokens, usage.input_tokens as f64),
            (Metric::OutputTokens, usage.output_tokens as f64),
        ];
        emit(&line(self.clock.now(), &[("ModelId", &usage.model_id)], &values));
    }
}

/// Which fields break which rules: never the texts themselves.
fn said(violations: &[Violation]) -> String {
    let said: Vec<_> = violations
        .iter()
        .take(5)
        .map(|violation| format!("{} {}", violation.field, violation.message(Language::English)))
        .collect();
    said.join("; ")
}
