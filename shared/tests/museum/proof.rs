//! `docs/proof.md` names tests by their source and name; each of them is there.

use std::{collections::BTreeSet, fs, path::Path};

/// What a paper names as `path::test`, in backticks.
fn named(paper: &str) -> BTreeSet<(String, String)> {
    let quoted = paper.split('`').skip(1).step_by(2);
    let tests = quoted.filter_map(|text| text.split_once(".rs::"));
    tests.map(|(path, test)| (format!("{path}.rs"), test.to_owned())).collect()
}

#[test]
fn every_test_that_the_proof_names_is_there_and_in_both_languages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| fs::read_to_string(root.join("docs").join(name)).unwrap();
    let (english, japanese) = (named(&read("proof.md")), named(&read("proof.ja.md")));
    assert_eq!(english, japanese);
    assert!(english.len() > 40, "only {} are named", english.len());
    for (path, test) in english {
        let source = fs::read_to_string(root.join(&path));
        let source = source.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(source.contains(&format!("fn {test}(")), "{path} has no {test}");
    }
}

#[test]
fn what_is_named_is_found_in_a_paper() {
    let paper = "as `a/b.rs::c_d` shows, and `status`, not a/b.rs::e";
    let expected = BTreeSet::from([("a/b.rs".to_owned(), "c_d".to_owned())]);
    assert_eq!(named(paper), expected);
}
