//! Asking a model for what is to be written for one target, until it is right.

use std::cell::RefCell;

use chrono::{DateTime, Utc};
use shared::{
    aws::model::{ModelAnswer, Throttles},
    clock::Clock,
    lambda::{By, Metric},
    language::Language,
    process::{ErrorCode, Failure, Generation, ModelUsage, Prompt, Rejection},
    store::StoredGeneration,
    validation::Violation,
};

use crate::{limits::MAX_REPAIRS, worker::Worker};

/// Violations that a log line names.
const LOGGED_VIOLATIONS: usize = 5;

/// The calls that an answer took. They are kept apart from the answer, because a call that brought
/// none has been paid for too.
pub(crate) type Calls = RefCell<Vec<ModelUsage>>;

/// Under which circumstances a target is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asking {
    /// When the attempt's time is over.
    pub(crate) until: DateTime<Utc>,
    /// Whether others of the same chart are asked for at about the same time.
    pub(crate) with_others: bool,
}

impl<G: StoredGeneration> Worker<G> {
    /// Asks, and after an answer that broke rules asks again for what is wrong with it.
    pub(crate) async fn ask(
        &self,
        target: &G::Target,
        calls: &Calls,
        throttles: &Throttles,
        asking: Asking,
    ) -> Result<G::Written, Failure> {
        let paid = |usage: ModelUsage| {
            self.measure(&usage);
            calls.borrow_mut().push(usage);
        };
        let model = async |prompt: &Prompt| self.models.ask(prompt, throttles, &paid).await;
        let answer = ask_until_right::<G>(target, model, &*self.clock, asking).await;
        self.note_throttled(throttles, answer.as_ref().err().map(|failure| failure.code)).await;
        answer
    }

    /// What a call used, as metrics.
    #[expect(clippy::cast_precision_loss, reason = "no call has 2^52 tokens")]
    fn measure(&self, usage: &ModelUsage) {
        let values = [
            (Metric::InputTokens, usage.input_tokens as f64),
            (Metric::OutputTokens, usage.output_tokens as f64),
        ];
        self.metrics.emit(self.clock.now(), By::Also("ModelId", &usage.model_id), &values);
    }
}

/// Asks `model` for `target`. What is right of an answer is kept, and only the rest is asked for
/// again, as long as there is time for as long a call as the last one.
///
/// # Errors
/// When the model fails; or when its answer still breaks rules, naming them.
async fn ask_until_right<G: Generation>(
    target: &G::Target,
    model: impl AsyncFn(&Prompt) -> Result<ModelAnswer, Failure>,
    clock: &dyn Clock,
    asking: Asking,
) -> Result<G::Written, Failure> {
    // What has a schema of its own shares no beginning with other questions.
    let with_others = |prompt: Prompt| Prompt {
        context_recurs: asking.with_others && prompt.schema_recurs,
        ..prompt
    };
    let mut prompt = with_others(G::prompt(target));
    let mut draft = None;
    let mut repairs = 0;
    loop {
        let began = clock.now();
        let answer = model(&prompt).await?;
        let answered = clock.now();
        let read = |input| G::read_answer(target, &input, draft.take(), &mut || clock.new_id());
        let rejection = match answer.map(read) {
            Ok(Ok(written)) => return Ok(written),
            Ok(Err(rejection)) => rejection,
            Err(violation) => Rejection { violations: vec![violation], draft: draft.take() },
        };
        let violations = describe(&rejection.violations);
        let in_time = answered + (answered - began) <= asking.until;
        if repairs == MAX_REPAIRS || !in_time {
            let why = if in_time { "" } else { ", and there is no time for another" };
            let cause = format!("after {repairs} repairs{why}: {violations}");
            return Err(Failure::new(ErrorCode::AiResponseInvalid, cause));
        }
        repairs += 1;
        tracing::warn!(
            targetId = %G::id(target),
            violations,
            repair = repairs,
            partly = rejection.draft.is_some(),
            "the answer broke rules; asking for a repair"
        );
        prompt = with_others(G::repair_prompt(target, &rejection));
        draft = rejection.draft;
    }
}

/// Which fields break which rules: never the texts themselves.
fn describe(violations: &[Violation]) -> String {
    let describe = |violation: &Violation| {
        format!("{} {}", violation.field, violation.message(Language::English))
    };
    violations.iter().take(LOGGED_VIOLATIONS).map(describe).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests;
