//! What the reconciler would delete of what is adopted: processes are kept for some days after
//! their end, and those of an app have ended long ago.

use crate::{
    facts::Table,
    plan::{Plan, Question, obstacle},
    text::{ident, literal},
};

const PROCESSES: &str = "processing_state";

/// Whether deleting one takes rows of this key's table along.
pub(crate) fn takes_along(on_delete: &str) -> bool {
    on_delete == "c"
}

/// Says how long what is adopted is kept, and asks which processes would go at once. 0 days: none
/// ever.
pub(crate) fn plan(processes: &Table, days: u32, plan: &mut Plan) -> Option<Question> {
    if days == 0 {
        return None;
    }
    let along: Vec<_> = processes
        .incoming
        .iter()
        .filter(|key| takes_along(&key.on_delete))
        .map(|key| format!("{} (by {})", key.table, key.name))
        .collect();
    let along = match along.as_slice() {
        [] => String::new(),
        tables => format!(", and with them the rows that refer to them of {}", tables.join(", ")),
    };
    plan.note(
        PROCESSES,
        format!(
            "processes are deleted {days} days after their end{along}: RetentionDays; 0 keeps them"
        ),
    );
    let there = |name: &&str| processes.column(name).is_some();
    let ends: Vec<_> =
        ["completed_at", "updated_at", "created_at"].into_iter().filter(there).collect();
    if processes.column("status").is_none() || ends.is_empty() {
        return None;
    }
    let what =
        format!("they ended more than {days} days ago: the first sweeps would delete them{along}");
    let advice = "keep all by RetentionDays=0 (by hand, --retention-days 0 too), or delete them \
                  yourself before";
    Some(Question {
        obstacle: obstacle(PROCESSES, "", what, advice.to_owned()),
        sql: format!(
            "SELECT count(*), COALESCE((array_agg({id}::text ORDER BY {id}::text))[1:5], '{{}}') \
             FROM {table} WHERE status::text IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED') \
             AND COALESCE({ends}) < now() - {days}::interval",
            id = ident(processes.id()),
            table = ident(PROCESSES),
            ends = ends.join(", "),
            days = literal(&format!("{days} days")),
        ),
    })
}
