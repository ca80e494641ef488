//! What is needed for any work: database, migrations, state machine, models.

use chrono::TimeDelta;
use serde_json::json;
use shared::{
    aws::model::Fault,
    process::{ErrorCode, Failure},
    store::{DatabaseTrouble, Schema, Server},
};

use super::{
    super::{
        database,
        facts::{CheckedModel, Look},
    },
    Judge,
};
use crate::{
    finding::{Finding, Severity},
    lost_index::lost_index,
};

/// Clocks may differ by so much.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(5);

impl Judge<'_> {
    pub(super) fn unusable_database(&self) -> Option<Finding> {
        let failure = self.facts.server.failure().or_else(|| {
            // It answers, but is not ours yet.
            let schema = self.facts.schema.failure()?;
            let trouble = DatabaseTrouble::of(schema);
            (trouble == DatabaseTrouble::SchemaMissing).then_some(schema)
        });
        let late = || {
            (self.facts.server == Look::Late)
                .then(|| Failure::new(ErrorCode::DatabaseConnectionError, "no answer in time"))
        };
        let failure = failure.cloned().or_else(late)?;
        Some(database::unusable(&failure, self.words))
    }

    pub(super) fn migrations(&self, schema: &Schema) -> Vec<Finding> {
        let Schema { newest, missing, unknown, changed, failed, .. } = schema;
        let words = self.words;
        let evidence = json!({
            "newest": newest, "missing": missing, "unknown": unknown, "changed": changed,
            "failed": failed,
        });
        let apply = words.say("マイグレーションを適用する", "apply the migrations");
        let of = |code, severity, ja: &str, en: &str| {
            Finding::new(code, severity, words.say(ja, en)).proved_by(evidence.clone())
        };
        let mut all = Vec::new();
        if !failed.is_empty() {
            all.push(of(
                "MIGRATION_FAILED",
                Severity::Critical,
                "マイグレーションが途中で失敗しています",
                "a migration stopped half-way",
            ));
        }
        if !missing.is_empty() {
            let finding = of(
                "MIGRATIONS_MISSING",
                Severity::Critical,
                "適用されていないマイグレーションがあります：関数のほうが新しい版です",
                "migrations are missing: the functions are newer than the database",
            );
            all.push(finding.then(apply, "cargo aigen migrate"));
        }
        if !changed.is_empty() {
            let finding = of(
                "MIGRATION_CHANGED",
                Severity::Warning,
                "適用後に内容が変わったマイグレーションがあります",
                "a migration has another text than the one that was applied",
            );
            all.push(finding.advise(words.say(
                "元の内容に戻し、変更は新しいマイグレーションにしてください",
                "restore its text, and make the change a new migration",
            )));
        }
        if missing.is_empty() {
            all.extend(schema.lost_indexes.iter().map(|name| lost_index(name, words)));
        }
        if !unknown.is_empty() {
            let finding = of(
                "MIGRATIONS_AHEAD",
                Severity::Warning,
                "データベースのほうが新しい版です：この関数が知らないマイグレーションがあります",
                "the database is ahead: it has migrations that this version does not know",
            );
            all.push(finding.advise(words.say(
                "関数を新しい版でデプロイしてください",
                "deploy the newer version of the functions",
            )));
        }
        all
    }

    pub(super) fn clocks(&self, server: &Server) -> Option<Finding> {
        let skew = server.now - self.facts.server_asked_at;
        (skew.abs() > CLOCKS_DIFFER).then(|| {
            let seconds = skew.num_seconds();
            let summary = self.words.say(
                format!("データベースの時計が Lambda と {seconds} 秒ずれています"),
                format!("the database's clock differs from Lambda's by {seconds} s"),
            );
            Finding::new("CLOCK_SKEW", Severity::Warning, summary)
                .proved_by(json!({"database": server.now, "lambda": self.facts.server_asked_at}))
                .advise(self.words.say(
                    "データベースサーバーの時刻同期（NTP）を確認してください",
                    "check the time synchronisation (NTP) of the database server",
                ))
        })
    }

    pub(super) fn state_machine(&self) -> Option<Finding> {
        let cause = match &self.facts.state_machine {
            Look::Seen(()) => return None,
            Look::Failed(failure) => failure.cause.clone(),
            Look::Late | Look::NotTried => "no answer in time".to_owned(),
        };
        let words = self.words;
        let (code, ja, en, advice) = if cause.contains("StateMachineDoesNotExist") {
            (
                "STATE_MACHINE_MISSING",
                "ステートマシンがありません",
                "there is no such state machine",
                words.say(
                    "STATE_MACHINE_ARN を確認し、スタックをデプロイし直してください",
                    "check STATE_MACHINE_ARN, and deploy the stack again",
                ),
            )
        } else if cause.contains("AccessDenied") {
            (
                "STATE_MACHINE_DENIED",
                "ステートマシンを参照する権限がありません",
                "the function may not look at the state machine",
                words.say(
                    "ロールに states:DescribeStateMachine を許可してください",
                    "allow the role states:DescribeStateMachine",
                ),
            )
        } else {
            (
                "STATE_MACHINE_UNREACHABLE",
                "Step Functions に接続できません",
                "Step Functions cannot be reached",
                words.say(
                    "VPC のエンドポイント（または NAT）と AWS の状況を確認してください",
                    "check the VPC's endpoint (or NAT gateway), and the state of AWS",
                ),
            )
        };
        let finding = Finding::new(code, Severity::Critical, words.say(ja, en));
        Some(finding.proved_by(json!({"cause": cause})).advise(advice))
    }

    pub(super) fn model(&self, (id, result): &CheckedModel) -> Option<Finding> {
        let fault = result.as_ref().err()?;
        let some_answers = self.facts.models.iter().any(|(_, result)| result.is_ok());
        let severity = match fault.fault {
            _ if some_answers => Severity::Warning,
            // Work waits, and fails none.
            Fault::Throttled => Severity::Warning,
            _ => Severity::Critical,
        };
        let (code, ja, en) = match fault.fault {
            Fault::Throttled => {
                ("MODEL_THROTTLED", "割り当て量を使い切っています", "its quota is used up")
            }
            Fault::AccessPending => (
                "MODEL_ACCESS_PENDING",
                "利用の手続きが終わっていません",
                "access is not ready yet",
            ),
            Fault::AccessDenied => {
                ("MODEL_ACCESS_DENIED", "利用する権限がありません", "we may not use it")
            }
            Fault::Gone => {
                ("MODEL_GONE", "もう提供されていません", "it is not there, or no longer")
            }
            Fault::Unavailable => {
                ("MODEL_UNAVAILABLE", "一時的に使えません", "it is out of service")
            }
            Fault::TimedOut => (
                "MODEL_SLOW",
                "時間内に応答しません",
                "it does not answer in \
                time",
            ),
            Fault::Configuration | Fault::RequestRejected => {
                ("MODEL_MISCONFIGURED", "設定が正しくありません", "it is wrongly configured")
            }
            Fault::Failed | Fault::Unknown | Fault::ContentRefused => {
                ("MODEL_FAILED", "エラーを返します", "it fails")
            }
        };
        let finding = Finding::new(
            code,
            severity,
            self.words.say(format!("モデル {id}：{ja}"), format!("model {id}: {en}")),
        );
        let finding = finding.proved_by(
            json!({"model": id, "fault": fault.fault.to_string(), "cause": fault.words}),
        );
        Some(match fault.fault {
            Fault::Throttled => finding.then(
                self.words
                    .say("同時に行う呼び出しの数を見る", "see how many calls may be in flight"),
                "cargo aigen limit",
            ),
            // The words end with what to do.
            _ => finding.advise(advice(&fault.words)),
        })
    }
}

/// What to do, out of what a model's fault says: it stands behind the exception's name.
fn advice(words: &str) -> String {
    words.split_once(": ").map_or(words, |(_, advice)| advice).to_owned()
}
