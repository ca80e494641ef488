//! The modules of the stack use each other in one direction only: none uses, by whatever way
//! round, itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Uses = BTreeMap<String, BTreeSet<String>>;

/// The files of a module that lies at `path` without its ending, with how deep each lies in it.
fn files(path: &Path) -> Vec<(PathBuf, usize)> {
    if path.is_dir() { within(path, 1) } else { vec![(path.with_extension("rs"), 1)] }
}

/// Those of a folder whose own module lies at `depth`.
fn within(folder: &Path, depth: usize) -> Vec<(PathBuf, usize)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path {
        folder if folder.is_dir() => within(&folder, depth + 1),
        own if own.ends_with("mod.rs") => vec![(own, depth)],
        other => vec![(other, depth + 1)],
    });
    found.collect()
}

/// What stands after as many `super::` as lead from `depth` to the stack's own folder.
fn used(text: &str, depth: usize) -> BTreeSet<String> {
    let up = format!("use {}", "super::".repeat(depth));
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(&up))
        .filter_map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next())
        .filter(|name| !name.is_empty() && *name != "super")
        .map(str::to_owned)
        .collect()
}

/// A way from `at` back to a module that is on it already.
fn circle(uses: &Uses, at: &str, way: &[String]) -> Option<Vec<String>> {
    let way = [way, &[at.to_owned()]].concat();
    if way[..way.len() - 1].contains(&way[way.len() - 1]) {
        return Some(way);
    }
    uses.get(at)?.iter().find_map(|next| circle(uses, next, &way))
}

#[test]
fn a_circle_is_found() {
    let uses = |pairs: &[(&str, &str)]| -> Uses {
        pairs.iter().map(|(a, b)| ((*a).to_owned(), BTreeSet::from([(*b).to_owned()]))).collect()
    };
    assert!(circle(&uses(&[("a", "b"), ("b", "c"), ("c", "b")]), "a", &[]).is_some());
    assert!(circle(&uses(&[("a", "b"), ("b", "c")]), "a", &[]).is_none());
    assert_eq!(used("use super::super::x::Y;\nuse super::z;", 2), BTreeSet::from(["x".to_owned()]));
}

#[test]
fn no_module_of_the_stack_uses_itself_round_a_circle() {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stack");
    let mut uses = Uses::new();
    for line in fs::read_to_string(stack.join("mod.rs")).unwrap().lines() {
        let Some(name) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) else {
            continue;
        };
        for (file, depth) in files(&stack.join(name)) {
            let text = fs::read_to_string(&file).unwrap();
            let own = text.split("#[cfg(test)]").next().unwrap_or_default();
            uses.entry(name.to_owned()).or_default().extend(used(own, depth));
        }
    }
    assert!(uses["deployment"].contains("gateway"), "the imports are not read: {uses:?}");
    for name in uses.keys() {
        assert_eq!(circle(&uses, name, &[]), None);
    }
}
