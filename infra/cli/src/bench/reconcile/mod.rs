//! One sweep of the deployed reconciler, over tables that differ in nothing but their size.

mod engine;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use self::engine::Engine;
use super::Server;
use super::lambda::{Function, Invoked};
use super::table::Table;
use crate::{
    output,
    stack::{InstanceName, Reporter},
};

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct ReconcileArgs {
    /// Rows of the large table.
    #[arg(long, default_value_t = 1_000_000)]
    rows: u32,
    /// Rows of the small one.
    #[arg(long, default_value_t = 10_000)]
    small: u32,
    /// Active processes in each.
    #[arg(long, default_value_t = 10_000)]
    active: u32,
    /// How many of them disagree with their executions.
    #[arg(long, default_value_t = 1_000)]
    drifted: u32,
    /// Seconds that each search of the log takes.
    #[arg(long, default_value_t = 0)]
    log_seconds: u64,
    /// The server to make the tables on, in databases of their own; by default the running stack's.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The function as `cargo aigen up --release` builds and deploys it.
    #[arg(long, default_value = ".aws-sam/build/Reconciler/bootstrap")]
    function: PathBuf,
}

pub(super) async fn run(
    args: &ReconcileArgs,
    instance: InstanceName,
    reporter: &Reporter,
) -> Result<()> {
    ensure!(
        args.drifted <= args.active && args.active <= args.small.min(args.rows),
        "more drifted than active, or more active than rows"
    );
    ensure!(
        args.function.exists(),
        "{} is not there: run `cargo aigen up --release`, or say --function",
        args.function.display()
    );
    let Server { url: server, ca_file } = Server::of(args.database_url.as_deref(), instance)?;
    output::line(
        "|  | List | Describe | other calls | wall (s) | own time (s) | CPU (s) | peak RSS (MB) \
         | repaired |",
    );
    output::line("|---|---|---|---|---|---|---|---|---|");
    for rows in [args.small, args.rows] {
        let table = reporter
            .step(
                &format!("Filling a table of {rows} rows"),
                Table::make(&server, rows, args.active),
            )
            .await?;
        let measured = measure(args, &table, &ca_file).await;
        table.drop().await?;
        let [first, second] = measured?;
        output::line(line(
            &format!("{rows} rows, {} active, {} drifted", args.active, args.drifted),
            &first,
        ));
        output::line(line(&format!("{rows} rows, the sweep after"), &second));
        ensure!(
            first.answer["data"]["repaired"] == json!(args.drifted),
            "not all was repaired: {}",
            first.answer["data"]
        );
        ensure!(
            second.answer["data"]["drift"] == json!(0),
            "the second sweep found something: {}",
            second.answer["data"]
        );
    }
    Ok(())
}

async fn measure(args: &ReconcileArgs, table: &Table, ca_file: &str) -> Result<[Invoked; 2]> {
    let engine = Engine::serve(args, table.secret()).await?;
    // The quotas are those of an account, not of this machine: here calls cost what they cost.
    let unlimited = || "1000000".to_owned();
    let variables = [
        ("AWS_ENDPOINT_URL", engine.url()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
        ("DATABASE_SECRET_ARN", "bench".to_owned()),
        ("DATABASE_TLS", "verify-full".to_owned()),
        ("DATABASE_CA_FILE", ca_file.to_owned()),
        ("STATE_MACHINE_ARN", engine::MACHINE.to_owned()),
        ("WORKER_LOG_GROUP", "/aws/lambda/ai-generation-worker".to_owned()),
        ("LIST_EXECUTIONS_PER_SECOND", unlimited()),
        ("DESCRIBE_EXECUTION_PER_SECOND", unlimited()),
        ("FILTER_LOG_EVENTS_PER_SECOND", unlimited()),
    ];
    let mut function = Function::start(&args.function, "reconciler", &variables).await?;
    let first = function.invoke(json!({})).await?;
    ensure!(first.answer["success"] == json!(true), "the sweep was refused: {}", first.answer);
    engine.agrees_with(&first.answer["data"]["calls"])?;
    let second = function.invoke(json!({})).await?;
    function.end().await?;
    Ok([first, second])
}

fn line(what: &str, invoked: &Invoked) -> String {
    let data = &invoked.answer["data"];
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let calls = &data["calls"];
    let other = number(&calls["startExecution"])
        + number(&calls["stopExecution"])
        + number(&calls["filterLogEvents"]);
    #[expect(clippy::cast_precision_loss, reason = "no memory comes near 2^53")]
    let megabytes = invoked.peak_rss as f64 / 1e6;
    format!(
        "| {what} | {} | {} | {other} | {:.2} | {:.2} | {:.2} | {megabytes:.1} | {} |",
        calls["listExecutions"],
        calls["describeExecution"],
        invoked.took.as_secs_f64(),
        (number(&data["duration"]) - number(&data["waited"]) - number(&data["explaining"]))
            / 1_000.0,
        invoked.cpu.as_secs_f64(),
        data["repaired"],
    )
}
