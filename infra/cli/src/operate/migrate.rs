//! `migrate` of a deployed stack: its own function applies the migrations that it was built with,
//! where the database cannot be reached from here.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::reconciler::Functions;
use crate::envelope::Refusal;
use crate::output;

/// The function's name, without the prefix of the stack that it is deployed in.
const NAME: &str = "migrator";

/// Has it migrate, and tells what it did.
pub(super) async fn run(
    functions: &impl Functions,
    dry_run: bool,
    adopt: bool,
) -> Result<ExitCode> {
    // One that was deployed before there was adopting knows no such word.
    let order = if adopt {
        json!({ "dryRun": dry_run, "adopt": true })
    } else {
        json!({ "dryRun": dry_run })
    };
    let answer = functions.invoke(NAME, &order).await;
    let envelope = answer.context("the migrator cannot be asked")?;
    match envelope.get("data") {
        Some(data) => {
            let plan = Option::<adopt::Plan>::deserialize(&data["adoption"]);
            let plan = plan.context("the migrator answered what this aigen does not understand")?;
            if data["adopts"] == true {
                output::line(adopted(plan.as_ref(), dry_run));
            }
            output::line(told(data));
            if plan.is_some_and(|plan| !plan.is_free()) {
                return Ok(ExitCode::FAILURE);
            }
        }
        None => match Refusal::of(&envelope) {
            Some(refusal) => return Err(refusal.by("the migrator refused with")),
            None => bail!("the migrator answered what this aigen does not understand: {envelope}"),
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// What adopting does, or would do, in lines.
pub(crate) fn adopted(plan: Option<&adopt::Plan>, dry_run: bool) -> String {
    let Some(plan) = plan else {
        return "nothing to adopt: aigen's migrations have been here, or no table has a name of \
                aigen's"
            .to_owned();
    };
    let mut lines = plan.lines();
    lines.push(match (plan.is_free(), dry_run) {
        (true, true) => {
            "nothing is in the way, and nothing was changed: adopt it with aigen migrate --adopt"
                .to_owned()
        }
        (true, false) => "adopted".to_owned(),
        (false, _) => {
            let count = plan.obstacles.len();
            format!("in the way: {count}; nothing was changed. Put that right, and look again")
        }
    });
    lines.join("\n")
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
    fn an_adoption_is_told_in_lines_with_the_obstacles_first() {
        let told = |plan: Value, dry_run: bool| {
            adopted(Some(&serde_json::from_value(plan).unwrap()), dry_run)
        };
        let step = json!({"table": "goals", "what": "the column process_id is added", "sql": "x"});
        let kept = json!([{"table": "goals", "rows": 1}]);
        let plan = |obstacles: Value| {
            let (steps, notes) = (json!([step]), json!([]));
            json!({"obstacles": obstacles, "steps": steps, "notes": notes, "kept": kept,
                   "ended": 0})
        };
        assert_eq!(
            told(plan(json!([])), true),
            "KEPT  goals: 1 row\nSTEP  goals: the column process_id is added\nnothing is in the \
             way, and nothing was changed: adopt it with aigen migrate --adopt"
        );
        assert!(told(plan(json!([])), false).ends_with("\nadopted"));
        let obstacle = json!([{"table": "tasks", "column": "type", "what": "it is wrong",
                               "advice": "put it right", "rows": {"count": 2, "ids": ["a", "b"]}}]);
        let told = told(plan(obstacle), true);
        let first = "IN THE WAY  tasks.type: it is wrong (2 rows, among them a, b); put it right\n";
        assert!(told.starts_with(first), "{told}");
        assert!(told.contains("in the way: 1; nothing was changed"), "{told}");
        assert!(adopted(None, true).starts_with("nothing to adopt"));
    }

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
