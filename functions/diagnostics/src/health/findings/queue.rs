//! What holds work back: sweeps that do not come, a pause, capacity, budgets.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use shared::store::Capacity;

use super::{Judge, SWEEP_HEALS_WITHIN};
use crate::finding::{Finding, Severity};

/// A sweep comes every five minutes by default; two are left out before anybody is told.
const SWEEP_SILENCE: TimeDelta = TimeDelta::minutes(15);
/// A longer wait is told while there is no capacity for it, and after the second one is too long.
const WAIT_OF_NOTE: TimeDelta = TimeDelta::minutes(10);
const WAIT_TOO_LONG: TimeDelta = TimeDelta::minutes(60);

impl Judge<'_> {
    pub(super) fn sweep(&self) -> Vec<Finding> {
        let Some(sweep) = self.facts.sweep.seen() else { return Vec::new() };
        let words = self.words;
        let evidence = json!({
            "reportedAt": sweep.reported_at, "complete": sweep.complete, "failed": sweep.failed,
            "drift": sweep.drift, "heldSince": sweep.held_since, "heldUntil": sweep.held_until,
        });
        let installed = self.facts.schema.seen().and_then(|schema| schema.applied_at);
        let silent_since = sweep.reported_at.or(installed);
        let mut all = Vec::new();
        if let Some(since) = silent_since
            && self.facts.now - since > SWEEP_SILENCE
        {
            let length = words.length(self.facts.now - since);
            let summary = words.say(
                format!("突き合わせが {length} 行われていません：ずれが直りません"),
                format!("no sweep has ended for {length}: drift is not mended"),
            );
            let finding = Finding::new("SWEEP_SILENT", Severity::Warning, summary)
                .proved_by(evidence.clone())
                .since(Some(since));
            all.push(self.sweep_now(finding).advise(words.say(
                "スケジュール（EventBridge のルール）が有効か確認してください",
                "see whether its schedule (a rule of EventBridge) is enabled",
            )));
        }
        if sweep.failed > 0 {
            let failed = sweep.failed;
            let summary = words.say(
                format!("前回の突き合わせで {failed} 件の修復に失敗しました"),
                format!("repairs of the last sweep that failed: {failed}"),
            );
            let finding = Finding::new("REPAIRS_FAILED", Severity::Warning, summary)
                .proved_by(evidence.clone())
                .since(sweep.reported_at);
            all.push(self.sweep_now(finding));
        }
        if sweep.complete == Some(false) {
            let summary = words.say(
                "前回の突き合わせは時間切れでした。次回が続きから行います",
                "the last sweep ran out of time; the next goes on where it stopped",
            );
            all.push(
                Finding::new("SWEEP_INCOMPLETE", Severity::Info, summary)
                    .proved_by(evidence)
                    .since(sweep.reported_at),
            );
        }
        all
    }

    pub(super) fn pause(&self, capacity: &Capacity) -> Option<Finding> {
        let paused = capacity.paused.as_ref()?;
        let (by, words) = (&paused.by, self.words);
        let reason = paused.reason.as_ref().map_or_else(String::new, |reason| {
            words.say(format!("：{reason}"), format!(": {reason}"))
        });
        let summary = if capacity.refuses {
            words.say(
                format!("{by} が受け付けを停止しています{reason}"),
                format!("{by} has paused it, and new requests are refused{reason}"),
            )
        } else {
            words.say(
                format!("{by} が一時停止しています。新しい要求は待ちます{reason}"),
                format!("{by} has paused it, and new requests wait{reason}"),
            )
        };
        let waiting = capacity.waiting_normal + capacity.waiting_low;
        let finding = Finding::new("PAUSED", Severity::Warning, summary)
            .proved_by(json!({
                "by": by, "reason": paused.reason, "refuses": capacity.refuses,
                "waiting": waiting, "running": capacity.running,
            }))
            .since(Some(paused.at));
        Some(finding.then(words.say("再開する", "admit again"), "cargo aigen resume"))
    }

    pub(super) fn lowered(&self, capacity: &Capacity) -> Option<Finding> {
        let Capacity { calls, in_force, lowered_at, .. } = capacity;
        (in_force < calls).then(|| {
            let summary = self.words.say(
                format!(
                    "モデルの割り当て量に合わせ、同時呼び出しを {calls} から {in_force} \
                         に下げています。自動的に戻ります"
                ),
                format!(
                    "calls in flight are held down from {calls} to {in_force}, because a \
                         model refused calls for its quota; it rises again by itself"
                ),
            );
            Finding::new("CAPACITY_LOWERED", Severity::Info, summary)
                .proved_by(json!({"configured": calls, "inForce": in_force}))
                .since(*lowered_at)
        })
    }

    /// Whoever waits, waits rightly while it is paused or all capacity is in use. Waiting while
    /// there is room is a lost wake-up, which a sweep heals (R15).
    pub(super) fn queue(&self, capacity: &Capacity) -> Option<Finding> {
        if capacity.paused.is_some() {
            return None;
        }
        let words = self.words;
        let waited = |since: DateTime<Utc>| self.facts.now - since;
        let waiting = capacity.waiting_normal + capacity.waiting_low;
        let evidence = json!({
            "waiting": waiting, "users": capacity.users, "inFlight": capacity.in_use,
            "limit": capacity.in_force, "oldestAt": capacity.oldest_at,
            "limitSetBy": capacity.set.as_ref().map(|set| &set.by),
        });
        let has_room = capacity.in_use < i64::from(capacity.in_force);
        let admittable = self.facts.flow.seen().and_then(|flow| flow.admittable_since);
        if let Some(since) = admittable.filter(|_| has_room)
            && waited(since) > SWEEP_HEALS_WITHIN
        {
            let length = words.length(waited(since));
            let summary = words.say(
                format!("容量が空いているのに {length} 待っている処理があります"),
                format!("a process has waited for {length} although there is capacity"),
            );
            let finding = Finding::new("NOT_ADMITTED", Severity::Warning, summary)
                .proved_by(evidence)
                .since(Some(since));
            return Some(self.sweep_now(finding));
        }
        let since = capacity.oldest_at.filter(|since| waited(*since) > WAIT_OF_NOTE)?;
        let severity =
            if waited(since) > WAIT_TOO_LONG { Severity::Warning } else { Severity::Info };
        let length = words.length(waited(since));
        let summary = words.say(
            format!("{waiting} 件が容量の空きを待っています（最長 {length}）"),
            format!("processes that wait for capacity: {waiting}, the oldest for {length}"),
        );
        let finding = Finding::new("CAPACITY_SHORT", severity, summary)
            .proved_by(evidence)
            .since(Some(since));
        Some(finding.then(
            words.say(
                "モデルの割り当て量が許すなら、上限を上げる",
                "raise the limit, if the model's quota allows it",
            ),
            format!("cargo aigen limit --calls {}", capacity.calls.saturating_mul(2)),
        ))
    }

    pub(super) fn budgets(&self) -> Vec<Finding> {
        let Some(budgets) = self.facts.budgets.seen() else { return Vec::new() };
        let (words, whole) = (self.words, self.facts.terms.tokens);
        let mut all = Vec::new();
        if whole > 0 && budgets.used.saturating_mul(5) >= whole.saturating_mul(4) {
            let is_spent = budgets.used >= whole;
            let percent = budgets.used.saturating_mul(100) / whole;
            let summary = words.say(
                format!("本日のトークン予算の {percent} % を使いました"),
                format!("{percent} % of today's budget of tokens are used"),
            );
            let severity = if is_spent { Severity::Warning } else { Severity::Info };
            let code = if is_spent { "BUDGET_SPENT" } else { "BUDGET_NEARLY_SPENT" };
            all.push(
                Finding::new(code, severity, summary)
                    .proved_by(json!({"used": budgets.used, "budget": whole}))
                    .advise(words.say(
                        "必要ならパラメーター TokensPerDay を上げてください。UTC の 0 \
                         時に新しくなります",
                        "raise the parameter TokensPerDay if need be; it begins anew at 0:00 UTC",
                    )),
            );
        }
        if self.facts.terms.tokens_per_user > 0 && budgets.users_at_limit > 0 {
            let users = budgets.users_at_limit;
            let summary = words.say(
                format!("{users} 人が本日の利用枠を使い切りました"),
                format!("users who have used up their budget of today: {users}"),
            );
            all.push(
                Finding::new("USERS_BUDGET_SPENT", Severity::Info, summary)
                    .proved_by(json!({"users": users,
                    "budget": self.facts.terms.tokens_per_user})),
            );
        }
        all
    }
}
