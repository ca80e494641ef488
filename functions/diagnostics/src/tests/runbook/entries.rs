//! The entries of the fifty troubles, and what is written about incidents: that none is missing,
//! that they name what there is, and that what they quote is what is printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use shared::{process::ErrorCode, reconcile::Rule};

use super::{codes_of_findings, read, rows};

/// The papers of one language.
struct Papers {
    runbook: &'static str,
    troubles: &'static str,
    incident: &'static str,
    /// What the parts of an entry are called, in their order.
    parts: [&'static str; 5],
    alarms: &'static str,
}

const PAPERS: [Papers; 2] = [
    Papers {
        runbook: "docs/runbook.en.md",
        troubles: "docs/runbook/troubles.en.md",
        incident: "docs/runbook/incident.en.md",
        parts: ["You see", "Run", "It prints", "By itself", "Left to you"],
        alarms: "\n## Alarms\n",
    },
    Papers {
        runbook: "docs/runbook.ja.md",
        troubles: "docs/runbook/troubles.ja.md",
        incident: "docs/runbook/incident.ja.md",
        parts: ["見えること", "コマンド", "出力", "自動で", "人に残ること"],
        alarms: "\n## アラーム\n",
    },
];
/// Which of the parts is which.
const SEEN: usize = 0;
const RUN: usize = 1;
const PRINTED: usize = 2;

/// What is told of one trouble.
#[derive(Debug)]
struct Entry {
    number: usize,
    title: String,
    /// Name and text.
    parts: Vec<(String, String)>,
}

impl Entry {
    fn text(&self) -> String {
        self.parts.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// The entries of a paper, in its order.
fn entries(path: &str) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for line in read(path).lines() {
        if let Some((number, title)) = line.strip_prefix("### ").and_then(|it| it.split_once(". "))
        {
            let number = number.parse().unwrap_or_else(|_| panic!("{path}: {line}"));
            all.push(Entry { number, title: title.to_owned(), parts: Vec::new() });
            continue;
        }
        let Some(entry) = all.last_mut() else { continue };
        let part = line.strip_prefix("- **").and_then(|it| it.split_once("**: "));
        if let Some((name, text)) = part {
            entry.parts.push((name.to_owned(), text.to_owned()));
        } else if !line.is_empty() {
            let text = line.strip_prefix("  ").unwrap_or_else(|| panic!("{path}: {line}"));
            let (_, part) = entry.parts.last_mut().unwrap_or_else(|| panic!("{path}: {line}"));
            part.push(' ');
            part.push_str(text);
        }
    }
    all
}

/// What stands in backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The codes of findings among `findings`, and of errors, that a text names.
fn codes<'a>(text: &'a str, findings: &'a BTreeSet<String>) -> BTreeSet<&'a str> {
    let is_code = |it: &&str| findings.contains(*it) || it.parse::<ErrorCode>().is_ok();
    quoted(text).filter(is_code).collect()
}

/// Words like `R7`.
fn rules(text: &str) -> BTreeSet<&str> {
    let is_rule = |word: &&str| {
        word.strip_prefix('R').is_some_and(|it| !it.is_empty() && it.parse::<u8>().is_ok())
    };
    text.split(|it: char| !it.is_ascii_alphanumeric()).filter(is_rule).collect()
}

/// The numbers in the last column of a row.
fn numbers(row: &str) -> BTreeSet<usize> {
    let last = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
    last.split(", ").filter_map(|it| it.parse().ok()).collect()
}

/// The rows of the table of alarms, by the alarm's name.
fn alarms(papers: &Papers) -> BTreeMap<String, BTreeSet<usize>> {
    let text = read(papers.runbook);
    let section = text.split(papers.alarms).nth(1).and_then(|it| it.split("\n## ").next());
    let rows = section.unwrap().lines().filter_map(|line| Some((line.strip_prefix("| ")?, line)));
    rows.skip(1)
        .map(|(row, line)| (row.split(" | ").next().unwrap().to_owned(), numbers(line)))
        .collect()
}

/// All sources below `folder`, but for tests.
fn sources(folder: &Path, text: &mut String) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let is_test = path.file_stem().is_some_and(|name| name == "tests");
        if is_test || path.ends_with("target") {
        } else if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

/// The text of the sources as it is when it runs: literals in one line, without escapes.
fn said_by_the_code() -> String {
    let mut text = String::new();
    for folder in ["functions", "infra/cli/src", "shared/src"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), &mut text);
    }
    let mut lines = text.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |text, rest| text + rest.trim_start()).replace("\\\"", "\"")
}

/// What stands between the quotes of a test's source, by the number of the trouble that it makes.
fn demanded_by_tests() -> BTreeMap<usize, BTreeSet<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/troubles");
    let mut all: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let source = fs::read_to_string(path).unwrap();
        for test in source.split("\nasync fn t").skip(1) {
            let Some(number) = test.get(..2).and_then(|it| it.parse().ok()) else { continue };
            let body = test.split("\n}\n").next().unwrap_or_default();
            let words = body.split('"').skip(1).step_by(2).map(str::to_owned);
            all.entry(number).or_default().extend(words);
        }
    }
    all
}

#[test]
fn each_of_the_fifty_troubles_has_one_entry_with_all_its_parts() {
    for papers in PAPERS {
        let path = papers.troubles;
        let entries = entries(path);
        let found: Vec<_> = entries.iter().map(|entry| entry.number).collect();
        assert_eq!(found, (1..=50).collect::<Vec<_>>(), "{path}");
        for entry in &entries {
            let names: Vec<_> = entry.parts.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, papers.parts, "{path}: entry {}", entry.number);
            assert!(entry.parts.iter().all(|(_, text)| !text.is_empty()), "{path}: {entry:?}");
            assert!(entry.parts[RUN].1.starts_with("`cargo aigen"), "{path}: {entry:?}");
        }
    }
}

#[test]
fn the_entries_bear_the_names_of_the_troubles_and_are_found_by_what_is_seen() {
    let table = read("docs/troubles.md");
    let mut names: Vec<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1))
        .skip(1)
        .map(str::to_lowercase)
        .collect();
    // A trouble that several tests make has a row of each.
    names.dedup();
    let titles = entries(PAPERS[0].troubles).into_iter().map(|entry| entry.title.to_lowercase());
    assert_eq!(titles.collect::<Vec<_>>(), names);
    for papers in PAPERS {
        let text = read(papers.troubles);
        let index = text.split("\n### ").next().unwrap();
        let rows = index.lines().filter(|line| line.starts_with("| "));
        let numbers = rows.flat_map(|row| row.split(['·', ',', '|', ' '])).map(str::parse);
        let found: BTreeSet<usize> = numbers.filter_map(Result::ok).collect();
        let missing: Vec<_> = (1..=50).filter(|number| !found.contains(number)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", papers.troubles);
    }
}

#[test]
fn every_code_and_rule_that_is_named_exists() {
    let findings = codes_of_findings();
    for path in PAPERS.iter().flat_map(|papers| [papers.troubles, papers.incident]) {
        let text = read(path);
        let looks_like_one = |it: &&str| {
            it.contains('_') && it.chars().all(|it| it.is_ascii_uppercase() || it == '_')
        };
        let named: BTreeSet<_> = quoted(&text).filter(looks_like_one).collect();
        let mut unknown = &named - &codes(&text, &findings);
        unknown.remove("DATABASE_URL");
        assert!(unknown.is_empty(), "{path}: {unknown:?}");
        let known: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
        assert!(rules(&text).is_subset(&known), "{path}: {:?}", rules(&text));
    }
}

#[test]
fn a_finding_is_named_in_the_entries_of_its_troubles_and_in_no_other() {
    let findings = codes_of_findings();
    for papers in PAPERS {
        let runbook = read(papers.runbook);
        for entry in entries(papers.troubles) {
            let of_table: BTreeSet<_> = rows(&runbook)
                .filter(|(code, row)| {
                    findings.contains(*code) && numbers(row).contains(&entry.number)
                })
                .map(|(code, _)| code)
                .collect();
            let text = entry.text();
            let named: BTreeSet<_> = quoted(&text).filter(|it| findings.contains(*it)).collect();
            assert_eq!(named, of_table, "{}: entry {}", papers.troubles, entry.number);
        }
    }
}

#[test]
fn the_alarms_are_those_of_the_template_and_lead_to_entries_that_name_them() {
    let template = read("infra/template.yaml");
    let opening = "AlarmName: !Sub \"${NamePrefix}async-processing ";
    let deployed: BTreeSet<_> =
        template.split(opening).skip(1).filter_map(|it| it.split('"').next()).collect();
    assert!(deployed.contains("error rate"), "{deployed:?}");
    for papers in PAPERS {
        let alarms = alarms(&papers);
        assert_eq!(alarms.keys().map(String::as_str).collect::<BTreeSet<_>>(), deployed);
        for entry in entries(papers.troubles) {
            let seen: BTreeSet<_> =
                quoted(&entry.parts[SEEN].1).filter(|it| deployed.contains(it)).collect();
            let of_table: BTreeSet<_> = alarms
                .iter()
                .filter(|(_, numbers)| numbers.contains(&entry.number))
                .map(|(name, _)| name.as_str())
                .collect();
            assert_eq!(seen, of_table, "{}: entry {}", papers.troubles, entry.number);
        }
    }
}

#[test]
fn what_a_test_of_a_trouble_demands_stands_in_its_entry() {
    let findings = codes_of_findings();
    let demanded = demanded_by_tests();
    assert_eq!(demanded.len(), 50);
    for papers in PAPERS {
        for entry in entries(papers.troubles) {
            let text = entry.text();
            let (codes, rules) = (codes(&text, &findings), rules(&text));
            for word in &demanded[&entry.number] {
                let is_named = codes.contains(word.as_str()) || rules.contains(word.as_str());
                let is_code = findings.contains(word)
                    || word.parse::<ErrorCode>().is_ok()
                    || Rule::ALL.iter().any(|rule| rule.as_str() == word);
                // What a waiting process is told, and the finding, bear one name.
                let is_reason = word == "PAUSED" && entry.number != 49;
                let where_ = format!("{}: entry {}", papers.troubles, entry.number);
                assert!(is_named || !is_code || is_reason, "{where_} does not name {word}");
            }
        }
    }
}

#[test]
fn what_an_entry_says_is_printed_is_printed_by_the_code() {
    let said = said_by_the_code();
    for papers in PAPERS {
        for entry in entries(papers.troubles) {
            let is_command =
                |it: &&str| ["cargo ", "aws ", "--"].iter().any(|by| it.starts_with(by));
            for span in quoted(&entry.parts[PRINTED].1).filter(|it| !is_command(it)) {
                let unsaid = span.split('…').map(str::trim).find(|piece| !said.contains(piece));
                let place = format!("{}: entry {}", papers.troubles, entry.number);
                assert_eq!(unsaid, None, "{place} quotes {span:?}");
            }
        }
    }
}

#[test]
fn both_languages_name_the_same_codes_and_commands() {
    let findings = codes_of_findings();
    let told = |entry: &Entry| {
        let text = entry.text();
        let commands = quoted(&text).filter(|it| it.starts_with("cargo aigen"));
        let named = codes(&text, &findings).into_iter().chain(commands);
        named.map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let [english, japanese] = PAPERS.map(|papers| entries(papers.troubles));
    for (one, other) in english.iter().zip(&japanese) {
        assert_eq!(told(one), told(other), "entry {}", one.number);
    }
}
