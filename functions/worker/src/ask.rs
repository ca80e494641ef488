//! Asking a model for what is to be written for one target.

use std::cell::RefCell;

use shared::{
    lambda::metrics::{Metric, emit, line},
    language::Language,
    process::{ErrorCode, Failure, ModelUsage, Prompt},
    store::StoredGeneration,
    validation::Violation,
};

use crate::worker::Worker;

/// Violations that a log line names.
const LOGGED_VIOLATIONS: usize = 5;

/// The calls that an answer took. They are kept apart from the answer, because a call that brought
/// none has been paid for too.
pub(crate) type Calls = RefCell<Vec<ModelUsage>>;

impl<G: StoredGeneration> Worker<G> {
    /// Asks, and after an answer that broke rules asks once more, saying which.
    pub(crate) async fn ask(
        &self,
        target: &G::Target,
        calls: &Calls,
    ) -> Result<G::Written, Failure> {
        let prompt = G::prompt(target);
        let violations = match self.ask_once(&prompt, target, calls).await? {
            Ok(written) => return Ok(written),
            Err(violations) => violations,
        };
        let described = describe(&violations);
        tracing::warn!(
            targetId = %G::id(target),
            violations = described,
            "the answer broke rules; asking once more"
        );
        self.ask_once(&G::repair_prompt(&prompt, &violations), target, calls).await?.map_err(
            |violations| {
                let cause = format!("twice in a row: {}", describe(&violations));
                Failure::new(ErrorCode::AiResponseInvalid, cause)
            },
        )
    }

    async fn ask_once(
        &self,
        prompt: &Prompt,
        target: &G::Target,
        calls: &Calls,
    ) -> Result<Result<G::Written, Vec<Violation>>, Failure> {
        let answer = self.models.ask(prompt).await?;
        self.measure(&answer.usage);
        calls.borrow_mut().push(answer.usage);
        let input = match answer.input {
            Ok(input) => input,
            Err(violation) => return Ok(Err(vec![violation])),
        };
        Ok(G::read_answer(target, &input, &mut || self.clock.new_id()))
    }

    /// What a call used, as metrics by model.
    #[expect(clippy::cast_precision_loss, reason = "no call has 2^52 tokens")]
    fn measure(&self, usage: &ModelUsage) {
        let values = [
            (Metric::InputTokens, usage.input_tokens as f64),
            (Metric::OutputTokens, usage.output_tokens as f64),
        ];
        emit(&line(self.clock.now(), &[("ModelId", &usage.model_id)], &values));
    }
}

/// Which fields break which rules: never the texts themselves.
fn describe(violations: &[Violation]) -> String {
    let describe = |violation: &Violation| {
        format!("{} {}", violation.field, violation.message(Language::English))
    };
    violations.iter().take(LOGGED_VIOLATIONS).map(describe).collect::<Vec<_>>().join("; ")
}
