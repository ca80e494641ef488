//! `docs/matrix.md` and `docs/matrix.ja.md`, made from the table.

use std::fmt::Write as _;

use crate::{situation::Situation, table::TABLE};

/// What a cell says, and what that means, English and Japanese.
const ANSWERS: [(&str, &str, &str, &str); 19] = [
    (
        "done",
        "it is done; the row and its history have changed, in one statement",
        "実行",
        "実行された。行と履歴が一つの文で変わる",
    ),
    (
        "deleted",
        "the row is gone, with all that belongs to it",
        "削除",
        "行と、それに属するものがすべて消える",
    ),
    (
        "more calls",
        "it may have more model calls in flight; it makes no move",
        "呼び出し増",
        "同時に行えるモデル呼び出しが増える。状態は動かない",
    ),
    (
        "accepted",
        "another process is stored; this one stays as it is",
        "受付",
        "別のプロセスが保存される。この行は変わらない",
    ),
    (
        "named",
        "it is named as the next; nothing changes",
        "次",
        "次として名前が出る。何も変わらない",
    ),
    ("nothing", "nothing is found to be done", "なし", "することがない"),
    (
        "fenced",
        "whoever asks has not, or no longer, the right to write",
        "拒否",
        "求めた側に書く権利がない、または失っている",
    ),
    (
        "ended",
        "it had ended before, and is told how",
        "終了済み",
        "すでに終わっており、その状態を返す",
    ),
    ("missing", "there is no such process", "不在", "そのようなプロセスはない"),
    (
        "moved",
        "the row is not as it was seen, or not of the kind that this repairs",
        "変化",
        "行が見たときと違う、または直す対象でない",
    ),
    (
        "overtaken",
        "the batch is not one of the current plan",
        "追い越し",
        "現在の計画のバッチではない",
    ),
    (
        "the same plan",
        "a repeat: it gets the batches that are planned, and begins no attempt",
        "同じ計画",
        "繰り返し。計画済みのバッチを返し、新しい試行を始めない",
    ),
    ("not yet", "not everything is staged", "まだ", "まだすべては書き込まれていない"),
    (
        "already running",
        "refused: an active process has the target; its id is told",
        "実行中",
        "拒否。対象は別の実行中プロセスのもので、その ID を返す",
    ),
    (
        "target not empty",
        "refused: what was generated is there",
        "対象に中身",
        "拒否。生成したものがすでにある",
    ),
    (
        "repeated",
        "the process is told that this request made before",
        "繰り返し",
        "同じ要求が作ったプロセスを返す",
    ),
    (
        "key reused",
        "refused: the key was another request's",
        "キー再利用",
        "拒否。キーは別の要求のもの",
    ),
    (
        "to be judged anew",
        "nothing is stored: what was judged is no longer so",
        "判定し直し",
        "何も保存しない。判定の前提が変わっている",
    ),
    ("another's", "refused: it is another user's", "他人のもの", "拒否。別の利用者のもの"),
];

const HEADS: [&str; 2] = [
    "# Every operation in every status\n\n\
     Made from the table in `shared/tests/matrix/table.rs` by its test\n\
     `the_papers_are_the_table`. Each cell is done on a fresh row in a real Postgres: what is\n\
     answered is compared, and that the row and its history have changed exactly where the cell\n\
     says so, with every other table besides. [日本語](matrix.ja.md)\n\n\
     Who writes names the state that the wish was decided in: a worker its **attempt** at the\n\
     process and at its batch, a repair the row as it was **seen**. *Stale* is the one before,\n\
     *future* the one after. A plan is named by its batch. A grant of model calls has no token of\n\
     its own: it stands in the row (`share`, `slots`), and whoever has no current attempt cannot\n\
     change it. Processes that have ended did so in their second attempt, with a plan.\n\n\
     Two lines write into the history of a process that has ended, and move nothing: that its\n\
     execution was started (an answer that came late) or stopped.\n\n",
    "# すべての操作とすべての状態\n\n\
     `shared/tests/matrix/table.rs` の表から、テスト `the_papers_are_the_table` が作ります。\n\
     どのマスも、本物の Postgres の新しい行に対して実行されます。\n\
     返った答えを比べ、行と履歴が、マスがそう述べるときに限って変わったこと、\n\
     ほかの表は変わっていないことを確かめます。[English](matrix.md)\n\n\
     書く側は、判断したときの状態を名指しします。\n\
     ワーカーはプロセスとバッチの**試行番号**、修復は**見たときの行**です。\n\
     「古い」は一つ前、「未来」は一つ後です。計画はバッチで名指しします。\n\
     モデル呼び出しの割り当てに専用の番号はありません。\n\
     行（`share`、`slots`）にあり、現在の試行を持たない者は変えられません。\n\
     終わった行は、二回目の試行で、計画を持って終わったものです。\n\n\
     終わったプロセスの履歴に書く操作が二つあります。\n\
     実行が始まった（答えが遅れて届いた）ことと、止められたことです。\n\
     どちらも状態は動かしません。\n\n",
];
const COLUMNS: [[&str; 2]; 2] = [["operation", "token"], ["操作", "トークン"]];
const LEGEND: [&str; 2] = ["\n| answer | means |\n|---|---|\n", "\n| 答え | 意味 |\n|---|---|\n"];

fn word(cell: &str, language: usize) -> &'static str {
    let (english, _, japanese, _) = ANSWERS.iter().find(|(name, ..)| *name == cell).unwrap();
    [*english, *japanese][language]
}

fn paper(language: usize) -> String {
    let mut text = HEADS[language].to_owned();
    let [operation, token] = COLUMNS[language];
    let situations = Situation::ALL.map(|situation| situation.names()[language]).join(" | ");
    writeln!(text, "| {operation} | {token} | {situations} |").unwrap();
    writeln!(text, "|---|---|{}", "---|".repeat(Situation::ALL.len())).unwrap();
    for line in TABLE {
        let cells = line.cells.map(|cell| match cell {
            "done" | "deleted" => format!("**{}**", word(cell, language)),
            _ => word(cell, language).to_owned(),
        });
        let (name, token) = (line.operation.name(), line.token.names()[language]);
        writeln!(text, "| `{name}` | {token} | {} |", cells.join(" | ")).unwrap();
    }
    text.push_str(LEGEND[language]);
    for (english, meaning, japanese, meaning_ja) in ANSWERS {
        let row = [(english, meaning), (japanese, meaning_ja)][language];
        writeln!(text, "| {} | {} |", row.0, row.1).unwrap();
    }
    text
}

#[test]
fn the_papers_are_the_table() {
    for (language, name) in ["matrix.md", "matrix.ja.md"].into_iter().enumerate() {
        let command = "cargo test -p shared --test matrix paper";
        test_kit::is_written(name, &paper(language), command);
    }
}

#[test]
fn every_answer_of_the_table_is_explained_and_no_other() {
    for line in TABLE {
        for cell in line.cells {
            assert!(ANSWERS.iter().any(|(name, ..)| *name == cell), "{cell}");
        }
    }
    for (name, ..) in ANSWERS {
        assert!(TABLE.iter().any(|line| line.cells.contains(&name)), "{name} is in no cell");
    }
}
