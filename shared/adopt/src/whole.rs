//! Planning all tables together.

use crate::{
    facts::Table,
    plan::{Phase, Plan, Question},
    retention, table,
    taken::Made,
    text::{counted, ident, literal},
};

/// What is in the database beside the tables of the model, and how processes stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Names that later migrations need, and that the app has taken.
    pub(crate) taken: Vec<Made>,
    /// Processes that are PENDING or PROCESSING.
    pub(crate) active: i64,
    /// Ended ones without `completed_at`.
    pub(crate) without_end: i64,
    /// Those whose progress is not what their status says.
    pub(crate) broken_progress: i64,
}

const PROCESSES: &str = "processing_state";
/// What the error of an ended process says to its user.
const MESSAGE: &str = "The process was ended when the system was migrated. Please start it again.";

/// Plans the adoption of `app` as `model`, where processes are kept for `retention_days`.
pub(crate) fn plan(
    model: &[Table],
    app: &[Table],
    beside: &Beside,
    retention_days: u32,
) -> (Plan, Vec<Question>) {
    let mut plan = Plan::default();
    let mut questions = Vec::new();
    for wanted in model {
        questions.extend(table::plan(wanted, app, &mut plan));
    }
    let names: Vec<_> = model.iter().map(|table| table.name.as_str()).collect();
    for there in app {
        table::incoming(there, &names, &mut plan);
    }
    for made in &beside.taken {
        taken(made, &mut plan);
    }
    if let Some(there) = app.iter().find(|table| table.name == PROCESSES) {
        processes(beside, &mut plan);
        if table::can_be_read(there) {
            questions.extend(retention::plan(there, retention_days, &mut plan));
        }
    }
    plan.steps.sort_by_key(|step| step.phase);
    (plan, questions)
}

fn taken(made: &Made, plan: &mut Plan) {
    let (table, column, what) = match made {
        Made::Relation(name) => (
            name.as_str(),
            "",
            "the app has a table, view or index of a name \
                                                     that a migration needs",
        ),
        Made::Function(name) => (
            name.as_str(),
            "",
            "the app has a function of a name that a \
                                                     migration needs",
        ),
        Made::Column(table, column) => (
            table.as_str(),
            column.as_str(),
            "the app has a column of \
                                                     a name that a migration needs",
        ),
    };
    plan.obstacle(table, column, what.to_owned(), "rename it".to_owned());
}

/// What becomes of rows of `processing_state`.
fn processes(beside: &Beside, plan: &mut Plan) {
    let table = ident(PROCESSES);
    plan.ended = beside.active;
    if beside.active > 0 {
        let error = format!(r#"{{"code": "MANUAL_INTERVENTION", "message": "{MESSAGE}"}}"#);
        let detail = r#"{"code": "MANUAL_INTERVENTION", "cause": "adopted"}"#;
        let sql = format!(
            "WITH before AS (SELECT id, status, attempt FROM {table} \
             WHERE status IN ('PENDING', 'PROCESSING') FOR UPDATE), \
             ended AS (UPDATE {table} process SET status = 'FAILED', error = {}, \
             completed_at = now(), updated_at = now() FROM before WHERE process.id = before.id \
             RETURNING process.id) \
             INSERT INTO processing_event (at, process_id, attempt, kind, from_status, to_status, \
             actor, detail) SELECT now(), before.id, before.attempt, 'failed', before.status, \
             'FAILED', 'operator', {} FROM before JOIN ended USING (id)",
            literal(&error),
            literal(detail),
        );
        let what = format!(
            "{} PENDING or PROCESSING, which nobody drives any more: ended as FAILED, \
             MANUAL_INTERVENTION",
            is_or_are(beside.active)
        );
        plan.step(Phase::Rows, PROCESSES, what, sql);
    }
    let ended = "status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED')";
    if beside.without_end > 0 {
        let what = format!(
            "{} ended and without completed_at: it becomes updated_at",
            is_or_are(beside.without_end)
        );
        let sql = format!(
            "UPDATE {table} SET completed_at = updated_at WHERE completed_at IS NULL AND {ended}"
        );
        plan.step(Phase::Rows, PROCESSES, what, sql);
    }
    if beside.broken_progress > 0 {
        let what = format!(
            "{} of a progress that the status belies: 100 where COMPLETED, 0 to 99 elsewhere",
            is_or_are(beside.broken_progress)
        );
        let sql = format!(
            "UPDATE {table} SET progress = CASE status WHEN 'COMPLETED' THEN 100 \
             ELSE LEAST(GREATEST(progress, 0), 99) END \
             WHERE progress < 0 OR progress > 100 OR (status = 'COMPLETED') <> (progress = 100)"
        );
        plan.step(Phase::Rows, PROCESSES, what, sql);
    }
}

fn is_or_are(count: i64) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    let processes = if count == 1 { "process" } else { "processes" };
    format!("{count} {processes} {verb}")
}

/// What is told of a database that has our tables' names and none of our migrations.
#[must_use]
pub(crate) fn summary(plan: &Plan) -> String {
    let lines: Vec<_> = plan.obstacles.iter().map(ToString::to_string).collect();
    let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    format!("{} in the way of adopting: {}", counted(count, "thing"), lines.join(" | "))
}
