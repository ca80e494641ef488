//! `docs/museum.md` and `docs/museum.ja.md`, made from the list.

use std::{fmt::Write as _, fs, path::Path};

use crate::exhibits::{EXHIBITS, Seen};

const HEADS: [&str; 2] = [
    "# The museum\n\n\
     Bugs that users of other engines and queues wrote down, and the test that forces each of\n\
     them on this product and shows that it holds. Made from\n\
     `shared/tests/museum/exhibits.rs` by its test `the_papers_are_the_list`.\n\
     [日本語](museum.ja.md)\n\n\
     Each was looked up in a stored copy of its tracker on 2026-11-27 and is told in our own\n\
     words. The projects may have mended it since; none of them was run here. What was not found\n\
     is named too, and nothing is claimed of it.\n\n\
     | written down at | what happened there | what answers it here | test |\n|---|---|---|---|\n",
    "# 博物館\n\n\
     ほかのエンジンやキューの利用者が書き残した不具合と、それをこの製品で実際に起こし、\n\
     耐えることを示すテストです。`shared/tests/museum/exhibits.rs` から、\n\
     テスト `the_papers_are_the_list` が作ります。[English](museum.md)\n\n\
     2026-11-27 に、保存された写しで一つずつ確かめ、自分たちの言葉で書きました。\n\
     その後に直っていることもあります。相手の製品はここでは動かしていません。\n\
     見つからなかったものも挙げ、それについては何も主張しません。\n\n\
     | 記録された場所 | そこで起きたこと | ここでの答え | テスト |\n|---|---|---|---|\n",
];
const NOT_FOUND: [&str; 2] = [
    "not found in any copy that could be searched, by number or by subject",
    "検索できる写しでは、番号でも内容でも見つからなかった",
];

fn repository() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn paper(language: usize) -> String {
    let mut text = HEADS[language].to_owned();
    for exhibit in EXHIBITS {
        let (project, number) = exhibit.address.split_once('#').unwrap();
        let link = format!("[{project}#{number}](https://github.com/{project}/issues/{number})");
        match &exhibit.seen {
            Seen::Answered { story, answer, path, test } => {
                let (story, answer) = (story[language], answer[language]);
                writeln!(text, "| {link} | {story} | {answer} | `{path}::{test}` |").unwrap();
            }
            Seen::NotFound => {
                writeln!(text, "| {link} | {} | | |", NOT_FOUND[language]).unwrap();
            }
        }
    }
    text
}

#[test]
fn the_papers_are_the_list() {
    for (language, name) in ["museum.md", "museum.ja.md"].into_iter().enumerate() {
        let command = "cargo test -p shared --test museum paper";
        test_kit::is_written(name, &paper(language), command);
    }
}

#[test]
fn each_exhibit_has_its_test_and_says_so_above_it() {
    for exhibit in EXHIBITS {
        let Seen::Answered { path, test, .. } = &exhibit.seen else { continue };
        let source = fs::read_to_string(repository().join(path)).unwrap();
        let (above, _) = source
            .split_once(&format!("async fn {test}("))
            .unwrap_or_else(|| panic!("{} has no test {test} in {path}", exhibit.address));
        let comment: Vec<&str> =
            above.lines().rev().skip_while(|line| !line.starts_with("///")).collect();
        let comment: Vec<&str> =
            comment.into_iter().take_while(|line| line.starts_with("///")).collect();
        let address = format!("/// {}:", exhibit.address);
        assert!(
            comment.last().is_some_and(|first| first.starts_with(&address)),
            "{test} does not begin with {address}"
        );
    }
}
