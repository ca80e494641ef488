//! The paper, in both languages.

use std::{fs, path::Path};

/// The files of `docs/` that are told.
pub fn read(name: &str) -> [(String, String); 2] {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    [format!("{name}.md"), format!("{name}.ja.md")].map(|file| {
        let text = fs::read_to_string(docs.join(&file)).expect("the paper is there");
        (file, text)
    })
}

/// The row of a table that begins with `first`, without what is written in words.
fn row<'a>(text: &'a str, first: &str) -> Option<Vec<&'a str>> {
    let rows = text.lines().filter(|line| line.starts_with('|'));
    let mut cells = rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    cells.find(|cells: &Vec<&str>| cells.first() == Some(&first))
}

/// What the papers do not say: each should have a row which begins with `first` and has these
/// `cells` in it.
pub fn unsaid(first: &str, cells: &[String]) -> Vec<String> {
    let papers = read("protocol").into_iter();
    papers
        .filter_map(|(file, text)| {
            let found = row(&text, first).unwrap_or_default();
            let missing: Vec<_> =
                cells.iter().filter(|cell| !found.contains(&cell.as_str())).collect();
            (!missing.is_empty())
                .then(|| format!("docs/{file}: {first} should have {missing:?}, not {found:?}"))
        })
        .collect()
}

/// A number as people read it.
pub fn with_commas(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group).into_owned()).collect();
    groups.join(",")
}
