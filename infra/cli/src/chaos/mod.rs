//! `chaos`: mixed load on the local stack while everything goes wrong that can; then one sweep, and
//! an auditor. It reads what clients were told, the database, the executions, the logs and the
//! metrics, and holds them against the invariants of the design.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verb, and the order of things |
//! | `plan/` | the acts and the faults, by seed: pure |
//! | `dice` | chance that can be repeated |
//! | `book` | what was seen from outside, as it can be kept |
//! | `run` | what all parts of a run share |
//! | `client`, `http` | what clients do |
//! | `planted` | what is in the goal tables before |
//! | `hands` | doing the faults, and undoing them |
//! | `monitor` | looking at capacity and memory meanwhile |
//! | `after` | waiting, the sweep, and whether all works again |
//! | `reading` | the facts |
//! | `audit/` | facts to violations: pure |
//! | `told` | what is printed |
//!
//! Exit code 0: every invariant holds. 1: one is broken. 2: it could not run.

mod after;
mod audit;
mod book;
mod client;
mod dice;
mod hands;
mod http;
mod monitor;
mod plan;
mod planted;
mod reading;
mod run;
mod told;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::value_parser;
use futures_util::StreamExt;
use futures_util::stream::iter;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::time::sleep;

use crate::output;
use crate::stack::{self, Hands, InstanceName, LocalFunctions, Reporter, StackEnv};
use after::After;
use book::Book;
use client::Clients;
use hands::{Doer, Places};
use http::Api;
use monitor::{Monitor, person};
use plan::Plan;
use planted::Planted;
use run::Run;

/// Clients who wait for something at a time. More would measure the gateway, which is one process
/// of Python, and nothing else.
const CLIENTS_AT_ONCE: usize = 64;
/// Faults that hold at a time.
const FAULTS_AT_ONCE: usize = 3;
/// Requests a minute of each user: the limit has tests of its own.
const REQUESTS_A_MINUTE: i32 = 1_000_000;

/// What `chaos` can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ChaosArgs {
    /// Jobs that are asked for.
    #[arg(long, value_name = "N", default_value_t = 200)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// What is drawn from: the same seed, jobs and minutes are the same plan.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// For how long jobs are asked for and faults come.
    #[arg(long, value_name = "M", default_value_t = 2)]
    #[arg(value_parser = value_parser!(u16).range(1..=120))]
    minutes: u16,
    /// Deploy all functions anew in the middle.
    #[arg(long)]
    deploy: bool,
    /// Keep what clients were told in this file, to audit again.
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
    /// Do nothing but audit what such a file holds against the stack as it is now.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["book", "jobs", "seed", "minutes"])]
    audit: Option<PathBuf>,
    /// Print it for machines.
    #[arg(long)]
    json: bool,
}

/// A stack, and how it is reached.
struct Place {
    env: StackEnv,
    hands: Hands,
    functions: LocalFunctions,
    owner: PgPool,
    superuser: PgPool,
    reporter: Reporter,
    http: reqwest::Client,
}

/// Runs it on the local stack that is named. There is no other that it could reach: it needs the
/// records of its processes.
pub(crate) async fn run(args: &ChaosArgs, instance: InstanceName) -> Result<ExitCode> {
    let place = Place::of(instance)?;
    let book = match &args.audit {
        Some(file) => read_book(file)?,
        None => seen(args, &place).await?,
    };
    if let Some(file) = &args.book {
        let text = serde_json::to_string(&book)?;
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let facts = reading::facts(&book, &place.env, &place.functions, &place.owner).await?;
    let report = audit::audit(&book, &facts);
    if args.json {
        output::line(told::data(&book, &facts, &report));
    } else {
        output::line(told::text(&book, &facts, &report));
    }
    Ok(if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was seen of a run. Whatever ends it, nothing of it holds any more then.
async fn seen(args: &ChaosArgs, place: &Place) -> Result<Book> {
    let outcome = stack::unless_interrupted(Box::pin(whole(args, place))).await;
    place.quiet().await?;
    match outcome? {
        Some(book) => book,
        None => bail!("interrupted; the stack is as it was, and what runs goes on"),
    }
}

fn read_book(file: &Path) -> Result<Book> {
    let text =
        fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is no book", file.display()))
}

impl Place {
    fn of(instance: InstanceName) -> Result<Self> {
        let env = stack::current(instance)?;
        let pool = |url: &str, most| {
            let options = PgPoolOptions::new().max_connections(most);
            options.acquire_timeout(Duration::from_secs(10)).connect_lazy(url)
        };
        let hands = Hands::of(instance)?;
        // A run that was killed may have left something to stand still.
        hands.go_on();
        Ok(Self {
            hands,
            functions: LocalFunctions::of(&env)?,
            owner: pool(&env.database_url, 4)?,
            superuser: pool(&env.superuser_url, 1)?,
            reporter: Reporter::to_stderr(),
            http: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?,
            env,
        })
    }

    /// Has nothing of a run hold any more.
    async fn quiet(&self) -> Result<()> {
        let database = self.hands.start_database(&self.reporter).await;
        let url = format!("{}/_reset", self.env.model_url);
        let kind = self.http.post(url).send().await.context("the model double does not answer");
        // What throttling has made of the limit, and of the models, was the run's.
        let capacity = sqlx::raw_sql(
            "DELETE FROM processing_model;
             UPDATE processing_capacity SET lowered_to = NULL, lowered_at = NULL",
        );
        let whole = capacity.execute(&self.owner).await;
        database?;
        kind?;
        whole?;
        Ok(())
    }
}

/// A whole run, up to the audit.
async fn whole(args: &ChaosArgs, place: &Place) -> Result<Book> {
    let lasts = Duration::from_mins(args.minutes.into());
    let plan = Plan::of(args.seed, args.jobs, lasts, args.deploy);
    let name = format!("chaos-{}", &client::new_id().simple().to_string()[..12]);
    let marker = format!("印{}", &client::new_id().simple().to_string()[..12]);
    let names: Vec<_> = (0..plan.users).map(|user| format!("{name}-{user}")).collect();
    let mut tokens = Vec::new();
    let mut book = Book { marker: marker.clone(), seed: args.seed, ..Book::default() };
    for name in &names {
        let token = stack::token(&place.env, name).await?;
        book.users.push(person(&token)?);
        tokens.push(token);
    }
    let subs: Vec<_> = book.users.iter().map(|user| user.sub.clone()).collect();
    for sub in &subs {
        sqlx::query("INSERT INTO rate_limit (user_id, per_minute) VALUES ($1, $2)")
            .bind(sub)
            .bind(REQUESTS_A_MINUTE)
            .execute(&place.owner)
            .await?;
    }
    let planted = Planted::store(&plan, &subs, &marker, &place.owner).await?;
    let capacity = place.functions.invoke("reconciler", &json!({"action": "capacity"})).await?;
    book.capacity.limit = capacity["data"]["limit"]["calls"].as_i64().context("no limit")?;
    place.quiet().await?;
    book.began_at = run::wall_clock();
    book.asked_for_ms = u64::try_from(plan.lasts.as_millis()).unwrap_or(u64::MAX);

    let run = Run::begin(book, tokens, plan.lasts);
    run.faults_left.set(plan.faults.len());
    let doer = Doer {
        run: &run,
        env: &place.env,
        hands: &place.hands,
        functions: &place.functions,
        owner: &place.owner,
        superuser: &place.superuser,
        reporter: &place.reporter,
        subs: &subs,
        http: &place.http,
        places: Places::default(),
    };
    let monitor = Monitor {
        run: &run,
        env: &place.env,
        hands: &place.hands,
        owner: &place.owner,
        names: &names,
    };
    let api = Api::new(&place.env.api_url)?;
    let clients = Clients { run: &run, api: &api, planted: &planted, name: &name };
    doer.usual_world().await?;
    let after = After { run: &run, place, subs: &subs, api: &api };
    let work = async {
        tokio::join!(act(&plan, &run, &clients), go_wrong(&plan, &run, &doer));
        after.settle(&doer).await
    };
    tokio::select! {
        done = Box::pin(work) => done?,
        never = monitor.watch() => never,
        never = show(&run) => never,
    }
    let mut book = run.book.into_inner();
    book.lasted_ms = run.lasted.get();
    Ok(book)
}

/// Each client acts in time, as far as there are clients to.
async fn act(plan: &Plan, run: &Run, clients: &Clients<'_>) {
    let in_time = iter(&plan.acts).then(async |act| {
        run.until(act.at).await;
        act
    });
    in_time.for_each_concurrent(CLIENTS_AT_ONCE, |act| clients.act(act)).await;
}

/// Each fault comes in time, and is healed.
async fn go_wrong(plan: &Plan, run: &Run, doer: &Doer<'_>) {
    let in_time = iter(&plan.faults).then(async |fault| {
        run.until(fault.at).await;
        fault
    });
    in_time.for_each_concurrent(FAULTS_AT_ONCE, |fault| doer.fault(fault)).await;
}

/// Says how far it is, where somebody watches.
async fn show(run: &Run) -> ! {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    loop {
        bar.tick();
        bar.set_message(run.so_far());
        sleep(Duration::from_millis(250)).await;
    }
}
