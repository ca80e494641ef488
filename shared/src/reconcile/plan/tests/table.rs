//! The whole table is printed and compared with the one in `docs/reconciler.md`.

use super::*;

fn cell(plan: &Plan) -> String {
    match plan {
        Plan::Agree => "–".to_owned(),
        Plan::LookAgain => "look again".to_owned(),
        Plan::Healthy => "R2: leave".to_owned(),
        Plan::Report(rule) => format!("{rule}: report"),
        Plan::Repair { rule, repair } => format!("{rule}: {}", describe_repair(*rule, repair)),
    }
}

fn describe_repair(rule: Rule, repair: &Repair) -> String {
    match repair {
        Repair::Start => "start".to_owned(),
        Repair::Complete => "COMPLETED".to_owned(),
        Repair::End(ending) => describe_ending(rule, ending),
        Repair::StopThenEnd(ending) => format!("stop, {}", describe_ending(rule, ending)),
        Repair::Stop => "stop".to_owned(),
    }
}

fn describe_ending(rule: Rule, ending: &Ending) -> String {
    let code = ending.error().map(|error| format!(" {}", error.code)).unwrap_or_default();
    let evidence = if rule.wants_evidence() { " + evidence" } else { "" };
    format!("{}{code}{evidence}", ending.status())
}

/// A table in Markdown.
fn markdown(lines: Vec<Vec<String>>) -> String {
    let mut table = String::new();
    for (n, cells) in lines.into_iter().enumerate() {
        if n == 1 {
            table = format!("{table}|{}\n", "---|".repeat(cells.len()));
        }
        table = format!("{table}| {} |\n", cells.join(" | "));
    }
    table
}

fn whole_table() -> String {
    let executions = executions();
    let mut lines = vec![vec!["process \\ execution".to_owned()]];
    lines[0].extend(executions.iter().map(|(name, _)| (*name).to_owned()));
    for (name, row) in rows() {
        let mut line = vec![name.to_owned()];
        line.extend(
            executions.iter().map(|(_, execution)| cell(&plan(&row, execution, now(), &limits()))),
        );
        lines.push(line);
    }
    markdown(lines)
}

fn describe_mends(row: &ProcessFacts) -> String {
    let mends = mends(row).into_iter().map(|(rule, mend)| match mend {
        Mend::Progress(progress) => format!("{rule}: {progress}"),
        Mend::CompletedAt(CompletedAt::Set(_)) => format!("{rule}: `updated_at`"),
        Mend::CompletedAt(CompletedAt::Clear) => format!("{rule}: clear"),
    });
    let mends: Vec<_> = mends.collect();
    if mends.is_empty() { "–".to_owned() } else { mends.join(", ") }
}

fn mends_table() -> String {
    const PROGRESS: [i16; 5] = [-5, 0, 99, 100, 130];
    let mut lines = vec![vec!["process".to_owned()]];
    lines[0].extend(PROGRESS.iter().map(|progress| format!("progress {progress}")));
    lines[0].extend(["`completed_at` missing", "`completed_at` set"].map(str::to_owned));
    for status in Status::ALL {
        let right = row(*status);
        let broken = PROGRESS.map(|progress| ProcessFacts { progress, ..right.clone() });
        let times =
            [None, Some(ago(1))].map(|completed_at| ProcessFacts { completed_at, ..right.clone() });
        let mut line = vec![status.to_string()];
        line.extend(broken.iter().chain(&times).map(describe_mends));
        lines.push(line);
    }
    markdown(lines)
}

fn rules_table() -> String {
    let mut lines = vec![vec!["rule".to_owned(), "means".to_owned()]];
    lines.extend(Rule::ALL.iter().map(|rule| vec![rule.to_string(), rule.meaning().to_owned()]));
    markdown(lines)
}

/// What stands between `<!-- name -->` and `<!-- /name -->`.
fn documented(name: &str) -> &'static str {
    let document = include_str!("../../../../../docs/reconciler.md");
    let (_, rest) =
        document.split_once(&format!("<!-- {name} -->\n")).expect("the section is there");
    rest.split_once(&format!("<!-- /{name} -->")).expect("the section ends").0
}

#[test]
fn the_documented_tables_are_what_the_planner_does() {
    let tables = [("rules", rules_table()), ("plans", whole_table()), ("mends", mends_table())];
    for (name, table) in &tables {
        println!("<!-- {name} -->\n{table}<!-- /{name} -->");
    }
    for (name, table) in tables {
        assert_eq!(
            documented(name),
            table,
            "docs/reconciler.md, section {name}; the test's output has the table as it should be"
        );
    }
}
