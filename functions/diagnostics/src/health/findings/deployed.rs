//! How the other functions, and what invokes the reconciler, are deployed.

use serde_json::json;
use shared::aws::{functions::Deployed, rules::Rule};

use super::{super::facts::CheckedFunction, Judge};
use crate::finding::{Finding, Severity};
use crate::words::Words;

impl Judge<'_> {
    pub(super) fn functions(&self) -> Vec<Finding> {
        self.facts.functions.iter().flat_map(|function| self.function(function)).collect()
    }

    fn function(&self, function: &CheckedFunction) -> Vec<Finding> {
        let (words, name) = (self.words, format!("{}{}", self.facts.prefix, function.name));
        let of = |code, severity, ja: &str, en: &str| {
            let summary = words.say(format!("関数 {name}：{ja}"), format!("function {name}: {en}"));
            Finding::new(code, severity, summary).proved_by(json!({"function": name}))
        };
        let mut all = Vec::new();
        if let Some(None) = function.deployed.seen() {
            let finding = of("FUNCTION_MISSING", Severity::Critical, "ありません", "there is none");
            return vec![self.deploy_again(finding)];
        }
        if let Some(Some(deployed)) = function.deployed.seen() {
            all.extend(self.state(deployed, &name, of));
        }
        if let Some(wrong) = &function.wrong {
            let finding = of(
                "FUNCTION_VARIABLE_WRONG",
                Severity::Critical,
                "環境変数がないか、正しくありません",
                "an environment variable is missing or wrong",
            );
            let evidence = json!({"function": name, "cause": wrong});
            all.push(self.deploy_again(finding.proved_by(evidence)));
        } else if let Some(Some((at, cause))) = function.set_up.seen() {
            let finding = not_set_up(&name, cause, words);
            let evidence = json!({"function": name, "cause": cause, "lastAt": at});
            all.push(finding.proved_by(evidence));
        }
        if function.wrong.is_none() && !function.unlike.is_empty() {
            let names = function.unlike.join(", ");
            let finding = of(
                "FUNCTION_VARIABLES_DIFFER",
                Severity::Warning,
                &format!("環境変数 {names} がほかの関数と違います"),
                &format!("environment variables differ from other functions': {names}"),
            );
            let evidence = json!({"function": name, "variables": function.unlike});
            all.push(self.deploy_again(finding.proved_by(evidence)));
        }
        all
    }

    fn state(
        &self,
        deployed: &Deployed,
        name: &str,
        of: impl Fn(&'static str, Severity, &str, &str) -> Finding,
    ) -> Vec<Finding> {
        let because = |cause: &str| json!({"function": name, "cause": cause});
        let mut all = Vec::new();
        if let Some(fault) = &deployed.fault {
            let finding = of(
                "FUNCTION_BROKEN",
                Severity::Critical,
                "呼び出しを受け付けません",
                "it takes no invocations",
            );
            all.push(self.deploy_again(finding.proved_by(because(fault))));
        }
        if let Some(fault) = &deployed.failed_update {
            let finding = of(
                "FUNCTION_UPDATE_FAILED",
                Severity::Warning,
                "前回の変更に失敗し、前の版のままです",
                "its last change failed, and what was before goes on",
            );
            all.push(self.deploy_again(finding.proved_by(because(fault))));
        }
        if deployed.reserved == Some(0) {
            let finding = of(
                "FUNCTION_SWITCHED_OFF",
                Severity::Critical,
                "予約された同時実行数が 0 で、止められています",
                "it is switched off: its reserved concurrency is 0",
            );
            let text = self.words.say("もう一度動かす", "switch it on again");
            let command = format!("aws lambda delete-function-concurrency --function-name {name}");
            all.push(finding.then(text, command));
        }
        all
    }

    pub(super) fn rules(&self) -> Vec<Finding> {
        let prefix = &self.facts.prefix;
        let rules = [
            (
                self.facts.schedule.seen(),
                format!("{prefix}reconciler-sweep"),
                ["SCHEDULE_OFF", "SCHEDULE_MISSING"],
                self.words.say(
                    "突き合わせのスケジュール：ずれが直りません",
                    "the schedule of the sweeps: drift is not mended",
                ),
            ),
            (
                self.facts.events.seen(),
                format!("{prefix}reconciler-execution-ended"),
                ["EVENTS_OFF", "EVENTS_MISSING"],
                self.words.say(
                    "実行終了のイベント：止まったジョブの片付けが次の突き合わせまで遅れます",
                    "the events of ended executions: a job that is stopped from outside is \
                     settled by the next sweep only",
                ),
            ),
        ];
        rules
            .into_iter()
            .filter_map(|(rule, name, [off, missing], what)| {
                let words = self.words;
                let evidence = json!({"rule": name});
                match rule? {
                    Rule::Enabled => None,
                    Rule::Disabled => {
                        let summary = words.say(
                            format!("{what}（ルール {name} が無効）"),
                            format!("{what} (the rule {name} is disabled)"),
                        );
                        let finding = Finding::new(off, Severity::Warning, summary);
                        let text = words.say("有効にする", "enable it");
                        let command = format!("aws events enable-rule --name {name}");
                        Some(finding.proved_by(evidence).then(text, command))
                    }
                    Rule::Missing => {
                        let summary = words.say(
                            format!("{what}（ルール {name} がない）"),
                            format!("{what} (there is no rule {name})"),
                        );
                        let finding = Finding::new(missing, Severity::Warning, summary);
                        Some(self.deploy_again(finding.proved_by(evidence)))
                    }
                }
            })
            .collect()
    }

    fn deploy_again(&self, finding: Finding) -> Finding {
        deploy_again(finding, self.words)
    }
}

/// A function that says itself that it cannot be set up.
pub(crate) fn not_set_up(function: &str, cause: &str, words: Words) -> Finding {
    let summary = words.say(
        format!("関数 {function}：起動できません"),
        format!("function {function}: it cannot be set up"),
    );
    let finding = Finding::new("FUNCTION_NOT_SET_UP", Severity::Critical, summary)
        .proved_by(json!({"function": function, "cause": cause}));
    deploy_again(finding, words)
}

fn deploy_again(finding: Finding, words: Words) -> Finding {
    finding.advise(words.say(
        "スタックをデプロイし直してください。手で変えた設定はテンプレートの値に戻ります",
        "deploy the stack again: what was changed by hand becomes what the template says",
    ))
}
