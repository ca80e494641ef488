//! What the reconciler did by each of its rules, in a few words. At length: docs/reconciler.md.

use super::super::super::diagnose::Lang;

/// Rule, and what was found and done, in Japanese and English.
const RULES: [(&str, &str, &str); 16] = [
    ("R1", "許可されたのに開始していなかった: 開始", "admitted, but not started: started"),
    ("R3", "結果があるのに完了になっていなかった: 完了", "all was there but the status: completed"),
    ("R4", "実行は成功、結果がない: 失敗", "the execution succeeded without a result: failed"),
    ("R5", "実行が失敗していた: 失敗", "the execution had failed: failed"),
    ("R6", "実行が時間切れだった: 時間切れ", "the execution had timed out: timed out"),
    ("R7", "実行が止められていた: キャンセル", "the execution had been stopped: cancelled"),
    ("R8", "実行がなくなっていた: 失敗", "the execution was gone: failed"),
    ("R9", "実行が制限時間を超えた: 停止し時間切れ", "it ran too long: stopped, and timed out"),
    ("R10", "終了したのに実行が続いていた: 停止", "ended, but still running: stopped"),
    ("R11", "完了後に実行が失敗した: 報告のみ", "completed, but its execution failed: told"),
    ("R12", "進捗が範囲の外だった: 修正", "progress out of its range: corrected"),
    ("R13", "完了なのに進捗が 100 でなかった: 修正", "completed below 100 %: corrected"),
    ("R14", "終了時刻が状態と合わなかった: 修正", "the time of end did not fit: corrected"),
    ("R15", "空きがあるのに待っていた: 許可", "it waited beside free capacity: admitted"),
    ("R16", "終了後に作業データが残っていた: 削除", "leftovers of an ended one: deleted"),
    ("R17", "処理のない実行が動いていた: 報告のみ", "an execution without a process: told"),
];

/// What was found and done by the rule of that name; of one that is not known, nothing.
pub(super) fn meaning(rule: &str, lang: Lang) -> &'static str {
    let known = RULES.iter().find(|(name, _, _)| *name == rule);
    known.map_or("", |(_, ja, en)| lang.say(ja, en))
}

/// What rules are put in order by: their numbers.
pub(super) fn number(rule: &str) -> u32 {
    rule.trim_start_matches('R').parse().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_rule_that_repairs_has_words() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/src/reconcile/rule.rs");
        let text = fs::read_to_string(path).unwrap();
        let table = text.split("rules! {").nth(1).unwrap();
        let words = table.lines().filter_map(|line| line.trim().split(' ').next());
        let is_rule = |word: &&str| word.starts_with('R') && number(word) != u32::MAX;
        let rules: Vec<_> = words.filter(is_rule).collect();
        assert_eq!(rules.len(), 17, "{rules:?}");
        for rule in rules.iter().filter(|rule| **rule != "R2") {
            assert!(!meaning(rule, Lang::Ja).is_empty(), "{rule}");
        }
    }
}
