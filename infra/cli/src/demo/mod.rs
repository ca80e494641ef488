//! The main job, shown: a goal goes in through the HTTP API of the local stack, and the chart comes
//! out.

mod api;
mod watch;
mod world;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use chrono::{DateTime, Days, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    chart::{self, Chart, SubGoal},
    output,
    stack::{self, Reporter, StackEnv},
};
use api::{Api, Process};

/// The local user in whose name the demo asks.
const USER: &str = "demo";
/// What the chart is drawn for where standard output is no terminal.
const USUAL_COLUMNS: u16 = 80;
/// Where the picture goes unless told otherwise, from the project's folder.
const USUAL_SVG: &str = ".local/demo/chart.svg";

/// What `watch` can be told.
#[derive(Debug, clap::Args)]
pub struct WatchArgs {
    /// The process.
    id: Uuid,
    /// The local user whose process it is.
    #[arg(long = "as", value_name = "USER", default_value = USER)]
    user: String,
}

/// Watches a process of a local user until it has ended. Exit code 1 when it ended badly.
///
/// # Errors
/// When there is no stack, or no such process of that user.
pub async fn watch_verb(args: &WatchArgs, instance: stack::InstanceName) -> Result<ExitCode> {
    let env = stack::current(instance)?;
    let api = Api::new(&env.api_url, &stack::token(&env, &args.user).await?, true)?;
    let process = watch::until_terminal(&api, &args.id.to_string()).await?;
    Ok(ExitCode::from(u8::from(process.status != "COMPLETED")))
}

/// What `demo` can be told.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// The goal, in Japanese or English, at most 200 characters.
    #[arg(long, value_name = "TEXT", default_value = "TypeScriptのエキスパートになる")]
    goal: String,
    /// How much of the chart: only the sub-goals, as if left out, or actions or tasks too; then an
    /// HTML page is written as well.
    #[arg(long, value_name = "DEPTH")]
    depth: Option<Depth>,
    /// Print one JSON document instead of the chart.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    build: stack::BuildArgs,
    /// Where to write the chart as a picture; by default .local/demo/chart.svg in the project.
    #[arg(long, value_name = "PATH")]
    svg: Option<PathBuf>,
    /// The world that the model double lives in during the run: real has quotas, latency and texts
    /// of a wrong length.
    #[arg(long, value_name = "WORLD")]
    world: Option<world::World>,
}

impl DemoArgs {
    /// Whether something is left to do when the run is interrupted.
    pub fn cleans_up(&self) -> bool {
        self.world.is_some()
    }
}

/// The last thing that is generated, by the API's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Depth {
    /// Eight sub-goals.
    #[value(name = "subGoals")]
    SubGoals,
    /// And eight actions for each: all 81 cells.
    #[value(name = "actions")]
    Actions,
    /// And the tasks of each action.
    #[value(name = "tasks")]
    Tasks,
}

impl Depth {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SubGoals => "subGoals",
            Self::Actions => "actions",
            Self::Tasks => "tasks",
        }
    }
}

/// How long the parts of the demo took.
#[derive(Debug, Clone, Copy)]
struct Timings {
    /// Until the stack was up and the user had a token.
    stack: Duration,
    /// From the request to the terminal status, as the client sees it.
    job: Duration,
}

/// Brings the stack up, submits the goal, watches the process and shows the chart.
///
/// # Errors
///
/// When the stack does not come up, the API refuses the goal, or the process ends otherwise than
/// COMPLETED.
pub async fn run(args: &DemoArgs) -> Result<()> {
    let started = Instant::now();
    let reporter = Reporter::to_stderr();
    let Some(world) = args.world else {
        let (api, stack) = connect(args, &reporter, started).await?.1;
        return show(args, &api, stack).await;
    };
    let (env, (api, stack)) = stack::interruptible(connect(args, &reporter, started)).await?;
    let double = world::Double::at(&env.model_url)?;
    // From here on the world is taken away again, whatever happens.
    let outcome = stack::interruptible(async {
        double.put(world).await?;
        reporter.note(&world.told());
        show(args, &api, stack).await
    })
    .await;
    let cleared = double.clear().await;
    outcome.and(cleared)
}

/// Brings the stack up, and says how long that took.
async fn connect(
    args: &DemoArgs,
    reporter: &Reporter,
    started: Instant,
) -> Result<(StackEnv, (Api, Duration))> {
    let env = stack::up(&args.build, reporter).await?;
    let token = stack::token(&env, USER).await?;
    let api = Api::new(&env.api_url, &token, is_english(&args.goal))?;
    Ok((env, (api, started.elapsed())))
}

/// The demo on a stack that is up; that took `stack`.
async fn show(args: &DemoArgs, api: &Api, stack: Duration) -> Result<()> {
    let submitted = Instant::now();
    let id = api
        .generate(&request(&args.goal, args.depth, new_goal_id(), SystemTime::now().into()))
        .await?;
    let process = watch::until_terminal(api, &id).await?;
    let timings = Timings { stack, job: submitted.elapsed() };

    let svg = args.svg.clone().unwrap_or_else(usual_svg);
    let chart =
        (process.status == "COMPLETED").then(|| chart_of(&args.goal, &process)).transpose()?;
    if let Some(chart) = &chart {
        if chart::whole::is_whole(chart) {
            write(&svg, &chart::whole::svg(chart))?;
            write(&page_beside(&svg), &chart::whole::html(chart))?;
        } else {
            write(&svg, &chart::svg::render(chart))?;
        }
    }
    if args.json {
        output::line(format_args!("{:#}", document(&process, chart.as_ref(), &svg, timings)));
    } else if let Some(chart) = &chart {
        output::line(story(&process, chart, &svg, timings, columns()).trim_end());
    }
    if chart.is_some() { Ok(()) } else { Err(failure(&process)) }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: a demo is where a new goal's id comes from"
)]
fn new_goal_id() -> Uuid {
    Uuid::now_v7()
}

/// Whether a goal holds no Japanese, and so is asked and answered in English.
fn is_english(goal: &str) -> bool {
    !goal.chars().any(|c| matches!(c, '\u{3040}'..='\u{9fff}' | '\u{ff66}'..='\u{ff9d}'))
}

/// The usual place as seen from the current folder, which may be any in the project: its root is
/// what holds this crate.
fn usual_svg() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let root = here.ancestors().find(|folder| folder.join("infra/cli/Cargo.toml").is_file());
    root.filter(|root| *root != here)
        .map_or_else(|| PathBuf::from(USUAL_SVG), |root| root.join(USUAL_SVG))
}

/// The body of `POST /generate`: what an app would know of its user besides the title.
fn request(goal: &str, depth: Option<Depth>, id: Uuid, now: DateTime<Utc>) -> Value {
    let (description, background) = if is_english(goal) {
        (
            "I want to reach this goal within a year, and I do not know where to start.",
            "I work full time and have about an hour a day.",
        )
    } else {
        (
            "一年以内にこの目標を達成したいが、何から始めればよいかがわからない。",
            "平日は仕事があり、使える時間は一日に一時間ほど。",
        )
    };
    let deadline = now
        .checked_add_days(Days::new(365))
        .unwrap_or(now)
        .to_rfc3339_opts(SecondsFormat::Secs, true);
    let mut params = json!({
        "goalId": id,
        "title": goal,
        "description": description,
        "deadline": deadline,
        "background": background,
    });
    match depth {
        None => json!({"type": "SUBGOAL_GENERATION", "params": params}),
        Some(depth) => {
            params["depth"] = json!(depth.as_str());
            json!({"type": "CHART_GENERATION", "params": params})
        }
    }
}

/// The chart in a process's result.
fn chart_of(goal: &str, process: &Process) -> Result<Chart> {
    let rows = process.whole.pointer("/result/subGoals").and_then(Value::as_array);
    let rows = rows.with_context(|| {
        format!("process {} is COMPLETED, but its result holds no subGoals", process.id)
    })?;
    let sub_goals = by_position(rows)
        .map(|row| {
            let actions = row["actions"].as_array().map(Vec::as_slice).unwrap_or_default();
            SubGoal { title: title_of(row), actions: by_position(actions).map(title_of).collect() }
        })
        .collect();
    Ok(Chart { goal: goal.to_owned(), sub_goals })
}

/// Rows in the order of their positions, or as they are where they name none.
fn by_position(rows: &[Value]) -> impl Iterator<Item = &Value> {
    let mut sorted: Vec<(u64, &Value)> = rows
        .iter()
        .enumerate()
        .map(|(index, row)| (row["position"].as_u64().unwrap_or(index as u64), row))
        .collect();
    sorted.sort_by_key(|(position, _)| *position);
    sorted.into_iter().map(|(_, row)| row)
}

fn title_of(row: &Value) -> String {
    row["title"].as_str().unwrap_or_default().to_owned()
}

/// Where the page is written that belongs to a picture.
fn page_beside(svg: &Path) -> PathBuf {
    svg.with_extension("html")
}

fn write(path: &Path, content: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    std::fs::write(path, content).with_context(|| format!("{} cannot be written", path.display()))
}

/// What a person reads on standard output.
fn story(process: &Process, chart: &Chart, svg: &Path, timings: Timings, columns: usize) -> String {
    let (stack, job) = (timings.stack.as_secs_f64(), timings.job.as_secs_f64());
    let whole = chart::whole::is_whole(chart);
    let picture = if whole { chart::whole::terminal(chart, columns) } else { None };
    let hint = if whole && picture.is_none() {
        "\nThe whole chart needs a terminal of 100 columns; picture and page have it.\n"
    } else {
        ""
    };
    let picture = picture.unwrap_or_else(|| chart::terminal::render(chart, columns));
    let page =
        if whole { format!("\nPage     {}", page_beside(svg).display()) } else { String::new() };
    format!(
        "\n{picture}{hint}\nPicture  {}{page}\nProcess  {} {}\n\
         Times    job {job:.1} s, stack {stack:.1} s\n",
        svg.display(),
        process.id,
        process.status,
    )
}

/// What a machine reads on standard output. Times are in milliseconds.
fn document(process: &Process, chart: Option<&Chart>, svg: &Path, timings: Timings) -> Value {
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "process": process.whole,
        "chart": chart,
        "svg": chart.map(|_| svg),
        "html": chart.filter(|chart| chart::whole::is_whole(chart)).map(|_| page_beside(svg)),
        "timings": {"stackMs": milliseconds(timings.stack), "jobMs": milliseconds(timings.job)},
    })
}

/// Why there is no chart, and where to look.
fn failure(process: &Process) -> anyhow::Error {
    let Process { id, status, .. } = process;
    let text = |path: &str| process.whole.pointer(path).and_then(Value::as_str);
    let why = match (text("/error/code"), text("/error/message")) {
        (Some(code), Some(message)) => format!(" with {code} ({message})"),
        (Some(code), None) => format!(" with {code}"),
        _ => text("/cancelReason").map_or_else(String::new, |reason| format!(" ({reason})")),
    };
    anyhow!(
        "process {id} ended {status}{why}; `cargo aigen status` shows the stack and where its logs \
         are, and `cargo aigen demo` tries again"
    )
}

/// Columns of the terminal that standard output is.
fn columns() -> usize {
    let terminal = console::Term::stdout();
    let size = if terminal.is_term() { terminal.size_checked() } else { None };
    size.map_or(USUAL_COLUMNS, |(_, columns)| columns).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(whole: Value) -> Process {
        Process::read(whole).unwrap()
    }

    #[test]
    fn the_request_has_a_deadline_a_year_ahead_and_the_goals_language() {
        let params =
            |goal| request(goal, None, Uuid::nil(), DateTime::UNIX_EPOCH)["params"].clone();
        let (japanese, english) = (params("英語を話す"), params("Learn Rust"));
        assert_eq!(japanese["deadline"], "1971-01-01T00:00:00Z");
        assert!(japanese["background"].as_str().unwrap().contains("仕事"));
        assert!(english["background"].as_str().unwrap().is_ascii());
    }

    #[test]
    fn a_depth_asks_for_a_chart() {
        let request =
            request("英語を話す", Some(Depth::Actions), Uuid::nil(), DateTime::UNIX_EPOCH);
        assert_eq!(
            (&request["type"], &request["params"]["depth"]),
            (&json!("CHART_GENERATION"), &json!("actions"))
        );
    }

    #[test]
    fn actions_stand_under_their_sub_goal() {
        let rows = json!([
            {"position": 1, "title": "b"},
            {"position": 0, "title": "a", "actions": [
                {"position": 1, "title": "y"},
                {"position": 0, "title": "x"},
            ]},
        ]);
        let chart = chart_of(
            "g",
            &process(
                json!({"processId": "p", "status": "COMPLETED", "result": {"subGoals": rows}}),
            ),
        )
        .unwrap();
        assert_eq!(
            chart.sub_goals[0],
            SubGoal { title: "a".into(), actions: vec!["x".into(), "y".into()] }
        );
        assert!(chart.sub_goals[1].actions.is_empty());
    }

    #[test]
    fn the_chart_is_in_the_order_of_positions() {
        let rows: Vec<Value> = (0..8)
            .rev()
            .map(|position| json!({"position": position, "title": position.to_string()}))
            .collect();
        let chart = chart_of(
            "g",
            &process(
                json!({"processId": "p", "status": "COMPLETED", "result": {"subGoals": rows}}),
            ),
        )
        .unwrap();
        let titles: Vec<&str> =
            chart.sub_goals.iter().map(|sub_goal| sub_goal.title.as_str()).collect();
        assert_eq!(titles, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    }

    #[test]
    fn a_result_without_sub_goals_is_an_error() {
        let error =
            chart_of("g", &process(json!({"processId": "p", "status": "COMPLETED", "result": {}})))
                .unwrap_err();
        assert!(error.to_string().contains("no subGoals"));
    }

    #[test]
    fn a_failure_names_the_code_the_message_and_what_to_do() {
        let error = json!({"code": "AI_THROTTLING", "message": "混み合っています"});
        let error =
            failure(&process(json!({"processId": "p", "status": "FAILED", "error": error})));
        let text = error.to_string();
        assert!(
            ["p ended FAILED", "AI_THROTTLING", "混み合っています", "cargo aigen status"]
                .iter()
                .all(|part| text.contains(part)),
            "{text}"
        );
    }

    #[test]
    fn the_json_of_a_failed_process_has_no_chart() {
        let process = process(json!({"processId": "p", "status": "FAILED"}));
        let timings = Timings { stack: Duration::from_millis(5), job: Duration::from_secs(1) };
        let document = document(&process, None, Path::new("x.svg"), timings);
        let expected = json!({
            "process": {"processId": "p", "status": "FAILED"},
            "chart": null,
            "svg": null,
            "html": null,
            "timings": {"stackMs": 5, "jobMs": 1000},
        });
        assert_eq!(document, expected);
    }
}
