//! `load`: users who ask for goals, wait for them, look back and change their minds, for some
//! minutes, and what the API answered them meanwhile.
//!
//! Each user is as a person is: the next request begins when the last was answered, so that an API
//! that grows slow is asked less. The figures are of what was answered, not of what more users
//! would have waited.
//!
//! | file | holds |
//! |---|---|
//! | this one | the verb, its bounds, and the order of things |
//! | `target` | which API, with whose tokens, and whether that is meant |
//! | `api` | one request, and what its answer is |
//! | `user` | what one user does |
//! | `end` | cancelling what the users have left behind |
//! | `measure` | what is counted: pure |
//! | `told` | what is printed |
//!
//! It is bounded in users, time and jobs, and what still runs at the end is cancelled, since a job
//! on AWS costs money. Exit code 0: all was answered and every job came to its end. 1: not so.

mod api;
mod end;
mod measure;
mod target;
#[cfg(test)]
mod tests;
mod told;
mod user;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::value_parser;
use futures_util::future::join_all;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep, timeout};

use crate::output;
use crate::stack::{self, InstanceName};
use api::Api;
use measure::{Answer, Measured};
use target::Target;
use user::User;

/// How long who interrupts a run waits for what is under way.
const QUICK: Duration = Duration::from_millis(300);

/// What `load` can be told.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct LoadArgs {
    /// Users who ask at the same time.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = value_parser!(u16).range(1..=500))]
    users: u16,
    /// For how long.
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u16).range(1..=60))]
    minutes: u16,
    /// Seconds from one job of a user to the next, or longer, as long as the first takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = value_parser!(u16).range(1..=600))]
    every: u16,
    /// So many jobs at most, of all users.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    #[arg(value_parser = value_parser!(u32).range(1..=100_000))]
    jobs: u32,
    /// The API of another stack, as its output `ApiUrl` says; by default, that of the local one.
    #[arg(long, requires = "tokens")]
    url: Option<String>,
    /// A file with an id token of each user, one a line.
    #[arg(long, value_name = "FILE", requires = "url")]
    tokens: Option<PathBuf>,
    /// Do not ask whether that API is meant.
    #[arg(long)]
    yes: bool,
    /// Print the figures as JSON.
    #[arg(long)]
    json: bool,
}

/// How long, how fast and how much.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    lasts: Duration,
    every: Duration,
    jobs: u32,
}

impl LoadArgs {
    const fn bounds(&self) -> Bounds {
        Bounds {
            lasts: Duration::from_secs(self.minutes as u64 * 60),
            every: Duration::from_secs(self.every as u64),
            jobs: self.jobs,
        }
    }
}

/// When it is over, and what all users share.
struct Run {
    until: Instant,
    is_stopped: Cell<bool>,
    /// Jobs that may still be asked for.
    jobs_left: Cell<u32>,
    measured: RefCell<Measured>,
    /// When the API last answered anything.
    last_heard: Cell<Instant>,
}

impl Run {
    fn is_over(&self) -> bool {
        self.is_stopped.get() || Instant::now() >= self.until
    }

    /// Whether one more job may be asked for. It is counted then.
    fn takes_a_job(&self) -> bool {
        let left = self.jobs_left.get();
        self.jobs_left.set(left.saturating_sub(1));
        left > 0
    }

    fn counted(&self, answer: Answer) -> Answer {
        self.measured.borrow_mut().answer(&answer);
        self.heard(answer)
    }

    fn heard(&self, answer: Answer) -> Answer {
        if answer.is_heard() {
            self.hears();
        }
        answer
    }

    fn hears(&self) {
        self.last_heard.set(Instant::now());
    }

    /// Waits, but not beyond the end.
    async fn rest(&self, wait: Duration) {
        const LOOK_EVERY: Duration = Duration::from_millis(200);
        // Whatever the API says, not beyond the end.
        let until = Instant::now().checked_add(wait).unwrap_or(self.until).min(self.until);
        while !self.is_over() && Instant::now() < until {
            sleep(LOOK_EVERY.min(until - Instant::now())).await;
        }
    }
}

/// Runs it, against the stack that is named.
pub(crate) async fn run(args: &LoadArgs, instance: InstanceName) -> Result<ExitCode> {
    let target = Target::find(args, instance).await?;
    if !target.is_meant(args).await? {
        output::aside("nothing was asked");
        return Ok(ExitCode::from(2));
    }
    if target.tokens.len() < usize::from(args.users) {
        let users = target.tokens.len();
        output::aside(format_args!("· {users} users, for there are no more tokens"));
    }
    let api = Api::new(&target.url)?;
    let measured = load(args.bounds(), &api, &target.tokens).await?;
    if args.json {
        output::line(told::data(&measured, &target.url));
    } else {
        output::line(told::text(&measured, &target.url));
    }
    Ok(if measured.is_well() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Has a user of each token at work until the time is over or somebody ends it.
async fn load(bounds: Bounds, api: &Api, tokens: &[String]) -> Result<Measured> {
    let begun = Instant::now();
    let run = Run {
        until: begun + bounds.lasts,
        is_stopped: Cell::new(false),
        jobs_left: Cell::new(bounds.jobs),
        measured: RefCell::new(Measured::new(tokens.len())?),
        last_heard: Cell::new(begun),
    };
    let users: Vec<_> = (0_u32..).zip(tokens).map(|(n, token)| User::new(n, token)).collect();
    let mut work = Box::pin(join_all(users.iter().map(|user| {
        // Not all at the same moment: they are as many people, not one machine.
        let first = bounds.every.mul_f64(user.place_among(users.len()));
        user.work(api, &run, first, bounds.every)
    })));
    tokio::select! {
        // Signals are listened to before the first job is asked for: who interrupts just then would
        // end this program where it stands, and leave that job to run.
        biased;
        interrupted = stack::unless_interrupted(pending::<()>()) => {
            interrupted?;
            run.is_stopped.set(true);
            output::aside("· ending it; to interrupt again leaves what runs");
            // What is quickly answered need not be asked for again.
            let _ = timeout(QUICK, work.as_mut()).await;
        }
        _ = &mut work => {}
        never = watch(&run, begun) => never,
    }
    drop(work);
    let lasted = begun.elapsed();
    end::end(&users, api, &run).await?;
    let mut measured = run.measured.into_inner();
    measured.ended(lasted, run.is_stopped.get());
    Ok(measured)
}

/// Says how far it is, where somebody watches.
async fn watch(run: &Run, begun: Instant) -> ! {
    let bar = ProgressBar::new((run.until - begun).as_secs());
    let template = "{spinner} [{bar:24}] {elapsed} of {human_len} s  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸ "));
    }
    loop {
        bar.set_position(begun.elapsed().as_secs());
        bar.set_message(run.measured.borrow().so_far());
        sleep(Duration::from_millis(250)).await;
    }
}
