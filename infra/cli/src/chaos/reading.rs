//! Reading the facts: from the database, the executions, the logs and the metrics in them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{FromRow, PgPool};
use uuid::Uuid;

use super::audit::{Event, Facts, Item, Logs, Row, Table, failed_targets};
use super::book::Book;
use super::run::wall_clock;
use crate::stack::{LocalFunctions, MOST_LINES, StackEnv};

/// Clocks of database, gateway and this program are one machine's; rows and lines that began in the
/// same second are meant too.
const SLACK_MS: i64 = 1_000;
/// The name that the metrics of a local stack have.
const METRICS: &str = "AsyncProcessing";

/// The API as it is published.
const CONTRACT: &str = include_str!("../../../openapi.yaml");

/// The error codes that a published API names.
fn codes(contract: &str) -> BTreeSet<String> {
    let listed = contract.lines().skip_while(|line| *line != "    ErrorCode:").skip(1);
    let listed = listed.take_while(|line| line.starts_with("      "));
    listed.filter_map(|line| line.strip_prefix("        - ")).map(str::to_owned).collect()
}

#[derive(FromRow)]
struct StoredRow {
    id: Uuid,
    user_id: String,
    #[sqlx(rename = "type")]
    process_type: String,
    status: String,
    progress: i16,
    attempt: i32,
    goal_id: Option<Uuid>,
    target_id: Uuid,
    code: Option<String>,
    cause: Option<String>,
    failed_targets: Option<Value>,
    has_completed_at: bool,
    depth: Option<String>,
    original_process_id: Option<Uuid>,
}

#[derive(FromRow)]
struct StoredEvent {
    process_id: Uuid,
    kind: String,
    attempt: i32,
    from_status: Option<String>,
    to_status: Option<String>,
    actor: String,
    target: Option<String>,
}

/// Everything that is there of the users of the run.
pub(super) async fn facts(
    book: &Book,
    env: &StackEnv,
    functions: &LocalFunctions,
    database: &PgPool,
) -> Result<Facts> {
    let subs: Vec<_> = book.users.iter().map(|user| user.sub.clone()).collect();
    let mut facts = Facts {
        rows: rows(&subs, database).await?,
        events: events(&subs, database).await?,
        items: items(&subs, database).await?,
        staged: staged(&subs, database).await?,
        ends: ends(book.began_at - SLACK_MS, database).await?,
        codes: codes(CONTRACT),
        ..Facts::default()
    };
    facts.given = sqlx::query_scalar(
        "SELECT COALESCE(sum(calls), 0)::bigint FROM capacity_in_use() WHERE user_id = ANY ($1)",
    )
    .bind(&subs)
    .fetch_one(database)
    .await?;
    facts.waiting = sqlx::query_scalar(
        "SELECT COALESCE(sum(waiting_normal + waiting_low), 0)::bigint
         FROM processing_queue WHERE user_id = ANY ($1)",
    )
    .bind(&subs)
    .fetch_one(database)
    .await?;
    for (name, status) in functions.executions(&env.state_machine_arn).await? {
        facts.executions.entry(name).or_default().push(status);
    }
    facts.logs = logs(book, functions).await?;
    Ok(facts)
}

async fn rows(subs: &[String], database: &PgPool) -> Result<BTreeMap<Uuid, Row>> {
    let stored: Vec<StoredRow> = sqlx::query_as(
        "SELECT id, user_id, type, status, progress, attempt, goal_id, target_id,
                error ->> 'code' AS code, error ->> 'cause' AS cause,
                result -> 'failedTargets' AS failed_targets,
                completed_at IS NOT NULL AS has_completed_at, params ->> 'depth' AS depth,
                original_process_id
         FROM processing_state
         WHERE user_id = ANY ($1)",
    )
    .bind(subs)
    .fetch_all(database)
    .await
    .context("the processes cannot be read")?;
    let row = |stored: StoredRow| {
        let row = Row {
            user: stored.user_id,
            status: stored.status,
            progress: stored.progress.into(),
            attempt: stored.attempt.into(),
            goal: stored.goal_id,
            code: stored.code,
            cause: stored.cause,
            failed_targets: stored.failed_targets.as_ref().map(failed_targets).unwrap_or_default(),
            has_completed_at: stored.has_completed_at,
            depth: stored.depth,
            target: Some(stored.target_id),
            process_type: stored.process_type,
            retry_of: stored.original_process_id,
        };
        (stored.id, row)
    };
    Ok(stored.into_iter().map(row).collect())
}

async fn events(subs: &[String], database: &PgPool) -> Result<BTreeMap<Uuid, Vec<Event>>> {
    let stored: Vec<StoredEvent> = sqlx::query_as(
        "SELECT process_id, kind, event.attempt, from_status, to_status, actor,
                detail ->> 'targetId' AS target
         FROM processing_event event
         JOIN processing_state process ON process.id = process_id
         WHERE user_id = ANY ($1)
         ORDER BY event.id",
    )
    .bind(subs)
    .fetch_all(database)
    .await
    .context("the histories cannot be read")?;
    let mut events: BTreeMap<Uuid, Vec<Event>> = BTreeMap::new();
    for it in stored {
        events.entry(it.process_id).or_default().push(Event {
            kind: it.kind,
            attempt: it.attempt.into(),
            from: it.from_status,
            to: it.to_status,
            actor: it.actor,
            target: it.target.and_then(|target| target.parse().ok()),
        });
    }
    Ok(events)
}

async fn items(subs: &[String], database: &PgPool) -> Result<BTreeMap<Uuid, Vec<Item>>> {
    const SUB_GOALS: &str = "SELECT goals.id, item.id, goals.id, item.position, item.process_id
         FROM goals JOIN sub_goals item ON item.goal_id = goals.id
         WHERE user_id = ANY ($1)";
    const ACTIONS: &str = "SELECT goals.id, item.id, sub_goals.id, item.position, item.process_id
         FROM goals JOIN sub_goals ON goal_id = goals.id
         JOIN actions item ON item.sub_goal_id = sub_goals.id
         WHERE user_id = ANY ($1)";
    const TASKS: &str = "SELECT goals.id, item.id, actions.id, item.position, item.process_id
         FROM goals JOIN sub_goals ON goal_id = goals.id
         JOIN actions ON sub_goal_id = sub_goals.id
         JOIN tasks item ON item.action_id = actions.id
         WHERE user_id = ANY ($1)";
    let mut items: BTreeMap<Uuid, Vec<Item>> = BTreeMap::new();
    let tables = [(Table::SubGoals, SUB_GOALS), (Table::Actions, ACTIONS), (Table::Tasks, TASKS)];
    for (table, query) in tables {
        let found: Vec<(Uuid, Uuid, Uuid, i16, Option<Uuid>)> = sqlx::query_as(query)
            .bind(subs)
            .fetch_all(database)
            .await
            .with_context(|| format!("{} cannot be read", table.name()))?;
        for (goal, id, parent, position, process) in found {
            let item = Item { table, id, parent, position: position.into(), process };
            items.entry(goal).or_default().push(item);
        }
    }
    Ok(items)
}

async fn staged(subs: &[String], database: &PgPool) -> Result<BTreeMap<Uuid, u64>> {
    let found: Vec<(Uuid, i64)> = sqlx::query_as(
        "SELECT process_id, count(*)
         FROM (
             SELECT process_id FROM processing_output
             UNION ALL
             SELECT process_id FROM processing_batch
         ) left_over
         JOIN processing_state process ON process.id = process_id
         WHERE user_id = ANY ($1)
         GROUP BY process_id",
    )
    .bind(subs)
    .fetch_all(database)
    .await
    .context("what is staged cannot be read")?;
    Ok(found.into_iter().map(|(id, count)| (id, u64::try_from(count).unwrap_or(0))).collect())
}

/// Of all processes: the metrics name none.
async fn ends(since_ms: i64, database: &PgPool) -> Result<BTreeMap<String, u64>> {
    let since: DateTime<Utc> = DateTime::from_timestamp_millis(since_ms).unwrap_or_default();
    let found: Vec<(String, i64)> = sqlx::query_as(
        "SELECT kind, count(*) FROM processing_event
         WHERE at >= $1 AND kind IN ('submitted', 'completed', 'failed', 'timed-out', 'cancelled')
         GROUP BY kind",
    )
    .bind(since)
    .fetch_all(database)
    .await
    .context("the ends cannot be counted")?;
    Ok(found.into_iter().map(|(kind, count)| (kind, u64::try_from(count).unwrap_or(0))).collect())
}

/// Reads every line that was written since the run began.
async fn logs(book: &Book, functions: &LocalFunctions) -> Result<Logs> {
    let mut logs = Logs::default();
    let mut secrets = vec![("a text of a goal", book.marker.as_str())];
    secrets.extend(book.users.iter().map(|user| ("a token", user.secret.as_str())));
    secrets.retain(|(_, secret)| !secret.is_empty());
    for group in functions.log_groups().await? {
        let mut ranges = vec![(book.began_at, wall_clock())];
        while let Some((from, to)) = ranges.pop() {
            let lines = functions.log_lines(&group, from, to).await?;
            if lines.len() >= MOST_LINES && from < to {
                // More than one call tells: half of the time, twice.
                let middle = from + (to - from) / 2;
                ranges.extend([(from, middle), (middle + 1, to)]);
                continue;
            }
            for line in lines {
                read(&line, &group, &secrets, &mut logs);
            }
        }
    }
    Ok(logs)
}

fn read(line: &str, group: &str, secrets: &[(&str, &str)], logs: &mut Logs) {
    logs.lines += 1;
    for (what, secret) in secrets {
        if line.contains(secret) {
            logs.leaks.push(format!("{what} stands in a line of {group}"));
        }
    }
    if !line.contains(METRICS) {
        return;
    }
    let Ok(metric) = serde_json::from_str::<Value>(line) else { return };
    if metric.get("_aws").is_none() {
        return;
    }
    for (name, value) in metric.as_object().into_iter().flatten() {
        if let Some(value) = value.as_f64().filter(|_| name.starts_with(METRICS)) {
            *logs.metrics.entry(name.clone()).or_default() += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_those_that_the_contract_lists() {
        let codes = codes(CONTRACT);
        assert!(codes.len() > 30 && codes.contains("AI_THROTTLING"), "{codes:?}");
        assert!(codes.iter().all(|code| !code.contains(' ')), "{codes:?}");
    }

    #[test]
    fn a_secret_in_a_line_is_told_without_it_and_metrics_are_added_up() {
        let mut logs = Logs::default();
        let line = r#"{"_aws":{},"Stack":"default","AsyncProcessingCompleted":1.0}"#;
        for line in [line, line, r#"{"message":"hidden words"}"#, "plain"] {
            read(line, "/aws/lambda/x", &[("a text", "hidden")], &mut logs);
        }
        assert_eq!(logs.lines, 4);
        assert_eq!(logs.leaks, ["a text stands in a line of /aws/lambda/x"]);
        assert_eq!(logs.metrics["AsyncProcessingCompleted"].to_string(), "2");
    }
}
