//! What was compared, for people.

use super::super::diagnose::Lang;
use super::compare::{Line, Outcome, Verdict, verdict};
use crate::manifest::Manifest;
use crate::page::Page;

/// All of it: the verdict first, then each line.
pub(super) fn told(
    manifest: &Manifest,
    place: &str,
    lines: &[Line],
    lang: Lang,
    mut page: Page,
) -> String {
    let Manifest { version, commit, architecture, .. } = manifest;
    let commit = commit.as_ref().map_or_else(String::new, |commit| format!(" ({commit})"));
    let built = format!("{version}{commit} {architecture}");
    page.line(match (verdict(lines), lang) {
        (Verdict::Same, Lang::Ja) => format!("{place}: {built} のとおりに配備されています"),
        (Verdict::Same, Lang::En) => format!("{place} is {built}, as built"),
        (Verdict::Different, Lang::Ja) => format!("{place}: {built} と違うものがあります"),
        (Verdict::Different, Lang::En) => format!("{place} is not {built}"),
        (Verdict::Unknown, Lang::Ja) => {
            format!("{place}: 違いは見つかりませんが、{built} かどうか確かめられません")
        }
        (Verdict::Unknown, Lang::En) => {
            format!("{place}: nothing differs from {built}, but not all could be asked")
        }
    });
    let rows: Vec<_> = lines.iter().flat_map(|line| rows(line, lang)).collect();
    let head = match lang {
        Lang::Ja => ["対象", "バージョン", "結果"],
        Lang::En => ["what", "version", "outcome"],
    };
    page.table_of_sentences(&head, &rows);
    page.text()
}

/// A line, and one more for each further difference.
fn rows(line: &Line, lang: Lang) -> Vec<Vec<String>> {
    let what = match line.what.as_str() {
        "stateMachine" => lang.say("ステートマシン", "state machine"),
        "migrations" => lang.say("マイグレーション", "migrations"),
        name => name,
    };
    let version = match (&line.version, line.percent) {
        (Some(version), Some(percent)) if percent < 100 => format!("{version} ({percent} %)"),
        (version, _) => version.clone().unwrap_or_default(),
    };
    let outcomes = match &line.outcome {
        Outcome::Same => vec![lang.say("同じ", "same").to_owned()],
        Outcome::SameProgram => {
            vec![lang.say("同じプログラム(zip は別)", "same program, in another zip").to_owned()]
        }
        Outcome::Different { differences } => differences
            .iter()
            .map(|it| match lang {
                Lang::Ja => {
                    format!("違う: {}: ビルド {}、配備 {}", it.field, it.built, it.deployed)
                }
                Lang::En => {
                    format!("DIFFERS in {}: built {}, deployed {}", it.field, it.built, it.deployed)
                }
            })
            .collect(),
        Outcome::Unknown { why } => vec![match lang {
            Lang::Ja => format!("確認できない: {why}"),
            Lang::En => format!("NOT ASKED: {why}"),
        }],
    };
    let first = [what.to_owned(), version];
    let names = std::iter::once(first).chain(std::iter::repeat([String::new(), String::new()]));
    names.zip(outcomes).map(|([what, version], outcome)| vec![what, version, outcome]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::compare::tests::a_manifest;
    use super::super::compare::{Difference, Outcome};
    use super::*;

    fn lines(outcome: Outcome) -> Vec<Line> {
        let line = |what: &str, version: Option<&str>, percent, outcome| Line {
            what: what.to_owned(),
            version: version.map(str::to_owned),
            percent,
            outcome,
        };
        vec![
            line("reconciler", Some("$LATEST"), Some(100), Outcome::Same),
            line("worker", Some("7"), Some(90), outcome),
            line("stateMachine", None, None, Outcome::SameProgram),
        ]
    }

    fn say(outcome: Outcome, lang: Lang) -> String {
        let page = Page::of_width(None);
        told(&a_manifest(), "stack s in eu-west-1", &lines(outcome), lang, page)
    }

    #[test]
    fn the_verdict_stands_first_and_each_difference_has_a_line() {
        let difference = |field: &str| Difference {
            field: field.to_owned(),
            built: "a".to_owned(),
            deployed: "b".to_owned(),
        };
        let differences = vec![difference("runtime"), difference("program")];
        let told = say(Outcome::Different { differences }, Lang::En);
        assert_eq!(
            told,
            "\
stack s in eu-west-1 is not 0.1.0 (0123) arm64
what           version   outcome
reconciler     $LATEST   same
worker         7 (90 %)  DIFFERS in runtime: built a, deployed b
                         DIFFERS in program: built a, deployed b
state machine            same program, in another zip"
        );
    }

    #[test]
    fn what_was_not_asked_is_not_told_as_the_same_in_either_language() {
        let unknown = || Outcome::Unknown { why: "no connection".to_owned() };
        let told = say(unknown(), Lang::En);
        assert!(told.contains("but not all could be asked"), "{told}");
        assert!(told.contains("NOT ASKED: no connection"), "{told}");
        let told = say(unknown(), Lang::Ja);
        assert!(told.contains("確かめられません") && told.contains("確認できない: no connection"));
        let told = say(Outcome::Same, Lang::Ja);
        assert!(told.contains("のとおりに配備されています"), "{told}");
    }
}
