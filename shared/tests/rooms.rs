//! The rooms of `shared/src` and the arrows between them. A room uses only rooms below it; the pure
//! ones name neither SQL nor AWS nor HTTP; only the chart's own rooms name what a chart is made of.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

#[path = "rooms/scan.rs"]
mod scan;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// From top to bottom.
const ROOMS: [&str; 12] = [
    "use_case",
    "http",
    "lambda",
    "store",
    "aws",
    "chart",
    "reconcile",
    "process",
    "validation",
    "language",
    "clock",
    "environment",
];
/// They decide and do nothing.
const PURE: [&str; 4] = ["chart", "reconcile", "process", "validation"];
/// The crates that a pure room must not name; besides these, every one whose name begins with
/// `aws_`.
const IMPURE_CRATES: [&str; 5] = ["sqlx", "lambda_runtime", "http", "hyper", "tokio"];
/// The rooms of the product's kind of generation.
const CHART: [&str; 2] = ["chart/", "store/chart/"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below `root` with one of these endings, by its path from there.
fn files(root: &Path, endings: &[&str]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    assert!(!found.is_empty(), "no files below {}", root.display());
    found
}

fn shared_files(endings: &[&str]) -> BTreeMap<String, String> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), endings)
}

fn rank(room: &str) -> Option<usize> {
    ROOMS.iter().position(|known| *known == room)
}

/// What is wrong with the imports of the file `path`, tests included.
fn import_faults(path: &str, source: &str) -> Vec<String> {
    let module = scan::module_of(path);
    let Some(room) = module.first() else { return Vec::new() };
    let Some(own) = rank(room) else { return vec![format!("{path}: {room} is no room")] };
    let references = scan::references(&scan::tokens(source), &module);
    let mut faults = Vec::new();
    for used in references.own.iter().filter(|used| *used != room) {
        match rank(used) {
            Some(below) if below > own => {}
            Some(_) => faults.push(format!("{path}: {room} uses {used}, which lies above it")),
            None => faults.push(format!("{path}: {used} is no room")),
        }
        if used == "chart" && !path.starts_with("store/chart/") {
            faults.push(format!("{path}: only store/chart/ may use chart"));
        }
    }
    if PURE.contains(&room.as_str()) {
        let impure =
            |name: &&String| IMPURE_CRATES.contains(&name.as_str()) || name.starts_with("aws_");
        let named = references.other.iter().filter(impure);
        faults.extend(named.map(|name| format!("{path}: {room} is pure and names {name}")));
    }
    faults
}

#[test]
fn every_arrow_leads_down() {
    let faults: Vec<_> = shared_files(&[".rs"])
        .iter()
        .flat_map(|(path, source)| import_faults(path, source))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn an_arrow_that_leads_up_is_found_however_it_is_written() {
    for (path, source, expected) in [
        ("process/a.rs", "use crate::store::Store;", 1),
        ("process/a.rs", "use crate::{process::Failure, store::{Store, Page}};", 1),
        ("process/a.rs", "fn f() -> crate::http::Reply { g() }", 1),
        ("process/a.rs", "use super::super::aws::{self, logs};", 1),
        ("process/mod.rs", "use super::lambda::Setup;", 1),
        ("process/a.rs", "mod tests { mod deep { use super::super::super::super::aws; } }", 1),
        ("process/a.rs", "assert!(crate::reconcile::plan());", 1),
        ("process/a.rs", "use crate::chart::Level;", 2),
        ("lambda/a.rs", "use crate::chart::Level;", 1),
        ("clock.rs", "use crate::language::Language;", 1),
        ("attic/a.rs", "", 1),
        ("process/a.rs", "use crate::attic::Old;", 1),
        ("process/a.rs", "use sqlx::PgPool;", 1),
        ("chart/a.rs", "#[derive(sqlx::Type)] enum A {}", 1),
        ("chart/a.rs", "fn f() { aws_sdk_sfn::Client::new() }", 1),
        ("validation.rs", "use http::StatusCode; use sqlx;", 2),
    ] {
        let faults = import_faults(path, source);
        assert_eq!(faults.len(), expected, "{path}: {source}\n{faults:?}");
    }
    for (path, source) in [
        ("process/a.rs", "use crate::validation::Rule; use super::Failure;"),
        ("process/a/b.rs", "use super::super::ErrorCode; use self::inner::A;"),
        ("process/a.rs", "/// See [`crate::store::Store`].\nconst A: &str = \"crate::http::B\";"),
        ("process/a.rs", "pub(crate) fn f() {} pub(in crate::process) fn g() {}"),
        ("store/chart/a.rs", "use crate::chart::Level; use sqlx::PgPool;"),
        ("use_case/a.rs", "use crate::{http::A, lambda::B, store::C, aws::D, process::E};"),
    ] {
        assert_eq!(import_faults(path, source), [""; 0], "{path}: {source}");
    }
}

#[test]
fn the_crate_consists_of_these_rooms() {
    let found: BTreeSet<String> = shared_files(&[".rs"])
        .keys()
        .filter_map(|path| scan::module_of(path).into_iter().next())
        .collect();
    assert_eq!(found, ROOMS.map(str::to_owned).into());
}

/// Whether `text` names what a chart is made of: "sub-goal" in any spelling; or one of its tables
/// or types as a whole word.
fn names_chart(text: &str) -> bool {
    const WORDS: [&str; 6] =
        ["goals", "actions", "tasks", "action_generation", "task_generation", "chart_generation"];
    let text = text.to_lowercase();
    let joined: String = text.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).collect();
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    joined.contains("subgoal")
        || ["サブ目標", "アクション", "タスク"].iter().any(|word| text.contains(word))
        || text.split(|c| !is_word(c)).any(|word| WORDS.contains(&word))
}

/// The rule of the words: outside the chart's own rooms, no identifier spells "sub-goal", and no
/// string literal and no SQL names a sub-goal, a table of the chart or a type of its processes.
/// Tests may, as examples; comments may, to explain; and `tasks` may be an identifier, because an
/// async runtime has tasks too.
fn word_faults(path: &str, source: &str) -> Vec<String> {
    if CHART.iter().any(|room| path.starts_with(room)) || path.ends_with("tests.rs") {
        return Vec::new();
    }
    let fault = |text: &String| format!("{path}: {text}");
    if Path::new(path).extension().is_some_and(|ending| ending == "sql") {
        let code = source.lines().map(|line| line.split("--").next().unwrap_or_default());
        return code
            .map(str::to_owned)
            .filter(|line| names_chart(line))
            .map(|l| fault(&l))
            .collect();
    }
    let (idents, literals) = scan::words(&scan::tokens_without_tests(source));
    let idents =
        idents.iter().filter(|name| name.to_lowercase().replace('_', "").contains("subgoal"));
    idents.chain(literals.iter().filter(|text| names_chart(text))).map(fault).collect()
}

#[test]
fn only_the_chart_s_own_rooms_name_what_a_chart_is_made_of() {
    let faults: Vec<_> = shared_files(&[".rs", ".sql"])
        .iter()
        .flat_map(|(path, source)| word_faults(path, source))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_word_of_the_chart_is_found_in_code_and_in_sql() {
    for (path, source) in [
        ("store/a.rs", "struct SubGoalRow;"),
        ("store/a.rs", "fn f() { let sub_goals = 1; }"),
        ("store/a.rs", "const A: &str = \"SELECT FROM actions\";"),
        ("store/a.rs", "sqlx::query!(r#\"DELETE FROM goals WHERE id = $1\"#)"),
        ("store/a.rs", "const A: &str = \"CHART_GENERATION\";"),
        ("http/a.rs", "const A: &str = \"サブ目標がありません\";"),
        ("store/a.sql", "SELECT 1\nFROM tasks"),
    ] {
        assert_eq!(word_faults(path, source).len(), 1, "{path}: {source}");
    }
    for (path, source) in [
        ("chart/a.rs", "struct SubGoal;"),
        ("store/chart/a.sql", "SELECT FROM sub_goals"),
        ("store/a.rs", "/// Such as `subGoals[3]`.\nfn f() {} // actions"),
        ("store/a.rs", "#[cfg(test)]\nmod tests { const A: &str = \"actions\"; }\nfn f() {}"),
        ("store/a.rs", "#[cfg(test)]\nmod tests;\nconst ACTION: &str = \"action\";"),
        ("store/a.sql", "SELECT 1 -- not from tasks"),
        ("store/a.rs", "fn f() { let tasks = transactions; }"),
    ] {
        assert_eq!(word_faults(path, source), [""; 0], "{path}: {source}");
    }
}

/// One line a room, from top to bottom: which rooms it uses, tests apart.
fn diagram() -> String {
    let mut arrows: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for (path, source) in shared_files(&[".rs"]) {
        let module = scan::module_of(&path);
        let Some(room) = module.first().and_then(|room| rank(room)) else { continue };
        let references = scan::references(&scan::tokens_without_tests(&source), &module);
        let below = references.own.iter().filter_map(|name| rank(name));
        arrows.entry(room).or_default().extend(below.filter(|below| *below != room));
    }
    let line = |(room, below): (&usize, &BTreeSet<usize>)| {
        let below: Vec<_> = below.iter().map(|below| ROOMS[*below]).collect();
        let below = if below.is_empty() { "(none)".to_owned() } else { below.join(", ") };
        format!("{} -> {below}\n", ROOMS[*room])
    };
    arrows.iter().map(line).collect()
}

/// The fenced block of `paper` that the rooms stand in.
fn fenced_block(paper: &str) -> Option<&str> {
    paper.split_once("```rooms\n")?.1.split_once("```").map(|(block, _)| block)
}

#[test]
fn the_papers_show_the_arrows_that_there_are() {
    let path = repository().join("docs/architecture.md");
    let paper = fs::read_to_string(path).unwrap();
    let expected = diagram();
    let shown = fenced_block(&paper);
    assert!(
        shown == Some(&expected),
        "docs/architecture.md must hold this block:\n```rooms\n{expected}```\nnot:\n{shown:?}"
    );
    assert_eq!(fenced_block("a\n```rooms\nx -> y\n```\nb"), Some("x -> y\n"));
    assert_eq!(fenced_block("a\n```\nx -> y\n```\n"), None);
}

/// A way through `graph` that comes back to where it began.
fn circle(graph: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        node: &String,
        graph: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        left: &mut BTreeSet<String>,
    ) -> bool {
        if way.contains(node) {
            way.push(node.clone());
            return true;
        }
        if left.contains(node) {
            return false;
        }
        way.push(node.clone());
        let next = graph.get(node).into_iter().flatten();
        if next.into_iter().any(|next| visit(next, graph, way, left)) {
            return true;
        }
        left.extend(way.pop());
        false
    }
    let (mut way, mut left) = (Vec::new(), BTreeSet::new());
    graph.keys().any(|node| visit(node, graph, &mut way, &mut left)).then_some(way)
}

/// Which module of a crate uses which, tests apart. `main.rs` is none: it holds them together.
fn modules(files: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let names: BTreeSet<String> =
        files.keys().filter_map(|path| scan::module_of(path).into_iter().next()).collect();
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in files.iter().filter(|(path, _)| !path.starts_with("tests/")) {
        let module = scan::module_of(path);
        let Some(own) = module.first() else { continue };
        let references = scan::references(&scan::tokens_without_tests(source), &module);
        let used = references.own.into_iter().filter(|used| used != own && names.contains(used));
        graph.entry(own.clone()).or_default().extend(used);
    }
    graph
}

#[test]
fn no_function_s_modules_go_in_a_circle() {
    for entry in fs::read_dir(repository().join("functions")).unwrap() {
        let crate_folder = entry.unwrap().path();
        let graph = modules(&files(&crate_folder.join("src"), &[".rs"]));
        assert_eq!(circle(&graph), None, "in {}", crate_folder.display());
    }
    let made_up = [
        ("a.rs", "use crate::b::B;"),
        ("b/mod.rs", "use super::c::C;"),
        ("c.rs", "use crate::{a::A, d};"),
        ("d.rs", ""),
        ("main.rs", "mod a;"),
    ];
    let made_up = made_up.map(|(path, source)| (path.to_owned(), source.to_owned()));
    assert_eq!(
        circle(&modules(&made_up.into())),
        Some(["a", "b", "c", "a"].map(str::to_owned).into())
    );
}
