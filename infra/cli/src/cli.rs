//! The verbs, and how an error reaches the person: one sentence, then why, then exit code 1, or 2
//! from verbs whose exit code 1 says something else.

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::Shell;

use crate::stack::{self, InstanceName, Reporter};
use crate::{
    bench, chaos, demo, load, model_double, operate, output, simulate, submit, token_check,
};

#[derive(Parser)]
#[command(
    name = "aigen",
    version = env!("AIGEN_VERSION"),
    about = "Operates the AI generation pipeline, on AWS and here; runs the local stack, the demo \
             and the tests",
    disable_help_subcommand = true
)]
struct Cli {
    /// Which local stack: yours, or the one that `test` makes for itself.
    #[arg(long, global = true, env = "AIGEN_INSTANCE", default_value = "dev", hide = true)]
    instance: InstanceName,

    #[command(flatten)]
    place: operate::PlaceArgs,

    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the main job: a goal becomes eight sub-goals, through the real path.
    Demo(demo::DemoArgs),
    /// Bring the local stack up: make what is missing, start what is down, deploy what has changed.
    Up(stack::UpArgs),
    /// End exactly what `up` started; the data stay.
    Down {
        /// Throw the database away as well.
        #[arg(long)]
        wipe: bool,
    },
    /// What runs, where, and since when; exit code 1 when a part is down.
    Status,
    /// Print the exports that point plain commands at the stack: eval "$(cargo aigen env)".
    Env,
    /// Print a JWT of the local user NAME, who is made on first use.
    Token {
        /// The user's name.
        name: String,
    },
    /// Say why the API would refuse a token with 401, or that it would not; the token is read from
    /// standard input.
    CheckToken(token_check::CheckTokenArgs),
    /// Watch a process until it has ended: why it waits, how far it is.
    Watch(demo::WatchArgs),
    /// Send the goals of a file, of any length, in batches; a second run goes on where one stopped.
    Submit(submit::SubmitArgs),
    /// Have users ask, wait and cancel for some minutes, and print how fast they were answered.
    Load(load::LoadArgs),
    /// Have everything go wrong that can while clients ask, on the local stack; then audit it.
    Chaos(chaos::ChaosArgs),
    #[command(flatten)]
    Operate(operate::Verb),
    /// Run all tests on a stack of their own, which is ended afterwards.
    Test(stack::TestArgs),
    /// Measure the functions as they are deployed.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Simulate a crowd before a quota, by the product's own decisions, at any load: nothing is
    /// called or stored.
    Simulate(simulate::SimulateArgs),
    /// Apply infra/migrations to `DATABASE_URL`; with --stack, have the deployed stack apply those
    /// that it was built with.
    Migrate {
        /// Where to; by default the running stack's database.
        #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
        database_url: Option<String>,
        /// With --stack or --adopt: only say what would be done.
        #[arg(long)]
        dry_run: bool,
        /// Adopt the tables of an app, goals, `sub_goals`, actions, tasks and `processing_state`,
        /// with all their rows: docs/adoption.md.
        #[arg(long)]
        adopt: bool,
        /// With --adopt: the `RetentionDays` that the stack will be deployed with (90 unless told
        /// otherwise, 0 for ever). What that would delete is in the way.
        #[arg(long, value_name = "DAYS", requires = "adopt")]
        retention_days: Option<u32>,
    },
    /// Write .sqlx anew: what PostgreSQL says of each compile-time checked query.
    Prepare {
        /// Only say whether it is as it should be.
        #[arg(long)]
        check: bool,
    },
    /// Build the functions as a release holds them, the same bytes wherever they are built, with
    /// manifest, sums, bill of materials and notices.
    Artifacts(stack::ArtifactsArgs),
    /// Make the pinned tools only (sam, cfn-lint, aws, psql) and print the PATH that has them in
    /// front.
    Tools {
        /// Install the linters of CI as well.
        #[arg(long)]
        linters: bool,
    },
    /// Print the completions of a shell, for it to read when it starts.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Serve the model double in the foreground (started by `up`).
    #[command(hide = true)]
    ModelDouble {
        /// Where to listen, on 127.0.0.1.
        #[arg(long, env = stack::MODEL_PORT.variable, default_value_t = stack::MODEL_PORT.usual)]
        port: u16,
        #[command(flatten)]
        upstream: model_double::UpstreamArgs,
    },
}

/// The command line, under the name that it was called by.
fn command() -> clap::Command {
    Cli::command().bin_name(output::program())
}

/// What a shell reads to complete the words of this program, which is called `aigen` then.
fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "aigen", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Runs the verb that the arguments name.
pub async fn run() -> ExitCode {
    let matches = command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let trouble = cli.verb.code_of_trouble();
    match dispatch(cli).await {
        Ok(code) => output::ended(code, trouble),
        Err(error) => {
            output::trouble(&error);
            trouble
        }
    }
}

impl Verb {
    /// The exit code when the verb could not run.
    fn code_of_trouble(&self) -> ExitCode {
        match self {
            // 1 says that it ran, and that a person is needed.
            Self::Chaos(_)
            | Self::CheckToken(_)
            | Self::Load(_)
            | Self::Operate(_)
            | Self::Submit(_)
            | Self::Watch(_) => ExitCode::from(2),
            _ => ExitCode::FAILURE,
        }
    }

    /// Whether it listens to signals by itself, having something to end, to undo or to say.
    fn hears_signals(&self) -> bool {
        match self {
            Self::Chaos(_) | Self::Test(_) | Self::Load(_) | Self::Operate(_) | Self::Submit(_) => {
                true
            }
            Self::Demo(args) => args.cleans_up(),
            _ => false,
        }
    }
}

async fn dispatch(cli: Cli) -> Result<ExitCode> {
    let hears_signals = cli.verb.hears_signals();
    let work = Box::pin(run_verb(cli));
    if hears_signals { work.await } else { stack::interruptible(work).await }
}

async fn run_verb(cli: Cli) -> Result<ExitCode> {
    let instance = cli.instance;
    let reporter = Reporter::to_stderr();
    if !matches!(cli.verb, Verb::Operate(_) | Verb::Migrate { .. }) {
        cli.place.ensure_unused()?;
    }
    match cli.verb {
        Verb::Demo(args) => demo::run(&args).await?,
        Verb::Up(args) => stack::up_verb(instance, args, &reporter).await?,
        Verb::Down { wipe } => stack::down(instance, wipe, &reporter).await?,
        Verb::Status => return stack::status(instance).await,
        Verb::Env => output::line(stack::current(instance)?.exports().trim_end()),
        Verb::CheckToken(args) => return token_check::run(&args, instance).await,
        Verb::Token { name } => {
            let env = stack::current(instance)?;
            output::line(stack::token(&env, &name).await?);
        }
        Verb::Watch(args) => return demo::watch_verb(&args, instance).await,
        Verb::Chaos(args) => return chaos::run(&args, instance).await,
        Verb::Load(args) => return load::run(&args, instance).await,
        Verb::Submit(args) => return submit::run(&args, instance).await,
        Verb::Operate(verb) => return operate::run(&verb, &cli.place, instance).await,
        Verb::Test(args) => return stack::test(&args, &reporter).await,
        Verb::Bench(bench) => return bench::run(&bench, instance, &reporter).await,
        Verb::Simulate(args) => return simulate::run(&args),
        Verb::Migrate { database_url, dry_run, adopt, retention_days } => {
            // A stack that only the shell names gives way to a database that is named.
            let is_deployed = cli.place.stack.is_some()
                || (database_url.is_none() && cli.place.names_a_stack()?);
            if is_deployed {
                ensure!(
                    retention_days.is_none(),
                    "a deployed stack knows its own RetentionDays: leave --retention-days away"
                );
                return operate::migrate(&cli.place, instance, dry_run, adopt).await;
            }
            ensure!(
                !dry_run || adopt,
                "--dry-run is for a deployed stack, or for --adopt: name it with --stack"
            );
            cli.place.ensure_unused()?;
            if adopt {
                return stack::adopt(database_url, dry_run, retention_days.unwrap_or(90)).await;
            }
            stack::migrate(instance, database_url, &reporter).await?;
        }
        Verb::Prepare { check } => stack::prepare(instance, check, &reporter).await?,
        Verb::Artifacts(args) => stack::artifacts(&args, &reporter).await?,
        Verb::Tools { linters } => output::line(stack::tools(linters, &reporter).await?),
        Verb::Completions { shell } => output::line(completions(shell).trim_end()),
        Verb::ModelDouble { port, upstream } => model_double::serve(port, upstream).await?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// What stands behind each `opening` in `text`, up to the `closing` mark.
    fn spans<'a>(text: &'a str, opening: &'a str, closing: char) -> impl Iterator<Item = &'a str> {
        text.split(opening).skip(1).filter_map(move |rest| rest.split(closing).next())
    }

    /// The words of a command of the papers or of a finding, with values for its placeholders.
    fn words(command: &str) -> Vec<String> {
        let id = "00000000-0000-7000-8000-000000000007";
        let value = |word: &str| match word {
            "ID" | "{id}" => id.to_owned(),
            "N" | "{}" => "8".to_owned(),
            "URL" => "http://127.0.0.1:1".to_owned(),
            other => other.trim_matches('\'').to_owned(),
        };
        command.split_whitespace().map(value).collect()
    }

    fn refusal(command: &str) -> Option<String> {
        let words = ["aigen".to_owned()].into_iter().chain(words(command));
        let error = Cli::try_parse_from(words).err()?;
        // Asked for help, clap answers with an error too.
        error.use_stderr().then(|| error.to_string())
    }

    #[test]
    fn every_command_that_papers_and_findings_name_is_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let (mut commands, mut faults) = (0, Vec::new());
        let papers = [
            "README.md",
            "README.ja.md",
            "CONTRIBUTING.md",
            "docs/admission.md",
            "docs/admission.ja.md",
            "docs/backup.md",
            "docs/backup.ja.md",
            "docs/chaos.md",
            "docs/chaos.ja.md",
            "docs/operators.md",
            "docs/operators.ja.md",
            "docs/reconciler.md",
            "docs/release.md",
            "docs/release.ja.md",
            "docs/runbook.en.md",
            "docs/runbook.ja.md",
            "docs/runbook/incident.en.md",
            "docs/runbook/incident.ja.md",
            "docs/runbook/troubles.en.md",
            "docs/runbook/troubles.ja.md",
            "infra/README.md",
        ];
        let sources = [
            "functions/diagnostics/src/health/database.rs",
            "functions/diagnostics/src/health/findings.rs",
            "functions/diagnostics/src/health/findings/jobs.rs",
            "functions/diagnostics/src/health/findings/queue.rs",
            "functions/diagnostics/src/health/findings/reach.rs",
            "functions/diagnostics/src/process/next.rs",
        ];
        // Its descriptions of alarms say "Next: aigen …", each at the end of its line.
        let alarms = [(&"infra/template.yaml", "Next: aigen ", '\n')];
        let named = papers.iter().map(|path| (path, "`cargo aigen ", '`'));
        let told = sources.iter().map(|path| (path, "\"cargo aigen ", '"'));
        for (path, opening, closing) in named.chain(told).chain(alarms) {
            let text = read(path);
            let of_file: Vec<_> = spans(&text, opening, closing).collect();
            commands += of_file.len();
            let refused = of_file.iter().filter_map(|it| Some((it, refusal(it)?)));
            faults.extend(refused.map(|(it, why)| format!("{path}: cargo aigen {it}: {why}")));
        }
        assert!(commands > 50, "{commands}");
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        assert!(refusal("helth").is_some(), "a check that cannot fail");
    }

    /// What a function tells for the local stack is typed otherwise for one on AWS.
    #[test]
    fn a_command_of_a_finding_can_be_typed_for_a_stack_on_aws() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../functions/diagnostics/src");
        let mut folders = vec![root];
        let mut verbs = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text = fs::read_to_string(path).unwrap();
                for command in spans(&text, "cargo aigen ", '"') {
                    let told =
                        operate::for_aws(&format!("cargo aigen {command}"), "aigen", " --stack x");
                    let cli = Cli::try_parse_from(words(&told)).expect(&told);
                    let knows_places = matches!(cli.verb, Verb::Operate(_) | Verb::Migrate { .. });
                    let is_allowed = knows_places || cli.place.ensure_unused().is_ok();
                    assert!(is_allowed, "{told}");
                    verbs.insert(command.split(' ').next().unwrap().to_owned());
                }
            }
        }
        assert!(verbs.len() > 4 && verbs.contains("watch"), "{verbs:?}");
    }

    #[test]
    fn the_options_of_a_stack_stand_before_or_behind_the_verb() {
        for words in [
            "aigen --stack x --region eu-west-1 health",
            "aigen health --stack x --region eu-west-1",
        ] {
            let cli = Cli::try_parse_from(words.split(' ')).unwrap();
            assert_eq!(cli.place.stack.as_deref(), Some("x"));
            assert_eq!(cli.place.region.as_deref(), Some("eu-west-1"));
        }
    }

    #[test]
    fn each_shell_completes_the_verbs_and_their_options() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = completions(shell);
            for word in ["health", "drain", "profile", "per-user"] {
                assert!(script.contains(word), "{word} for {shell}");
            }
        }
    }

    #[test]
    fn the_version_is_the_crate_s() {
        let version = Cli::command().get_version().unwrap().to_owned();
        assert!(version.starts_with(env!("CARGO_PKG_VERSION")), "{version}");
    }
}
