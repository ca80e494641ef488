//! What follows from how a process and its execution are: the rule that applies, what the system
//! does by itself and when, and what is left to a person.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::{
    process::{ErrorCode, Status, Waiting, WaitingReason},
    reconcile::{Execution, Limits, Plan, ProcessFacts, Repair, Rule, mends, plan},
};

use crate::{next_step::NextStep, words::Words};

/// A sweep comes every five minutes, where nothing else is deployed.
const SWEEPS_EVERY: TimeDelta = TimeDelta::minutes(5);

/// All that it follows from.
pub(super) struct Next<'a> {
    pub(super) facts: &'a ProcessFacts,
    /// `None`: Step Functions could not be asked.
    pub(super) execution: Option<&'a Execution>,
    pub(super) waiting: Option<&'a Waiting>,
    pub(super) error: Option<ErrorCode>,
    pub(super) limits: &'a Limits,
    pub(super) last_sweep: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
    pub(super) words: Words,
}

/// As it is told.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NextView {
    /// The rules of the reconciler that hold; none where all is well.
    rules: Vec<RuleView>,
    /// What happens without anybody doing anything.
    by_itself: ByItself,
    next_steps: Vec<NextStep>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct RuleView {
    id: &'static str,
    meaning: &'static str,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct ByItself {
    text: String,
    /// When, at the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<DateTime<Utc>>,
}

impl Next<'_> {
    pub(super) fn view(&self) -> NextView {
        let plan = self.execution.map(|seen| plan(self.facts, seen, self.now, self.limits));
        let broken = mends(self.facts);
        let of_plan = match &plan {
            Some(Plan::Repair { rule, .. } | Plan::Report(rule)) => Some(*rule),
            Some(Plan::Healthy) => Some(Rule::R2),
            Some(Plan::Agree | Plan::LookAgain) | None => None,
        };
        let rules = of_plan.into_iter().chain(broken.iter().map(|(rule, _)| *rule));
        NextView {
            rules: rules
                .map(|rule| RuleView { id: rule.as_str(), meaning: rule.meaning() })
                .collect(),
            by_itself: self.by_itself(plan.as_ref(), !broken.is_empty()),
            next_steps: self.steps(plan.as_ref(), !broken.is_empty()),
        }
    }

    fn by_itself(&self, plan: Option<&Plan>, is_broken: bool) -> ByItself {
        let say = |ja: &str, en: &str| self.words.say(ja, en);
        let never = |text| ByItself { text, at: None };
        let at_sweep = |text| ByItself { text, at: Some(self.next_sweep()) };
        match plan {
            None => at_sweep(say(
                "Step Functions に問い合わせできません。次の突き合わせがもう一度確認します",
                "Step Functions could not be asked; the next sweep looks again",
            )),
            Some(Plan::LookAgain) => at_sweep(say(
                "判断にはまだ早いため、次の突き合わせがもう一度確認します",
                "it is too early to tell; the next sweep looks again",
            )),
            Some(Plan::Repair { repair, .. }) => at_sweep(match repair {
                Repair::Start => say("実行を開始します", "its execution is started"),
                Repair::Complete => say("COMPLETED になります", "it becomes COMPLETED"),
                Repair::End(ending) => {
                    let status = ending.status();
                    self.words.say(format!("{status} になります"), format!("it becomes {status}"))
                }
                Repair::StopThenEnd(ending) => {
                    let status = ending.status();
                    self.words.say(
                        format!("実行を止め、{status} になります"),
                        format!("its execution is stopped, and it becomes {status}"),
                    )
                }
                Repair::Stop => say("実行を止めます", "its execution is stopped"),
            }),
            _ if is_broken => at_sweep(say("値を直します", "its values are mended")),
            Some(Plan::Report(_)) => {
                never(say("何もしません。報告だけします", "nothing; it is only reported"))
            }
            Some(Plan::Healthy) if self.facts.waits() => never(self.waits()),
            Some(Plan::Healthy) => {
                let began = self.facts.started_at.unwrap_or_else(|| self.facts.due_at());
                let end = began + self.limits.time_limit + self.limits.grace;
                let text = say(
                    "実行が続き、遅くともこの時刻の後の突き合わせで終わります",
                    "it goes on, and is ended by the first sweep after this time at the latest",
                );
                ByItself { text, at: Some(end) }
            }
            Some(Plan::Agree) if self.facts.status.is_terminal() => {
                never(say("何もありません。終了しています", "nothing: it has ended"))
            }
            Some(Plan::Agree) => at_sweep(say(
                "まもなく開始します。されなければ突き合わせが開始します",
                "it is about to be started; if not, a sweep starts it",
            )),
        }
    }

    fn waits(&self) -> String {
        let ahead = self.waiting.map_or(0, |waiting| waiting.ahead);
        let reason = self.waiting.map(|waiting| waiting.reason);
        let (ja, en) = match reason {
            Some(WaitingReason::Paused) => ("再開されれば開始します", "it begins after a resume"),
            Some(WaitingReason::UserLimit) => (
                "同じ利用者のほかの処理が終われば開始します",
                "it begins when another process of its user ends",
            ),
            _ => ("容量が空けば開始します", "it begins when there is capacity"),
        };
        self.words.say(format!("{ja}（前に {ahead} 件）"), format!("{en} ({ahead} ahead)"))
    }

    fn steps(&self, plan: Option<&Plan>, is_broken: bool) -> Vec<NextStep> {
        let words = self.words;
        let id = self.facts.id;
        let mut steps = Vec::new();
        if is_broken || matches!(plan, Some(Plan::Repair { .. } | Plan::LookAgain)) {
            let text = words.say("突き合わせを待たずに直す", "mend it now");
            steps.push(NextStep::command(text, format!("cargo aigen reconcile {id}")));
        }
        let paused = self.waiting.is_some_and(|it| it.reason == WaitingReason::Paused);
        if paused && self.facts.waits() {
            let text = words.say("再開する", "admit again");
            steps.push(NextStep::command(text, "cargo aigen resume"));
        }
        match self.facts.status {
            Status::Pending | Status::Processing => {
                let text = words.say("見守る", "watch it");
                steps.push(NextStep::command(text, format!("cargo aigen watch {id}")));
                let text = words.say("キャンセルする", "cancel it");
                steps.push(NextStep::command(text, format!("cargo aigen cancel {id}")));
            }
            Status::Failed | Status::Timeout => {
                let may_help = self.error.is_none_or(ErrorCode::retryable);
                steps.push(if may_help {
                    let text = words.say("再試行する", "retry it");
                    NextStep::command(text, format!("cargo aigen retry {id}"))
                } else {
                    let ja = "原因を取り除いてから再試行する";
                    let text = words.say(ja, "retry it once the cause is gone");
                    NextStep::command(text, format!("cargo aigen retry {id} --force"))
                });
                let text = words.say("ログに残ったものを読む", "read what was logged");
                steps.push(NextStep::command(text, format!("cargo aigen logs {id}")));
            }
            Status::Completed | Status::Cancelled => {}
        }
        steps
    }

    /// When the next sweep is to be expected.
    fn next_sweep(&self) -> DateTime<Utc> {
        self.last_sweep.map_or(self.now, |last| last + SWEEPS_EVERY).max(self.now)
    }
}
