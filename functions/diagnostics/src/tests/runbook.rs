//! The runbook in both languages, compared with what the code can say.

mod entries;

use std::{collections::BTreeSet, fs, path::Path};

use shared::{language::Language, process::ErrorCode};

const RUNBOOKS: [(&str, Language, [&str; 2]); 2] = [
    ("docs/runbook.en.md", Language::English, ["no", "yes"]),
    ("docs/runbook.ja.md", Language::Japanese, ["いいえ", "はい"]),
];

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The codes of findings that stand in the sources of the check: words in capitals, in quotes.
fn codes_of_findings() -> BTreeSet<String> {
    let sources = [
        "health/database",
        "health/findings/deployed",
        "health/findings/jobs",
        "health/findings/lifecycle",
        "health/findings/queue",
        "health/findings/reach",
        "health/findings/server",
        "lost_index",
        "performance/findings",
    ];
    let is_code = |word: &&str| {
        let is_name = word.chars().all(|it| it.is_ascii_uppercase() || it == '_');
        is_name && (word.contains('_') || ["PAUSED", "SLOW", "STUCK"].contains(word))
    };
    let text: String =
        sources.map(|name| read(&format!("functions/diagnostics/src/{name}.rs"))).concat();
    text.split('"').filter(is_code).map(str::to_owned).collect()
}

/// The rows of the tables in `text`, by the code in their first column.
fn rows(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| Some((line.strip_prefix("| `")?.split('`').next()?, line)))
}

#[test]
fn the_runbook_explains_every_finding_and_no_other() {
    let findings = codes_of_findings();
    assert!(findings.len() > 40 && findings.contains("STUCK"), "{findings:?}");
    for (path, ..) in RUNBOOKS {
        let text = read(path);
        let explained: Vec<_> = rows(&text)
            .map(|(code, _)| code)
            .filter(|code| code.parse::<ErrorCode>().is_err())
            .collect();
        let once: BTreeSet<_> = explained.iter().map(|code| (*code).to_owned()).collect();
        assert_eq!(once, findings, "{path}");
        assert_eq!(once.len(), explained.len(), "{path} explains one twice");
    }
}

#[test]
fn the_runbook_has_the_table_of_error_codes_as_the_code_has_it() {
    for (path, language, again) in RUNBOOKS {
        let text = read(path);
        let found: Vec<_> = rows(&text)
            .filter(|(code, _)| code.parse::<ErrorCode>().is_ok())
            .map(|(_, row)| row.to_owned())
            .collect();
        let expected: Vec<_> = ErrorCode::ALL
            .iter()
            .map(|code| {
                let again = again[usize::from(code.retryable())];
                let (status, message) = (code.http_status(), code.message(language));
                format!("| `{code}` | {status} | {again} | {message} |")
            })
            .collect();
        assert_eq!(found, expected, "{path}: it should hold\n{}", expected.join("\n"));
    }
}
