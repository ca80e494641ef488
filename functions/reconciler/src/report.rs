//! What an invocation found and did: counts for the answer, one log line, and metrics.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::{
    lambda::{By, Metric, Metrics},
    reconcile::Rule,
    store::Gauges,
};

use crate::{
    engine::Calls,
    finding::{Finding, RepairOutcome},
};

/// How many findings are reported one by one.
pub(crate) const MAX_ACTIONS: usize = 100;

/// The report, as the database keeps it; an answer adds the first findings.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    /// Whether nothing was changed.
    pub(crate) dry_run: bool,
    /// Whether everything was looked at; otherwise the next sweep goes on.
    pub(crate) complete: bool,
    /// Whether it went on where the one before had come to.
    pub(crate) resumed: bool,
    /// Rows that were read.
    pub(crate) scanned: u64,
    /// How often each rule held, R2 included.
    pub(crate) rules: BTreeMap<Rule, u64>,
    /// Disagreements: the sum of all rules but R2.
    pub(crate) drift: u64,
    pub(crate) repaired: u64,
    pub(crate) moved: u64,
    pub(crate) failed: u64,
    /// Processes whose executions may be too fresh to be found: the next sweep looks again.
    pub(crate) too_fresh: u64,
    /// Endings to which evidence from the log was added.
    pub(crate) explained: u64,
    /// Processes that were deleted because the time for which they are kept is over; in a dry run
    /// those that would be, in this sweep and the next, counted up to 100,000.
    pub(crate) deleted: u64,
    /// The same of batches of requests that have no process any more. A dry run does not know which
    /// will have none.
    pub(crate) deleted_batches: u64,
    pub(crate) calls: Calls,
    /// Milliseconds in all.
    pub(crate) duration: i64,
    /// Milliseconds of them that were spent waiting for the quotas.
    pub(crate) waited: u64,
    /// Milliseconds of them that were spent on the log, when all repairs were made.
    pub(crate) explaining: i64,
    /// The first findings.
    #[serde(skip)]
    pub(crate) actions: Vec<Finding>,
}

impl Report {
    /// The report of a run that has not found anything yet.
    pub(crate) fn new(dry_run: bool) -> Self {
        Self { dry_run, complete: true, ..Self::default() }
    }

    /// A process whose execution runs as it should (R2).
    pub(crate) fn count_healthy(&mut self) {
        *self.rules.entry(Rule::R2).or_default() += 1;
    }

    /// A look or a statement that failed before it was known what there is to find.
    pub(crate) const fn count_failed_look(&mut self) {
        self.failed += 1;
    }

    pub(crate) fn add(&mut self, finding: Finding) {
        *self.rules.entry(finding.rule).or_default() += 1;
        if finding.rule.is_drift() {
            self.drift += 1;
        }
        match finding.outcome {
            RepairOutcome::Repaired => self.repaired += 1,
            RepairOutcome::Moved => self.moved += 1,
            RepairOutcome::Failed => self.failed += 1,
            RepairOutcome::Planned | RepairOutcome::Reported => {}
        }
        finding.log();
        if self.actions.len() < MAX_ACTIONS {
            self.actions.push(finding);
        }
    }

    /// Logs one line with everything that is counted.
    pub(crate) fn log(&self) {
        let rules: Vec<_> =
            self.rules.iter().map(|(rule, count)| format!("{rule}={count}")).collect();
        let Calls {
            list_executions,
            describe_execution,
            start_execution,
            stop_execution,
            filter_log_events,
        } = self.calls;
        tracing::info!(
            dryRun = self.dry_run,
            complete = self.complete,
            resumed = self.resumed,
            scanned = self.scanned,
            rules = rules.join(" "),
            drift = self.drift,
            repaired = self.repaired,
            moved = self.moved,
            failed = self.failed,
            tooFresh = self.too_fresh,
            explained = self.explained,
            deleted = self.deleted,
            deletedBatches = self.deleted_batches,
            listExecutions = list_executions,
            describeExecution = describe_execution,
            startExecution = start_execution,
            stopExecution = stop_execution,
            filterLogEvents = filter_log_events,
            duration = self.duration,
            waited = self.waited,
            explaining = self.explaining,
            "reconciled"
        );
    }

    /// Emits what is counted. `gauges`: what a sweep measures besides.
    pub(crate) fn emit(&self, metrics: &Metrics, gauges: Option<Gauges>, now: DateTime<Utc>) {
        #[expect(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
        let number = |count: u64| count as f64;
        let mut values = Vec::new();
        // A sweep says that it found nothing, so that an alarm sees that it looked.
        if gauges.is_some() || self.drift > 0 {
            values.push((Metric::Drift, number(self.drift)));
        }
        if gauges.is_some() || self.failed > 0 {
            values.push((Metric::RepairFailures, number(self.failed)));
        }
        if let Some(Gauges { waiting, ended_badly, ended_well, oldest_active_at }) = gauges {
            let [waiting, badly, well] =
                [waiting, ended_badly, ended_well].map(|count| number(count.unsigned_abs()));
            values.push((Metric::QueueDepth, waiting));
            values.push((Metric::OldestActiveAge, age(oldest_active_at, now)));
            // A rate of nothing is no number.
            if badly + well > 0.0 {
                values.push((Metric::ErrorRate, 100.0 * badly / (badly + well)));
            }
        }
        metrics.emit(now, By::Stack, &values);
        for (rule, count) in self.rules.iter().filter(|(rule, _)| rule.is_drift()) {
            let by = By::Only("Rule", rule.as_str());
            metrics.emit(now, by, &[(Metric::Drift, number(*count))]);
        }
    }
}

/// Milliseconds since then; 0 where there is nothing that could be old.
pub(crate) fn age(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    let age = since.map_or(0, |since| (now - since).num_milliseconds().max(0));
    #[expect(clippy::cast_precision_loss, reason = "no age comes near 2^52 ms")]
    let age = age as f64;
    age
}

/// What became of a wish to sweep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Swept {
    /// It was done.
    Done(Box<Report>),
    /// Another sweep holds the lease.
    AnotherIsRunning {
        since: DateTime<Utc>,
        /// When the lease is free by itself, should that sweep have been killed.
        until: DateTime<Utc>,
    },
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use chrono::TimeDelta;
    use serde_json::{Value, json};
    use shared::process::ProcessId;
    use uuid::Uuid;

    use super::*;
    use crate::views::ReportView;

    fn finding(rule: Rule, outcome: RepairOutcome) -> Finding {
        Finding {
            process_id: ProcessId(Uuid::nil()),
            rule,
            from: "PROCESSING".into(),
            to: "FAILED".into(),
            outcome,
        }
    }

    #[test]
    fn what_is_well_is_counted_and_is_no_drift() {
        let mut report = Report::default();
        report.count_healthy();
        report.add(finding(Rule::R5, RepairOutcome::Repaired));
        report.add(finding(Rule::R5, RepairOutcome::Moved));
        report.add(finding(Rule::R11, RepairOutcome::Reported));
        let view = serde_json::to_value(ReportView::of(&report)).unwrap();
        assert_eq!(view["rules"], json!({"R2": 1, "R5": 2, "R11": 1}));
        assert_eq!((report.drift, report.repaired, report.moved, report.failed), (3, 1, 1, 0));
        assert_eq!(
            view["actions"][0],
            json!({
                "processId": Uuid::nil(), "rule": "R5", "from": "PROCESSING", "to": "FAILED",
                "outcome": "repaired",
            })
        );
    }

    #[test]
    fn a_hundred_actions_are_reported_and_all_are_counted() {
        let mut report = Report::default();
        (0..150).for_each(|_| report.add(finding(Rule::R8, RepairOutcome::Repaired)));
        assert_eq!((report.actions.len(), report.repaired), (100, 150));
    }

    /// The lines that `report` emits.
    fn lines(report: &Report, gauges: Option<Gauges>) -> Vec<Value> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let metrics = Metrics::new("", move |line| {
            sink.lock().unwrap().push(serde_json::from_str(line).unwrap());
        });
        report.emit(&metrics, gauges, DateTime::UNIX_EPOCH);
        lines.lock().unwrap().clone()
    }

    #[test]
    fn drift_is_measured_by_rule_and_all_together() {
        let mut report = Report::default();
        report.add(finding(Rule::R5, RepairOutcome::Repaired));
        let oldest_active_at = Some(DateTime::UNIX_EPOCH - TimeDelta::seconds(90));
        let gauges = Gauges { waiting: 4, ended_badly: 1, ended_well: 3, oldest_active_at };
        let lines = lines(&report, Some(gauges));
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["QueueDepth"], &lines[0]["ErrorRate"], &lines[0]["Drift"]),
            (&json!(4.0), &json!(25.0), &json!(1.0))
        );
        assert_eq!(lines[0]["OldestActiveAge"], json!(90_000.0));
        assert_eq!((lines[0].get("Rule"), &lines[0]["RepairFailures"]), (None, &json!(0.0)));
        assert_eq!((&lines[1]["Rule"], &lines[1]["Drift"]), (&json!("R5"), &json!(1.0)));
    }

    #[test]
    fn an_error_rate_of_nothing_is_not_measured() {
        let gauges = Gauges { waiting: 0, ended_badly: 0, ended_well: 0, oldest_active_at: None };
        let lines = lines(&Report::default(), Some(gauges));
        assert_eq!(lines[0]["OldestActiveAge"], json!(0.0), "nothing is old");
        assert_eq!(lines[0].get("ErrorRate"), None);
    }

    #[test]
    fn what_was_found_and_failed_is_measured_without_gauges_too() {
        let mut report = Report::default();
        assert_eq!(lines(&report, None), [] as [Value; 0]);
        report.add(finding(Rule::R10, RepairOutcome::Failed));
        let lines = lines(&report, None);
        assert_eq!(
            (&lines[0]["Drift"], &lines[0]["RepairFailures"], lines[0].get("QueueDepth")),
            (&json!(1.0), &json!(1.0), None)
        );
    }
}
