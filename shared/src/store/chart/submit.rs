//! Accepting a process of a chart: see [`crate::store`]'s `submit` for what the statement does, and
//! in which order what it saw is judged.

use serde_json::Value;

use crate::{
    chart::Chart,
    store::{Connection, Observed, Submission},
};

pub(super) async fn try_submit(
    connection: &mut Connection,
    submission: &Submission<Chart>,
    stored_params: &Value,
) -> Result<Observed, sqlx::Error> {
    let params = &submission.params;
    let needs = params.needs();
    let (plan, terms) = (submission.plan(), submission.terms);
    sqlx::query_file_as!(
        Observed,
        "src/store/chart/submit.sql",
        submission.id.0,
        submission.user_id.0,
        params.chart_type().as_str(),
        params.target_id(),
        stored_params,
        params.replace(),
        submission.retry.as_ref().map(|retry| retry.of.0),
        submission.retry.as_ref().map_or(0, |retry| retry.count),
        submission.now,
        submission.actor.as_str(),
        submission.idempotency_key,
        submission.per_minute,
        !submission.late.is_empty(),
        needs.goal,
        &needs.sub_goals,
        needs.sub_goals_of,
        &needs.actions,
        needs.actions_of,
        params.new_goal().is_some(),
        params.only_what_is_open(),
        submission.priority.as_str(),
        plan.calls,
        plan.tokens,
        plan.weight,
        terms.calls,
        terms.calls_per_user,
        terms.most_waiting,
        terms.tokens_per_user,
        terms.tokens,
        submission.retry.as_ref().and_then(|retry| retry.note.as_ref()),
    )
    .fetch_one(connection)
    .await
}
