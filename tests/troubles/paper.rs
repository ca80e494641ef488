//! `docs/troubles.md`, made from what stands above the tests.

use std::{fmt::Write as _, fs, path::Path};

/// Each trouble by its number, as the teams' guides put it.
const TROUBLES: [&str; 50] = [
    "job stays PROCESSING, progress stands still, past its estimate",
    "error rate over 5 %",
    "processing slower than its target",
    "retry fails again",
    "cancel has no effect",
    "AI_ERROR: throttled, model error, prompt too complex",
    "DATABASE_ERROR: connection, query, constraint",
    "TIMEOUT_ERROR: Lambda's, task's, machine's",
    "VALIDATION_ERROR: missing, form, range",
    "cold start",
    "slow database query",
    "database and execution disagree",
    "progress over 100, falling, standing",
    "connection pool exhausted, locks",
    "does not start: environment variable missing",
    "a dependency cannot be reached",
    "memory grows or runs out",
    "429, Retry-After not honoured",
    "504 on long requests",
    "JWT invalid, expired, clock off",
    "403, whose right is missing",
    "too many connections, idle ones kept",
    "model provider fails: fall back to the next",
    "token limit exceeded",
    "deployment fails, roll back",
    "database refuses: stopped, password, URL, network: which?",
    "connection limit reached",
    "slow queries, missing index",
    "connection cut off in mid-work",
    "401 at login",
    "JWT: signature, issuer, audience, expiry: which?",
    "API does not answer",
    "no route or name between services",
    "answers slow: where is the time?",
    "memory leak",
    "credentials missing or expired",
    "credentials of another environment",
    "column missing: migration not run",
    "migration checksum differs",
    "Secrets Manager access denied",
    "task does not start",
    "a bulk job stops half-way",
    "two systems' data disagree after a sync",
    "clean-up deletes nothing, or is over-protective",
    "wrong data deleted by mistake",
    "bulk work slows the database down",
    "configuration invalid: which field, why",
    "API key or authorization trouble of operators",
    "safe stop: no new work, running work ends",
    "restore from backup, then is everything consistent?",
];

/// A test and what stands above it.
struct Shown {
    number: usize,
    test: String,
    /// Which of P, H and N.
    kinds: String,
    says: String,
}

/// The number and the name of the test that begins in this line.
fn numbered(line: &str) -> Option<(usize, &str)> {
    let name = line.strip_prefix("async fn ")?.split('(').next()?;
    Some((name.strip_prefix('t')?.get(..2)?.parse().ok()?, name))
}

/// The tests of one source, whose names begin with `t` and a number.
fn shown(source: &str) -> Vec<Shown> {
    let (mut all, mut above) = (Vec::new(), String::new());
    for line in source.lines() {
        if let Some(text) = line.strip_prefix("///") {
            above.push_str(text);
        } else if let Some((number, name)) = numbered(line) {
            let (kinds, says) =
                above.trim().strip_prefix("**").and_then(|text| text.split_once("** ")).unwrap();
            let kinds = kinds.to_owned();
            let is_kind = |kind: &str| ["P", "H", "N"].contains(&kind);
            assert!(kinds.split(", ").all(is_kind), "{name}: {kinds}");
            let says = says.to_owned();
            all.push(Shown { number, test: name.to_owned(), kinds, says });
            above.clear();
        } else if !line.starts_with("#[") {
            above.clear();
        }
    }
    all
}

fn paper() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("troubles");
    let mut all: Vec<Shown> = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        all.extend(shown(&fs::read_to_string(entry.unwrap().path()).unwrap()));
    }
    all.sort_by(|a, b| (a.number, &a.test).cmp(&(b.number, &b.test)));
    let numbers: std::collections::BTreeSet<_> = all.iter().map(|it| it.number).collect();
    let mut text = format!(
        "# The fifty troubles / 五十の障害\n\n\
         Made from `tests/troubles/` by its test `the_paper_is_what_the_tests_show`. Each of\n\
         those tests makes the trouble on the local stack and shows that it cannot come\n\
         (**P**), heals without a person (**H**), or is named by one command with its cause\n\
         and the next step (**N**). Shown: {} of 50.\n\n\
         `tests/troubles/` から作られています。\n\
         各テストはローカル環境で障害を実際に起こします。\n\
         起こりえない（**P**）、人手なしに直る（**H**）、\n\
         一つのコマンドが原因と次の手順を示す（**N**）のいずれかを確かめます。\n\
         50 のうち {} を示しています。\n\
         運用の手順は [runbook.ja.md](runbook.ja.md) にあります。\n\n\
         What an operator does stands in the [runbook](runbook.en.md).\n\n\
         | # | trouble | | what is shown | test |\n|---|---|---|---|---|\n",
        numbers.len(),
        numbers.len(),
    );
    for (index, trouble) in TROUBLES.iter().enumerate() {
        let number = index + 1;
        let mut of_it = all.iter().filter(|it| it.number == number).peekable();
        if of_it.peek().is_none() {
            writeln!(text, "| {number} | {trouble} | | not shown yet | |").unwrap();
        }
        for Shown { test, kinds, says, .. } in of_it {
            writeln!(text, "| {number} | {trouble} | {kinds} | {says} | `{test}` |").unwrap();
        }
    }
    text
}

#[test]
fn the_paper_is_what_the_tests_show() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/troubles.md");
    let paper = paper();
    if std::env::var_os("AIGEN_WRITE_PAPERS").is_some() {
        fs::write(&path, &paper).unwrap();
    }
    let is_right = fs::read_to_string(&path).is_ok_and(|written| written == paper);
    assert!(
        is_right,
        "write it anew: AIGEN_WRITE_PAPERS=1 cargo test -p system-tests --test troubles paper"
    );
}
