//! What is kept for too long, and what the database has forgotten.

use chrono::TimeDelta;
use serde_json::json;

use super::Judge;
use crate::finding::{Finding, Severity};

/// What is left to the sweeps before something counts as kept for too long.
const DELETED_WITHIN: TimeDelta = TimeDelta::days(2);

impl Judge<'_> {
    /// A row is committed before its execution starts: one that has no row was forgotten with it.
    pub(super) fn unknown_executions(&self) -> Option<Finding> {
        let sweep = self.facts.sweep.seen().filter(|sweep| sweep.unknown > 0)?;
        let (count, words) = (sweep.unknown, self.words);
        let summary = words.say(
            format!("データベースにない処理の実行が {count} 件動いています"),
            format!("executions that run without a process in the database: {count}"),
        );
        let finding = Finding::new("EXECUTIONS_UNKNOWN", Severity::Warning, summary)
            .proved_by(json!({"executions": count}))
            .since(sweep.reported_at);
        let names = words.say("どの実行かを見る", "see which they are");
        Some(
            finding.then(names, "cargo aigen reconcile --dry-run".to_owned()).advise(words.say(
                "バックアップを復元したなら docs/backup.ja.md のとおりです。\
                 そうでなければ、シークレットがこの環境のデータベースを指しているか確認してください",
                "if a backup was restored, docs/backup.md says what comes next; if not, see \
                 whether the secret is that of this environment's database",
            )),
        )
    }

    /// What goes bit by bit is on its way; where nothing goes, somebody has to look.
    pub(super) fn retention(&self) -> Option<Finding> {
        let oldest = (*self.facts.oldest_ended.seen()?)?;
        let end = self.facts.retention.ends_at(self.facts.now)?;
        if oldest >= end - DELETED_WITHIN {
            return None;
        }
        let deleted = self.facts.sweep.seen().map_or(0, |sweep| sweep.deleted);
        let severity = if deleted > 0 { Severity::Info } else { Severity::Warning };
        let (words, late) = (self.words, self.words.length(end - oldest));
        let summary = words.say(
            format!(
                "保存期間を {late} 過ぎた処理が残っています（前回の突き合わせで {deleted} 件削除）"
            ),
            format!(
                "a process is kept {late} longer than configured (the last sweep deleted \
                 {deleted})"
            ),
        );
        let finding = Finding::new("RETENTION_BEHIND", severity, summary)
            .proved_by(json!({"oldestEndedAt": oldest, "lastSweepDeleted": deleted}))
            .since(Some(oldest));
        Some(self.sweep_now(finding))
    }
}
