//! Asking for one target until the answer is right: the same as `functions/worker/src/ask.rs`,
//! which knows no engine either. Neither is counted as a line of an engine.

use shared::{
    chart::{Chart, Rows, Target},
    language::Language,
    process::{ErrorCode, Failure, Generation, ModelUsage, Rejection},
    validation::Violation,
};

use crate::World;

/// How often what broke rules is asked for again, as in the worker.
const MAX_REPAIRS: usize = 3;

/// Asks, and after an answer that broke rules asks again for what is wrong with it. `calls` hears
/// of each call that is paid for, answer or not.
///
/// # Errors
/// When the model fails; or when its answer still breaks rules, naming them.
pub(crate) async fn ask_until_right<W: World>(
    world: &W,
    target: &Target,
    calls: &mut Vec<ModelUsage>,
) -> Result<Rows, Failure> {
    let mut prompt = Chart::prompt(target);
    let mut draft = None;
    let mut repairs = 0;
    loop {
        let (answer, usage) = world.ask(&prompt).await?;
        calls.push(usage);
        let mut new_id = || world.new_id();
        let rejection = match answer {
            Ok(answer) => match Chart::read_answer(target, &answer, draft.take(), &mut new_id) {
                Ok(rows) => return Ok(rows),
                Err(rejection) => rejection,
            },
            Err(violation) => Rejection { violations: vec![violation], draft: draft.take() },
        };
        if repairs == MAX_REPAIRS {
            let cause = format!("after {repairs} repairs: {}", describe(&rejection.violations));
            return Err(Failure::new(ErrorCode::AiResponseInvalid, cause));
        }
        repairs += 1;
        prompt = Chart::repair_prompt(target, &rejection);
        draft = rejection.draft;
    }
}

fn describe(violations: &[Violation]) -> String {
    let describe = |violation: &Violation| {
        format!("{} {}", violation.field, violation.message(Language::English))
    };
    violations.iter().take(5).map(describe).collect::<Vec<_>>().join("; ")
}
