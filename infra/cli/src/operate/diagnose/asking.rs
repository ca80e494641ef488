//! Asking, once or again and again, and showing what it comes to.

use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::{Question, ask};
use crate::operate::now;
use crate::operate::reconciler::Functions;
use crate::output;

/// What an ask has come to.
pub(super) struct Told {
    /// The answer, and as it is told.
    pub(super) answer: Result<(Value, String)>,
    /// Whether a person is needed.
    pub(super) is_needed: bool,
}

/// Asks, and again after `every` of it until `show` says that nobody looks. What goes wrong may be
/// what is watched for: it is shown too, and ends what is asked only once.
pub(super) async fn asking(
    question: &Question,
    functions: &impl Functions,
    every: Option<Duration>,
    mut show: impl FnMut(Told) -> bool,
) -> Result<()> {
    let lang = question.telling().lang();
    let answer = async || -> Result<_> {
        let data = ask(functions, &question.payload(lang, now())?).await?;
        question.understand(&data)?;
        let (text, is_needed) = question.told(&data, lang, now());
        Ok(((data, text), is_needed))
    };
    loop {
        let told = match (answer().await, every) {
            (Ok((answer, is_needed)), _) => Told { answer: Ok(answer), is_needed },
            (Err(error), Some(_)) => Told { answer: Err(error), is_needed: true },
            (Err(error), None) => return Err(error),
        };
        let is_read = show(told);
        match every {
            Some(every) if is_read => tokio::time::sleep(every).await,
            _ => return Ok(()),
        }
    }
}

/// Shows it; whether somebody reads it.
pub(super) fn show(
    told: Told,
    functions: &impl Functions,
    is_json: bool,
    is_watched: bool,
) -> bool {
    if is_watched && !is_json {
        let _ = console::Term::stdout().clear_screen();
    }
    match told.answer {
        Ok((data, _)) if is_json => output::line_is_read(data),
        Ok((_, text)) => output::line_is_read(functions.as_typed(text)),
        Err(error) => {
            output::trouble(&error);
            let at = now().format("%H:%M:%S");
            output::aside(format_args!("· {at} UTC, and it is asked again"));
            true
        }
    }
}
