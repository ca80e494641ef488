//! More than there is capacity for, through the deployed API: what a quota far below the demand, a
//! crowd of one user and a whole chart cost the others. It measures the running stack: bring it up
//! with `--release` for the functions as they are shipped.

mod load;
mod row;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use self::{
    load::{Load, Submitted},
    row::{Row, Target, figure},
};
use crate::{
    output,
    stack::{self, InstanceName, Reporter},
};

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct CrowdArgs {
    /// Jobs before the small quota.
    #[arg(long, default_value_t = 90)]
    jobs: usize,
    /// Jobs of the one user beside whom ten others ask for one each.
    #[arg(long, default_value_t = 300)]
    crowd: usize,
    /// Print the rows as JSON.
    #[arg(long)]
    json: bool,
}

/// Users who share the jobs before the small quota.
const USERS: usize = 15;
/// More than are admitted at once.
const FEWEST_JOBS: usize = 20;
/// Seconds for each job: a quarter more than the quota of one model allows.
const SECONDS_A_JOB: f64 = 105.0 / 90.0;

pub(super) async fn run(
    args: &CrowdArgs,
    instance: InstanceName,
    reporter: &Reporter,
) -> Result<()> {
    ensure!(args.jobs >= FEWEST_JOBS, "--jobs: at least {FEWEST_JOBS}, or else none would wait");
    ensure!(args.crowd > 0, "--crowd: at least 1");
    let load = Load::on(stack::current(instance)?).await?;
    let measured = measure(args, &load, reporter).await;
    load.over().await?;
    let rows = measured?;
    if args.json {
        output::line(json!({ "rows": rows }));
    } else {
        row::print(&rows);
    }
    Ok(())
}

async fn measure(args: &CrowdArgs, load: &Load, reporter: &Reporter) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    rows.extend(reporter.step("Jobs before a small quota", quota(args, load)).await?);
    rows.extend(reporter.step("Lone users beside a crowd", lone(args, load)).await?);
    rows.extend(reporter.step("Singles beside a whole chart", chart(load)).await?);
    rows.push(reporter.step("A batch of 100 requests", batch(load)).await?);
    Ok(rows)
}

/// Jobs of fifteen users at once against 60 requests a minute of each model, burst 10, 3 s a call.
async fn quota(args: &CrowdArgs, load: &Load) -> Result<Vec<Row>> {
    load.world(&json!({"requestsPerMinute": 60, "burst": 10, "delayMs": 3_000})).await?;
    let users = load.users("quota", USERS).await?;
    let jobs: Vec<_> = (0..args.jobs).map(|n| &users[n % USERS]).collect();
    let submitted = load.submit(&jobs).await?;
    load.until_ended(&submitted).await?;
    let ended = load.ended(&submitted).await?;
    let (calls, throttled) = load.calls().await?;
    let what = format!("{} jobs of {USERS} users, quota 60 a minute, burst 10, 3 s", args.jobs);
    let jobs = figure(args.jobs);
    Ok(vec![
        Row::one(&format!("{what}: completed"), ended.completed, "jobs", Target::AtLeast(jobs)),
        Row::one(
            &format!("{what}: all done"),
            ended.seconds,
            "s",
            Target::AtMost(SECONDS_A_JOB * jobs),
        ),
        Row::one(
            &format!("{what}: calls throttled"),
            100.0 * throttled / calls.max(1.0),
            "%",
            Target::AtMost(20.0),
        ),
        Row::of(
            "a free call with something waiting: until the next is admitted",
            &load.idle_gaps(&submitted).await?,
            "ms",
            Target::AtMost(2_000.0),
        ),
    ])
}

/// Ten users with one job each, after one user's crowd; quota 240 a minute, 1 s a call.
async fn lone(args: &CrowdArgs, load: &Load) -> Result<Vec<Row>> {
    load.world(&json!({"requestsPerMinute": 240, "burst": 40, "delayMs": 1_000})).await?;
    let users = load.users("crowd", 1).await?;
    let others = load.users("lone", 10).await?;
    let idle = load.submit(&[&others[0]]).await?;
    load.until_ended(&idle).await?;
    let idle = load.ended(&idle).await?.seconds;
    let crowd = load.submit(&vec![&users[0]; args.crowd]).await?;
    let lone = load.submit(&others.iter().collect::<Vec<_>>()).await?;
    load.until_ended(&lone).await?;
    let took = load.durations(&lone).await?;
    load.until_ended(&crowd).await?;
    let completed = load.ended(&crowd).await?.completed;
    let what = format!("ten lone users after one user's {}", args.crowd);
    let times: Vec<f64> = took.iter().map(|seconds| seconds / idle).collect();
    Ok(vec![
        Row::of(&format!("{what}: × an idle job"), &times, "×", Target::AtMost(5.0)),
        Row::one(
            &format!("{what}: the crowd completed"),
            completed,
            "jobs",
            Target::AtLeast(figure(args.crowd)),
        ),
    ])
}

/// Forty singles of forty users beside a chart to tasks, 1 s a call.
async fn chart(load: &Load) -> Result<Vec<Row>> {
    load.world(&json!({"delayMs": 1_000})).await?;
    let owner = load.users("chart", 1).await?;
    let singles = load.users("single", 40).await?;
    let alone = load.submit_chart(&owner[0]).await?;
    load.until_ended(&alone).await?;
    let alone = load.ended(&alone).await?.seconds;
    let chart = load.submit_chart(&owner[0]).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let submitted = load.submit(&singles.iter().collect::<Vec<_>>()).await?;
    load.until_ended(&submitted).await?;
    let took = load.durations(&submitted).await?;
    load.until_ended(&chart).await?;
    let beside = load.ended(&chart).await?.seconds;
    Ok(vec![
        Row::one("a chart to tasks (73 calls of 1 s) alone", alone, "s", Target::None),
        Row::one("the same beside 40 singles", beside, "s", Target::None),
        Row::of("40 singles beside it", &took, "s", Target::AtMost(alone)),
    ])
}

/// A hundred requests in one call, which can all begin to wait at once.
async fn batch(load: &Load) -> Result<Row> {
    load.world(&json!({"delayMs": 1})).await?;
    let user = load.users("batch", 1).await?;
    let mut took = Vec::new();
    for _ in 0..7 {
        let (milliseconds, submitted): (f64, Submitted) = load.submit_batch(&user[0], 100).await?;
        took.push(milliseconds);
        load.until_ended(&submitted).await?;
    }
    Ok(Row::of("a batch of 100 requests", &took, "ms", Target::AtMost(150.0)))
}
