//! The functions as they are shipped, each a fresh process that is given its invocations as Lambda
//! gives them, before an AWS that answers at once and a real Postgres with TLS.
//!
//! | file | holds |
//! |---|---|
//! | this one | what is measured, in its order |
//! | `calls` | the events |
//! | `figures` | medians, targets, verdicts, the table |
//! | `outside` | the secret, Step Functions and the model |
//! | `place` | the machine, and whether it is quiet |
//! | `wire` | when the function spoke to Postgres |

mod calls;
mod figures;
mod outside;
mod place;
mod wire;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use self::calls::{Call, Calls};
use self::figures::{Row, Sample};
use self::outside::Outside;
use self::wire::{Wire, turns};
use super::Server;
use super::lambda::Function;
use super::table::Table;
use crate::output;
use crate::stack::{InstanceName, Reporter};

/// What can be chosen.
#[derive(Debug, clap::Args)]
pub(crate) struct FunctionsArgs {
    /// Fresh processes of each function.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Warm calls of each process; of the worker half as many.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    calls: u32,
    /// Rows of the table.
    #[arg(long, default_value_t = 10_000,
          value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    rows: u32,
    /// Keep the processors awake meanwhile, which takes root: idle ones that halt cost half as much
    /// again.
    #[arg(long)]
    awake: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The server to make the table on, in a database of its own; by default the running stack's.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// The functions as `cargo aigen up --release` builds them.
    #[arg(long, default_value = ".aws-sam/build")]
    functions: PathBuf,
}

/// A function: the folder of its program, and its name.
const FUNCTIONS: [(&str, &str); 7] = [
    ("AsyncProcessingHandler", "async-processing-handler"),
    ("AiGenerationWorker", "ai-generation-worker"),
    ("RetryHandler", "retry-handler"),
    ("CancelHandler", "cancel-handler"),
    ("Reconciler", "reconciler"),
    ("Diagnostics", "diagnostics"),
    ("Migrator", "migrator"),
];

pub(super) async fn run(
    args: &FunctionsArgs,
    instance: InstanceName,
    reporter: &Reporter,
) -> Result<()> {
    for (folder, _) in FUNCTIONS {
        let program = program(args, folder);
        ensure!(
            program.is_file(),
            "{} is not there: run `cargo aigen up --release`, or say --functions",
            program.display()
        );
    }
    let _awake = args.awake.then(place::keep_awake).transpose()?;
    let server = Server::of(args.database_url.as_deref(), instance)?;
    let what = format!("Filling a table of {} rows", args.rows);
    let table = reporter.step(&what, Table::make(&server.url, args.rows, 10)).await?;
    let measured = measure(args, &server, &table, reporter).await;
    table.drop().await?;
    let rows = measured?;
    if args.json {
        output::line(json!({"place": place::told(args.awake), "rows": rows}));
        return Ok(());
    }
    output::line(place::told(args.awake));
    output::line("");
    output::line("| what | median | range | target | verdict |");
    output::line("|---|---|---|---|---|");
    for row in &rows {
        output::line(row);
    }
    Ok(())
}

fn program(args: &FunctionsArgs, folder: &str) -> PathBuf {
    args.functions.join(folder).join("bootstrap")
}

async fn measure(
    args: &FunctionsArgs,
    server: &Server,
    table: &Table,
    reporter: &Reporter,
) -> Result<Vec<Row>> {
    let wire = Wire::to(table.port()).await?;
    let direct = table.secret();
    let mut by_wire = direct.clone();
    by_wire["port"] = wire.port.into();
    let outside = Outside::serve().await?;
    let bench = Bench { args, wire, outside, server, direct, by_wire };
    let mut rows = Vec::new();
    for (folder, name) in FUNCTIONS {
        rows.push(size(&program(args, folder), name)?);
    }
    let mut calls = Calls::default();
    for (call, cold, p50, cpu) in [
        (Call::Status, 25.0, 0.45, 0.3),
        (Call::Generate, 35.0, 2.8, f64::INFINITY),
        (Call::Work, 35.0, 3.7, 1.2),
    ] {
        let step = format!("Measuring {}", call.name());
        let measured = reporter.step(&step, bench.measure(call, &mut calls)).await?;
        rows.extend(measured.rows(call.name(), cold, p50, cpu));
    }
    Ok(rows)
}

/// The zip of a program, as `sam deploy` packs it.
fn size(program: &Path, name: &str) -> Result<Row> {
    let bytes =
        std::fs::read(program).with_context(|| format!("{} cannot be read", program.display()))?;
    let mut sample = Sample::default();
    #[expect(clippy::cast_precision_loss, reason = "no program comes near 2^52 bytes")]
    sample.push(crate::stack::packed(&bytes)?.len() as f64 / 1e6);
    Ok(Row::of(format!("{name}: zip"), "MB", &sample, Some(4.0)))
}

/// Where functions are measured.
struct Bench<'a> {
    args: &'a FunctionsArgs,
    wire: Wire,
    outside: Outside,
    server: &'a Server,
    /// The secret that leads to Postgres, and the one that leads there through the wire.
    direct: Value,
    by_wire: Value,
}

/// Warm calls whose turns are counted.
const LOOKED_AT: u32 = 10;

/// What was measured of a call.
#[derive(Default)]
struct Measured {
    cold: Sample,
    /// From one step of a cold start to the next.
    phases: [Sample; 5],
    p50: Sample,
    p95: Sample,
    cpu: Sample,
    memory: Sample,
    /// Times that a warm call has to wait for Postgres.
    waits: Sample,
}

/// The steps, each by what ends it.
const PHASES: [&str; 5] = [
    "process, until the secret is asked for",
    "secret, until Postgres is spoken to",
    "TLS",
    "login",
    "statements, until the answer",
];

impl Bench<'_> {
    async fn measure(&self, call: Call, calls: &mut Calls) -> Result<Measured> {
        let mut measured = Measured::default();
        for _ in 0..self.args.runs {
            if call == Call::Work {
                self.submit(calls, call.count(self.args.calls) + LOOKED_AT + 2).await?;
            }
            self.outside.tell(&self.direct);
            self.time(call, calls, &mut measured).await?;
            self.outside.tell(&self.by_wire);
            self.look(call, calls, &mut measured).await?;
        }
        Ok(measured)
    }

    /// A worker works at what was accepted: so many jobs before, by a function of its own.
    async fn submit(&self, calls: &mut Calls, jobs: u32) -> Result<()> {
        self.outside.tell(&self.direct);
        let mut api = self.start(Call::Generate).await?;
        for _ in 0..jobs {
            let answer = api.invoke(calls.event(Call::Generate)?).await?.answer;
            calls.accepted(&answer)?;
        }
        api.end().await
    }

    /// One fresh process, cold and then warm, with nothing between it and Postgres.
    #[expect(clippy::cast_precision_loss, reason = "no memory comes near 2^52 bytes")]
    async fn time(&self, call: Call, calls: &mut Calls, measured: &mut Measured) -> Result<()> {
        let first = calls.event(call)?;
        let began = Instant::now();
        let mut function = self.start(call).await?;
        let answer = function.invoke(first).await?;
        measured.cold.push_ms(began.elapsed());
        call.check(&answer.answer)?;
        let count = call.count(self.args.calls);
        let (mut times, mut cpu, mut peak) = (Sample::default(), Duration::ZERO, 0);
        for _ in 0..count {
            let invoked = function.invoke(calls.event(call)?).await?;
            call.check(&invoked.answer)?;
            times.push_ms(invoked.took);
            cpu += invoked.cpu;
            peak = invoked.peak_rss;
        }
        measured.memory.push(peak as f64 / 1e6);
        measured.p50.push(times.percentile(50).unwrap_or_default());
        measured.p95.push(times.percentile(95).unwrap_or_default());
        measured.cpu.push_ms(cpu / count);
        function.end().await
    }

    /// Another fresh process, through the wire: its steps, and how often it waits for Postgres.
    #[expect(clippy::cast_precision_loss, reason = "there are a few dozen turns")]
    async fn look(&self, call: Call, calls: &mut Calls, measured: &mut Measured) -> Result<()> {
        let first = calls.event(call)?;
        self.wire.take();
        let began = Instant::now();
        let mut function = self.start(call).await?;
        call.check(&function.invoke(first).await?.answer)?;
        if let Some(steps) = self.steps(began, Instant::now()) {
            for (phase, span) in measured.phases.iter_mut().zip(steps) {
                phase.push_ms(span);
            }
        }
        self.wire.take();
        for _ in 0..LOOKED_AT {
            call.check(&function.invoke(calls.event(call)?).await?.answer)?;
        }
        let turns = turns(&self.wire.take()).len();
        measured.waits.push(turns as f64 / f64::from(LOOKED_AT));
        function.end().await
    }

    /// The five steps of a cold start that has just been.
    fn steps(&self, began: Instant, answered: Instant) -> Option<[Duration; 5]> {
        let secret = self.outside.secret_asked()?;
        // Asks for TLS; greets in TLS; says in TLS who logs in; proves it, in two turns; goes on.
        let turns = turns(&self.wire.take());
        let (&asks, &logs_in, &goes_on) = (turns.first()?, turns.get(2)?, turns.get(5)?);
        let times = [began, secret, asks, logs_in, goes_on, answered];
        let mut steps = [Duration::ZERO; 5];
        for (step, pair) in steps.iter_mut().zip(times.windows(2)) {
            *step = pair[1].saturating_duration_since(pair[0]);
        }
        Some(steps)
    }

    async fn start(&self, call: Call) -> Result<Function> {
        let (folder, name) = FUNCTIONS[usize::from(call == Call::Work)];
        let unlimited = || "1000000".to_owned();
        let variables = [
            ("AWS_ENDPOINT_URL", self.outside.url.clone()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("DATABASE_SECRET_ARN", "bench".to_owned()),
            ("DATABASE_TLS", "verify-full".to_owned()),
            ("DATABASE_CA_FILE", self.server.ca_file.clone()),
            ("STATE_MACHINE_ARN", outside::MACHINE.to_owned()),
            ("MODEL_IDS", "anthropic.claude-sonnet-4-6".to_owned()),
            ("MODEL_CALLS_LIMIT", "30000".to_owned()),
            ("MAX_WAITING_PER_USER", "30000".to_owned()),
            ("RATE_LIMIT_PER_MINUTE", unlimited()),
            ("READ_LIMIT_PER_MINUTE", unlimited()),
        ];
        Function::start(&program(self.args, folder), name, &variables).await
    }
}

impl Measured {
    fn rows(&self, name: &str, cold: f64, p50: f64, cpu: f64) -> Vec<Row> {
        let target = |value: f64| Some(value).filter(|value| value.is_finite());
        let row = |what: &str, unit, sample: &Sample, most| {
            Row::of(format!("{name}: {what}"), unit, sample, most)
        };
        let mut rows = vec![row("cold, spawn to answer", "ms", &self.cold, target(cold))];
        rows.extend(
            PHASES
                .iter()
                .zip(&self.phases)
                .map(|(phase, sample)| row(&format!("cold · {phase}"), "ms", sample, None)),
        );
        rows.extend([
            row("warm p50", "ms", &self.p50, target(p50)),
            row("warm p95", "ms", &self.p95, None),
            row("processor a call", "ms", &self.cpu, target(cpu)),
            row("waits for Postgres a call", "", &self.waits, None),
            row("peak memory", "MB", &self.memory, Some(12.0)),
        ]);
        rows
    }
}

/// What a function was asked, refused or not.
fn is_success(answer: &Value) -> bool {
    answer["statusCode"].as_u64().is_none_or(|status| status < 300)
}
