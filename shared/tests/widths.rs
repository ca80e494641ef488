//! No line is longer than 100 characters, so that two files fit side by side. rustfmt sees to code;
//! this test sees to what it leaves alone: SQL, strings, comments and papers.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::{path::Path, process::Command};

const WIDTH: usize = 100;

/// Files, or folders of them, that may have longer lines, and why.
const EXCEPTIONS: [(&str, &str); 6] = [
    ("infra/migrations/", "an applied migration is known by its checksum and stays as it is"),
    ("infra/cli/src/model_double/bank_en.rs", "one text of the double's a line"),
    ("infra/cli/src/model_double/bank_ja.rs", "one text of the double's a line"),
    ("shared/src/process/error_code.rs", "one table of messages in two languages"),
    ("shared/src/validation/violation.rs", "one table of messages in two languages"),
    ("shared/src/chart/prompt.rs", "what a model reads, sentence by sentence"),
];

/// Whether a line may be longer than the others wherever it stands: it holds a link, which cannot
/// be broken, or it is a row of a table in Markdown, which must not be.
fn may_be_long(path: &str, line: &str) -> bool {
    let markdown = Path::new(path).extension().is_some_and(|ending| ending == "md");
    line.contains("://") || (markdown && line.trim_start().starts_with('|'))
}

/// The lines of a file that are too long, by number, with their lengths.
fn long_lines(path: &str, text: &str) -> Vec<(usize, usize)> {
    let lines = (1..).zip(text.lines().map(|line| (line, line.chars().count())));
    lines
        .filter(|(_, (line, length))| *length > WIDTH && !may_be_long(path, line))
        .map(|(number, (_, length))| (number, length))
        .collect()
}

/// What git keeps, so that neither build products nor a person's notes are looked at.
fn tracked(root: &Path) -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .args(["--", "*.rs", "*.sql", "*.md"])
        .current_dir(root)
        .output()
        .unwrap_or_else(|error| panic!("this test needs git: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "this test needs a checkout of git: {said}");
    let files = String::from_utf8(output.stdout).unwrap();
    files.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn no_line_is_longer_than_100_characters() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = tracked(&root);
    assert!(files.iter().any(|path| path == "shared/tests/widths.rs"), "{files:?}");
    let excepted = |path: &str| EXCEPTIONS.iter().any(|(except, _)| path.starts_with(except));
    let mut faults = Vec::new();
    for path in files.iter().filter(|path| !excepted(path)) {
        // A file that has been removed and not committed yet is still listed.
        let Ok(text) = std::fs::read_to_string(root.join(path)) else { continue };
        let long = long_lines(path, &text);
        faults.extend(long.iter().map(|(line, length)| format!("{path}:{line}: {length}")));
    }
    assert!(faults.is_empty(), "{} lines are too long:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn each_exception_is_still_needed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let files = tracked(&root);
    for (except, _) in EXCEPTIONS {
        let texts = files
            .iter()
            .filter(|path| path.starts_with(except))
            .filter_map(|path| Some((path, std::fs::read_to_string(root.join(path)).ok()?)));
        let long = texts.map(|(path, text)| long_lines(path, &text).len()).sum::<usize>();
        assert!(long > 0, "{except} has no long line any more: take it from the list");
    }
}

#[test]
fn a_long_line_is_found_and_links_and_tables_are_not() {
    let exact = "あ".repeat(WIDTH);
    let long = format!("{exact}い");
    assert_eq!(long_lines("a.rs", &format!("short\n{exact}\n{long}")), [(3, 101)]);
    assert_eq!(long_lines("a.md", &format!("| {long} |\nsee https://{long}")), []);
    assert_eq!(long_lines("a.rs", &format!("| {long} |")).len(), 1);
}
