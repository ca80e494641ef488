//! `migrate` of a deployed stack: its own function applies the migrations that it was built with,
//! where the database cannot be reached from here.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::reconciler::Functions;
use crate::envelope::Refusal;
use crate::output;

/// The function's name, without the prefix of the stack that it is deployed in.
const NAME: &str = "migrator";

/// Has it migrate, and tells what it did.
pub(super) async fn run(functions: &impl Functions, dry_run: bool) -> Result<ExitCode> {
    let answer = functions.invoke(NAME, &json!({ "dryRun": dry_run })).await;
    let envelope = answer.context("the migrator cannot be asked")?;
    match envelope.get("data") {
        Some(data) => output::line(told(data)),
        None => match Refusal::of(&envelope) {
            Some(refusal) => return Err(refusal.by("the migrator refused with")),
            None => bail!("the migrator answered what this aigen does not understand: {envelope}"),
        },
    }
    Ok(ExitCode::SUCCESS)
}

fn told(data: &Value) -> String {
    let versions = |name: &str| {
        let all = data[name].as_array().into_iter().flatten();
        all.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let (applied, ahead) = (versions("applied"), versions("ahead"));
    let mut told = match (applied.as_str(), data["dryRun"] == true) {
        ("", _) => format!("the database has all migrations, the newest {}", data["newest"]),
        (applied, true) => format!("would apply {applied}"),
        (applied, false) => format!("applied {applied}"),
    };
    if !ahead.is_empty() {
        told = format!("{told}; it is ahead of the deployed functions, by {ahead}");
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_or_would_be_applied_is_told_and_whether_the_database_is_ahead() {
        let of = |dry_run: bool, applied: &[i64], ahead: &[i64]| {
            told(&json!({"dryRun": dry_run, "applied": applied, "newest": 7, "ahead": ahead}))
        };
        assert_eq!(of(false, &[], &[]), "the database has all migrations, the newest 7");
        assert_eq!(of(true, &[6, 7], &[]), "would apply 6, 7");
        assert_eq!(of(false, &[7], &[]), "applied 7");
        assert!(of(false, &[], &[8]).ends_with("ahead of the deployed functions, by 8"));
    }
}
