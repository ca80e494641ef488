//! What follows from where the time goes. Pure. What keeps jobs from their end comes first, what
//! only makes them slow after it.

use chrono::TimeDelta;
use serde_json::json;
use shared::{
    process::ModelTotal,
    store::{Statement, TableReads},
};

use super::functions::FunctionView;
use crate::{
    finding::{Finding, Severity},
    lost_index::lost_index,
    survey::TypeView,
    words::Words,
};

/// Fewer say nothing about a share.
const ENOUGH_TO_TELL: usize = 20;
/// Share of a function's memory, in percent, from which on it is short.
const MEMORY_SHORT_PERCENT: f64 = 90.0;
/// Seconds for which one of twenty jobs waits, from which on waiting is of note.
const WAITS_LONG: f64 = 60.0;
/// Milliseconds of a statement on average that are of note: ours take one or two.
const STATEMENT_SLOW_MS: f64 = 100.0;
/// Calls for each planned one, from which on repairs are of note.
const MANY_REPAIRS: f64 = 1.5;
/// Milliseconds of a model's call on average that are of note.
const MODEL_SLOW_MS: i64 = 60_000;
/// Rows of a read without an index from which on it is of note, and how many such reads.
const WHOLE_READ_ROWS: i64 = 10_000;
const MANY_WHOLE_READS: i64 = 50;

/// All that it follows from.
pub(super) struct Facts<'a> {
    pub(super) types: &'a [TypeView],
    pub(super) functions: &'a [FunctionView],
    pub(super) models: &'a [ModelTotal],
    pub(super) statements: &'a [Statement],
    pub(super) tables: &'a [TableReads],
    pub(super) lost_indexes: &'a [String],
    pub(super) time_limit: TimeDelta,
}

/// The most likely cause first.
pub(super) fn findings(facts: &Facts<'_>, words: Words) -> Vec<Finding> {
    let of_functions = facts.functions.iter().flat_map(|it| function(it, words));
    let of_types = facts.types.iter().flat_map(|it| of_type(it, facts.time_limit, words));
    let mut all: Vec<_> = of_functions
        .chain(facts.lost_indexes.iter().map(|name| lost_index(name, words)))
        .chain(facts.statements.iter().filter_map(|it| statement(it, words)))
        .chain(facts.tables.iter().filter_map(|it| table(it, words)))
        .chain(facts.models.iter().filter_map(|it| model(it, words)))
        .chain(of_types)
        .collect();
    // Stable: what is as bad stays in the order of causes.
    all.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    all
}

fn function(of: &FunctionView, words: Words) -> Vec<Finding> {
    let name = of.function;
    let new = |code, severity, ja: String, en: String| {
        Finding::new(code, severity, words.say(ja, en)).proved_by(json!(of))
    };
    let mut all = Vec::new();
    if of.timeouts > 0 {
        let count = of.timeouts;
        let finding = new(
            "FUNCTION_TIMES_OUT",
            Severity::Warning,
            format!("{name} が時間切れになりました（{count} 回）"),
            format!("{name} ran out of its time ({count} times)"),
        );
        all.push(finding.then(words.say("原因を見る", "see why"), "cargo aigen health"));
    }
    if of.crashes > 0 {
        let count = of.crashes;
        let finding = new(
            "FUNCTION_CRASHES",
            Severity::Warning,
            format!("{name} が応答せずに終了しました（{count} 回）"),
            format!("{name} ended without an answer ({count} times)"),
        );
        all.push(finding.advise(words.say(
            "ログの REPORT の前の行に理由があります。メモリー不足なら MemorySize を増やしてください",
            "the lines before its REPORT say why; if its memory ran out, raise its MemorySize",
        )));
    }
    if let (Some(size), Some(used)) = (of.memory_size, of.memory_used)
        && used * 100.0 >= size * MEMORY_SHORT_PERCENT
    {
        let finding = new(
            "FUNCTION_MEMORY_SHORT",
            Severity::Warning,
            format!("{name} はメモリー {size:.0} MB のうち {used:.0} MB を使っています"),
            format!("{name} uses {used:.0} MB of its {size:.0} MB of memory"),
        );
        all.push(finding.advise(words.say(
            "infra/template.yaml の MemorySize を増やし、デプロイしてください",
            "raise its MemorySize in infra/template.yaml, and deploy",
        )));
    }
    if of.invocations >= ENOUGH_TO_TELL && of.cold_starts * 5 >= of.invocations {
        let percent = of.cold_starts * 100 / of.invocations;
        let finding = new(
            "COLD_STARTS_FREQUENT",
            Severity::Info,
            format!("{name} の呼び出しの {percent} % がコールドスタートです"),
            format!("{percent} % of the invocations of {name} began with a cold start"),
        );
        all.push(finding.advise(words.say(
            "呼び出しがまれなら普通のことです。気になるなら、プロビジョニングされた同時実行を設定してください",
            "it is so where calls are rare; provisioned concurrency avoids it, and costs",
        )));
    }
    all
}

fn statement(of: &Statement, words: Words) -> Option<Finding> {
    (of.mean_ms >= STATEMENT_SLOW_MS).then(|| {
        let (calls, mean) = (of.calls, of.mean_ms);
        let summary = words.say(
            format!("平均 {mean:.0} ms かかる文があります（{calls} 回）"),
            format!("a statement takes {mean:.0} ms on average ({calls} times)"),
        );
        let finding = Finding::new("STATEMENTS_SLOW", Severity::Warning, summary);
        finding.proved_by(json!(of)).advise(words.say(
            "この製品の文でなければ、その持ち主に知らせてください。この製品の文なら、索引が\
             そろっているか確認してください（INDEX_MISSING）",
            "if it is none of this product's, tell its owner; if it is, see that no index is \
             missing (INDEX_MISSING)",
        ))
    })
}

fn table(of: &TableReads, words: Words) -> Option<Finding> {
    let rows = of.rows_read / of.whole_reads.max(1);
    (of.whole_reads >= MANY_WHOLE_READS && rows >= WHOLE_READ_ROWS).then(|| {
        let (name, reads) = (&of.table, of.whole_reads);
        let summary = words.say(
            format!("表 {name} が索引なしで {reads} 回、平均 {rows} 行ずつ読まれています"),
            format!("the table {name} was read {reads} times without an index, {rows} rows each"),
        );
        let finding = Finding::new("TABLE_READ_WHOLE", Severity::Info, summary);
        finding.proved_by(json!(of)).advise(words.say(
            "この製品の文は索引で読みます。誰の文かは pg_stat_activity と pg_stat_statements で\
             分かります",
            "this product reads by its indexes; pg_stat_activity and pg_stat_statements tell whose \
             statement it is",
        ))
    })
}

fn model(of: &ModelTotal, words: Words) -> Option<Finding> {
    let mean = of.sum.latency_ms / of.calls.max(1);
    (mean >= MODEL_SLOW_MS).then(|| {
        let (id, seconds) = (&of.sum.model_id, mean / 1_000);
        let summary = words.say(
            format!("モデル {id} の応答が平均 {seconds} 秒かかっています"),
            format!("the model {id} takes {seconds} s to answer on average"),
        );
        Finding::new("MODEL_ANSWERS_SLOWLY", Severity::Info, summary).proved_by(json!(of)).advise(
            words.say(
                "速いモデルを ModelIds の先頭に置けます",
                "a faster model can stand first in ModelIds",
            ),
        )
    })
}

fn of_type(of: &TypeView, time_limit: TimeDelta, words: Words) -> Vec<Finding> {
    let kind = &of.process_type;
    let new = |code, severity, ja: String, en: String| {
        Finding::new(code, severity, words.say(ja, en)).proved_by(json!(of))
    };
    let mut all = Vec::new();
    let (Some(waiting), Some(running)) = (&of.waiting, &of.running) else { return all };
    let limit = time_limit.as_seconds_f64();
    if running.p95 >= limit / 2.0 {
        let finding = new(
            "RUNS_NEAR_LIMIT",
            Severity::Warning,
            format!("{kind} の 20 件に 1 件は、制限時間 {limit:.0} 秒の半分を超えています"),
            format!("one of twenty {kind} takes over half of the {limit:.0} s that a job has"),
        );
        all.push(finding.advise(words.say(
            "下のモデルと再試行の数を見てください。必要なら ProcessTimeLimitSeconds を延ばせます",
            "see the models and the repeated attempts below; a longer ProcessTimeLimitSeconds \
             gives time",
        )));
    }
    let attempts = usize::try_from(of.attempts_again).unwrap_or_default();
    let count = usize::try_from(of.total).unwrap_or_default();
    if count >= ENOUGH_TO_TELL && attempts * 2 >= count {
        let finding = new(
            "ATTEMPTS_REPEATED",
            Severity::Info,
            format!("{kind} {count} 件に、やり直しが {attempts} 回ありました"),
            format!("{count} {kind} took {attempts} attempts beyond their first"),
        );
        let text = words.say("モデルの割当に余裕があるか見る", "see whether the quota is used up");
        all.push(finding.then(text, "cargo aigen limit"));
    }
    if let Some(calls) = of.calls_per_planned.filter(|calls| *calls >= MANY_REPAIRS) {
        let finding = new(
            "REPAIRS_FREQUENT",
            Severity::Info,
            format!("{kind} は、予定した呼び出し 1 回につき {calls} 回モデルを呼んでいます"),
            format!("{kind} took {calls} model calls for each that was planned"),
        );
        all.push(finding.advise(words.say(
            "答えが規則に合わず、直させています。ほかのモデルを ModelIds の先頭に置けます",
            "answers break rules and are repaired; another model can stand first in ModelIds",
        )));
    }
    if waiting.p95 >= WAITS_LONG && waiting.p95 > running.p95 {
        let seconds = waiting.p95;
        let finding = new(
            "WAITING_DOMINATES",
            Severity::Info,
            format!("{kind} の 20 件に 1 件は {seconds:.0} 秒以上待ち、処理より長くなっています"),
            format!("one of twenty {kind} waits for {seconds:.0} s or more, longer than it runs"),
        );
        let text = words.say("容量を見る、変える", "see the capacity, or change it");
        all.push(finding.then(text, "cargo aigen limit"));
    }
    all
}

#[cfg(test)]
mod tests;
