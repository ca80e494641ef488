//! `{"check":"list"}`, `{"check":"stats"}`, `{"check":"errors"}`: many processes at once.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::{
    clock::Clock,
    http::{Problem, Reply},
    process::{ErrorCode, ModelTotal, ProcessId, ProcessSummary, Status},
    store::{Failures, Spread, Survey},
};

use crate::{command::ListQuery, diagnostics::Diagnostics};

/// A page of a list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListView {
    processes: Vec<RowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<ProcessId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowView {
    process_id: ProcessId,
    #[serde(rename = "type")]
    process_type: String,
    user_id: String,
    status: Status,
    progress: i16,
    attempt: i32,
    retry_count: i16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
    created_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<DateTime<Utc>>,
    updated_at: DateTime<Utc>,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<DateTime<Utc>>,
}

impl From<ProcessSummary> for RowView {
    fn from(row: ProcessSummary) -> Self {
        let (code, cause) = row.error.map(|error| (error.code, error.cause)).unzip();
        Self {
            process_id: row.id,
            process_type: row.process_type.as_str().to_owned(),
            user_id: row.user_id.0,
            status: row.status,
            progress: row.progress,
            attempt: row.attempt,
            retry_count: row.retry_count,
            code,
            cause: cause.flatten(),
            created_at: row.created_at,
            started_at: row.started_at,
            updated_at: row.updated_at,
            completed_at: row.completed_at,
        }
    }
}

/// Counts, times and tokens.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatsView {
    since: DateTime<Utc>,
    hours: i64,
    /// Whether there were more than are counted: then these are the newest.
    is_cut: bool,
    types: Vec<TypeView>,
    models: Vec<ModelTotal>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TypeView {
    #[serde(rename = "type")]
    pub(crate) process_type: String,
    pub(crate) total: i64,
    pub(crate) counts: BTreeMap<String, i64>,
    /// FAILED and TIMEOUT among those that came to an end of their own.
    pub(crate) error_percent: f64,
    /// Worker runs beyond the first of each, of those that completed.
    pub(crate) attempts_again: i64,
    /// Model calls that they took for each that was planned; what is above 1 repaired answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) calls_per_planned: Option<f64>,
    /// Seconds from acceptance to admission, of those that completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waiting: Option<SpreadView>,
    /// Seconds from admission to completion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<SpreadView>,
}

#[derive(Default, Serialize)]
pub(crate) struct SpreadView {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl From<Spread> for SpreadView {
    fn from(Spread { mean, p50, p95, p99, max }: Spread) -> Self {
        let rounded = |seconds: f64| (seconds * 1e3).round() / 1e3;
        let [mean, p50, p95, p99, max] = [mean, p50, p95, p99, max].map(rounded);
        Self { mean, p50, p95, p99, max }
    }
}

/// What failed.
#[derive(Serialize)]
struct ErrorsView {
    since: DateTime<Utc>,
    hours: i64,
    errors: Vec<GroupView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupView {
    code: String,
    cause: String,
    count: i64,
    first_at: DateTime<Utc>,
    last_at: DateTime<Utc>,
    example: ProcessId,
    /// Whether a retry may help.
    retryable: bool,
}

impl From<Failures> for GroupView {
    fn from(group: Failures) -> Self {
        Self {
            retryable: group.code.parse().is_ok_and(ErrorCode::retryable),
            code: group.code,
            cause: group.cause,
            count: group.count,
            first_at: group.first_at,
            last_at: group.last_at,
            example: group.example,
        }
    }
}

impl Diagnostics {
    pub(crate) async fn list(&self, query: &ListQuery) -> Result<Reply, Problem> {
        let listed = self.store.list(&query.filter, query.limit).await?;
        let processes = listed.processes.into_iter().map(RowView::from).collect();
        Ok(Reply::of(200, &ListView { processes, next_cursor: listed.next })?)
    }

    pub(crate) async fn stats(&self, hours: i64) -> Result<Reply, Problem> {
        let since = self.clock.now() - TimeDelta::hours(hours);
        let survey = self.store.survey(since).await?;
        let models = models(&survey);
        let is_cut = survey.is_cut;
        Ok(Reply::of(200, &StatsView { since, hours, is_cut, types: types(survey), models })?)
    }

    pub(crate) async fn errors(&self, hours: i64) -> Result<Reply, Problem> {
        let now = self.clock.now();
        let since = now - TimeDelta::hours(hours);
        let groups = self.store.failures(since, now).await?;
        let errors = groups.into_iter().map(GroupView::from).collect();
        Ok(Reply::of(200, &ErrorsView { since, hours, errors })?)
    }
}

pub(crate) fn types(survey: Survey) -> Vec<TypeView> {
    let mut types = BTreeMap::<String, TypeView>::new();
    let mut calls = BTreeMap::<&str, i64>::new();
    for (process_type, total) in totals(&survey.usage) {
        *calls.entry(process_type).or_default() += total.calls;
    }
    for of in survey.counts {
        let view = types.entry(of.process_type).or_default();
        view.total += of.count;
        view.counts.insert(of.status, of.count);
    }
    for of in survey.times {
        if let Some(view) = types.get_mut(&of.process_type) {
            let taken = calls.get(of.process_type.as_str()).copied().unwrap_or_default();
            view.attempts_again = of.attempts_again;
            view.calls_per_planned = (taken > 0 && of.planned_calls > 0)
                .then(|| hundredths(taken * 100 / of.planned_calls));
            view.waiting = Some(of.waiting.into());
            view.running = Some(of.running.into());
        }
    }
    let named = |(process_type, view): (String, TypeView)| {
        let count = |status: &str| view.counts.get(status).copied().unwrap_or_default();
        let bad = count("FAILED") + count("TIMEOUT");
        let ended = bad + count("COMPLETED");
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        let error_percent = if ended == 0 { 0.0 } else { (bad * 1_000 / ended) as f64 / 10.0 };
        TypeView { process_type, error_percent, ..view }
    };
    types.into_iter().map(named).collect()
}

/// What is read of the results, each with its type; what a foreign hand has written is left out.
fn totals(usage: &[(String, Value)]) -> impl Iterator<Item = (&str, ModelTotal)> {
    usage.iter().flat_map(|(process_type, usage)| {
        let totals = Vec::<ModelTotal>::deserialize(usage).unwrap_or_default();
        totals.into_iter().map(|total| (process_type.as_str(), total))
    })
}

#[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
fn hundredths(number: i64) -> f64 {
    number as f64 / 100.0
}

/// The sums of what the results say, model by model.
pub(crate) fn models(survey: &Survey) -> Vec<ModelTotal> {
    let mut models = BTreeMap::<String, ModelTotal>::new();
    for (_, total) in totals(&survey.usage) {
        models
            .entry(total.sum.model_id.clone())
            .and_modify(|sum| {
                sum.calls += total.calls;
                sum.sum.input_tokens += total.sum.input_tokens;
                sum.sum.output_tokens += total.sum.output_tokens;
                sum.sum.cache_read_input_tokens += total.sum.cache_read_input_tokens;
                sum.sum.cache_write_input_tokens += total.sum.cache_write_input_tokens;
                sum.sum.latency_ms += total.sum.latency_ms;
            })
            .or_insert(total);
    }
    models.into_values().collect()
}
