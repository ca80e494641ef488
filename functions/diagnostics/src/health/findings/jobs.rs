//! The processes themselves: not started, slow, stuck, failing.

use chrono::TimeDelta;
use serde_json::json;
use shared::{
    process::{ErrorCode, LogLevel},
    store::ActiveOfType,
};

use super::{FAILURES_OVER, Judge, SWEEP_HEALS_WITHIN};
use crate::finding::{Finding, Severity};

/// Without an example of how long a type takes, this is long; with one, nothing shorter is.
const LONG_RUN: TimeDelta = TimeDelta::minutes(15);
const SHORTEST_LONG_RUN: TimeDelta = TimeDelta::minutes(2);
/// So many times what is usual is long.
const TIMES_USUAL: f64 = 3.0;
/// Failures that are more than chance.
const SOME_FAILURES: i64 = 3;
const MANY_FAILURES: i64 = 5;

impl Judge<'_> {
    pub(super) fn unstarted(&self) -> Option<Finding> {
        let unstarted = self.facts.flow.seen()?.unstarted.as_ref()?;
        let count = unstarted.count;
        let summary = self.words.say(
            format!("{count} 件の処理が、容量を得たのに開始されていません"),
            format!("processes that were admitted and have not been started: {count}"),
        );
        let finding = Finding::new("NOT_STARTED", Severity::Warning, summary)
            .proved_by(json!({"count": count, "example": unstarted.id, "rule": "R1"}))
            .since(Some(unstarted.due_at));
        Some(self.look_at(self.sweep_now(finding), unstarted.id))
    }

    pub(super) fn long_runs(&self) -> Vec<Finding> {
        let Some(flow) = self.facts.flow.seen() else { return Vec::new() };
        flow.active.iter().filter_map(|active| self.long_run(active)).collect()
    }

    pub(super) fn long_run(&self, active: &ActiveOfType) -> Option<Finding> {
        let ran = self.facts.now - active.due_at;
        let limits = &self.facts.limits;
        let is_over = ran > limits.time_limit + limits.grace + SWEEP_HEALS_WITHIN;
        let (words, id, kind) = (self.words, active.id, active.process_type.as_str());
        let length = words.length(ran);
        let evidence = json!({
            "type": kind, "example": id, "attempt": active.attempt, "active": active.active,
            "usualSeconds": active.usual_seconds, "lastChange": active.updated_at,
        });
        if is_over {
            let summary = words.say(
                format!("{kind} の処理が制限時間を過ぎても終わっていません（{length}）"),
                format!("a {kind} is past its time limit and has not been ended ({length})"),
            );
            let finding = Finding::new("STUCK", Severity::Warning, summary)
                .proved_by(evidence)
                .since(Some(active.due_at));
            return Some(self.look_at(self.sweep_now(finding), id));
        }
        (ran > long_run_from(active.usual_seconds)).then(|| {
            let usual = active.usual_seconds.map_or_else(String::new, |seconds| {
                let usual = words.length(of_seconds(seconds));
                words.say(format!("、通常は {usual}"), format!(", usually {usual}"))
            });
            let summary = words.say(
                format!("{kind} の処理が長くかかっています（{length}{usual}）"),
                format!("a {kind} takes long ({length}{usual})"),
            );
            let finding = Finding::new("SLOW", Severity::Info, summary)
                .proved_by(evidence)
                .since(Some(active.due_at));
            self.look_at(finding, id)
        })
    }

    pub(super) fn failures(&self) -> Option<Finding> {
        let (failures, well) = (self.facts.failures.seen()?, *self.facts.ended_well.seen()?);
        // What a caller did, and what an operator ended, is none of the system's failures.
        let is_ours = |code: &str| match code.parse::<ErrorCode>() {
            Ok(ErrorCode::ManualIntervention) | Err(_) => false,
            Ok(code) => code.level() != LogLevel::Info,
        };
        let ours: Vec<_> = failures.iter().filter(|failed| is_ours(&failed.code)).collect();
        let bad: i64 = ours.iter().map(|failed| failed.count).sum();
        let all = bad + well;
        let worst = ours.first()?;
        // The contract's alarm: more than 5 %.
        if bad * 20 <= all {
            return None;
        }
        let severity = if bad >= MANY_FAILURES && bad * 2 >= all {
            Severity::Critical
        } else if bad >= SOME_FAILURES {
            Severity::Warning
        } else {
            Severity::Info
        };
        let words = self.words;
        let (percent, minutes) = (bad * 100 / all, FAILURES_OVER.num_minutes());
        let summary = words.say(
            format!(
                "この {minutes} 分で終わった {all} 件のうち {bad} 件（{percent} %）\
                     が失敗しました。最多は {}",
                worst.code
            ),
            format!(
                "{bad} of the {all} processes that ended in the last {minutes} min failed \
                     ({percent} %), most with {}",
                worst.code
            ),
        );
        let codes: Vec<_> = failures
            .iter()
            .map(|failed| {
                json!({"code": failed.code, "count": failed.count, "lastAt": failed.last_at,
                       "example": failed.example})
            })
            .collect();
        let finding = Finding::new("JOBS_FAIL", severity, summary)
            .proved_by(json!({"failed": bad, "ended": all, "codes": codes}))
            .then(
                words.say("原因ごとの件数を見る", "see them by cause"),
                "cargo aigen errors --hours 1",
            );
        let finding = self.look_at(finding, worst.example);
        Some(if worst.code.parse().is_ok_and(ErrorCode::retryable) {
            finding.then(
                words.say(
                    "原因がなくなったら、失敗したものをまとめて再試行する",
                    "once its cause is gone, retry what failed, all together",
                ),
                format!("cargo aigen retry --failed --dry-run --code {}", worst.code),
            )
        } else {
            finding
        })
    }
}

/// From when on a process takes long.
fn long_run_from(usual_seconds: Option<f64>) -> TimeDelta {
    usual_seconds.map_or(LONG_RUN, |usual| of_seconds(usual * TIMES_USUAL).max(SHORTEST_LONG_RUN))
}

fn of_seconds(seconds: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "it is cut to days before")]
    let millis = (seconds.clamp(0.0, 1e7) * 1e3) as i64;
    TimeDelta::milliseconds(millis)
}
