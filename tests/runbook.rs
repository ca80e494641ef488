//! Every command that the runbook names is run, as it stands there, on the local stack: what looks,
//! looks at a process of this test, and what changes something is taken back.
//!
//! A file of its own: while it runs the whole stack is paused for a moment, and test files run one
//! after another.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected should stop at once"
)]

use std::{
    collections::BTreeSet,
    fs,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use system_tests::{Goal, Stack, User, aigen, fresh_id};
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    sync::{Mutex, MutexGuard},
};

const PAPERS: [&str; 6] = [
    "docs/runbook.en.md",
    "docs/runbook.ja.md",
    "docs/runbook/incident.en.md",
    "docs/runbook/incident.ja.md",
    "docs/runbook/troubles.en.md",
    "docs/runbook/troubles.ja.md",
];
/// For one command. `drain` waits no longer than `DRAIN_SECONDS` of it.
const LIMIT: Duration = Duration::from_mins(2);
const DRAIN_SECONDS: &str = "60";

/// What a command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// It only looks.
    Looks,
    /// It changes what `resume` and `limit --reset` put right, or nothing that matters here.
    Changes,
    /// It asks a stack in an account, of which there is none here.
    OnAws,
    /// It makes files of the workspace anew, which other tests read.
    Develops,
}

/// The words of a command, as a shell would divide it.
fn words(command: &str) -> Vec<&str> {
    command.split_whitespace().map(|word| word.trim_matches('\'')).collect()
}

fn kind(words: &[&str]) -> Kind {
    let has = |option: &str| words.contains(&option);
    match words[0] {
        _ if has("--stack") => Kind::OnAws,
        "limit" if has("--calls") || has("--per-user") || has("--reset") => Kind::Changes,
        "cancel" | "reconcile" | "retry" if has("--dry-run") => Kind::Looks,
        "check-token" | "errors" | "export" | "health" | "limit" | "list" | "logs"
        | "performance" | "process" | "report" | "stats" | "status" | "watch" => Kind::Looks,
        "drain" | "migrate" | "pause" | "reconcile" | "resume" | "retry" | "submit" => {
            Kind::Changes
        }
        "prepare" => Kind::Develops,
        other => panic!("nobody has said here how `cargo aigen {other}` is tried"),
    }
}

/// Each command of the papers once, without `cargo aigen`.
fn commands() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text: String = PAPERS.map(|path| fs::read_to_string(root.join(path)).unwrap()).concat();
    let named = text.split("`cargo aigen ").skip(1).filter_map(|rest| rest.split('`').next());
    named.map(str::to_owned).collect()
}

/// A pause is everybody's.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Somebody on duty, with a process that has failed and a folder for what is written.
struct OnDuty {
    stack: Stack,
    user: User,
    failed: String,
    folder: PathBuf,
    _alone: MutexGuard<'static, ()>,
}

impl OnDuty {
    async fn begins() -> Self {
        let alone = ONE_AT_A_TIME.lock().await;
        let stack = Stack::up().await;
        stack.model_reset().await;
        let user = stack.new_user().await;
        let goal = Goal::new("手引きに従う目標");
        stack.fault(&goal, json!({"error": 1_000})).await;
        let failed = user.submit(&goal).await;
        assert_eq!(user.wait_for_end(&failed).await["status"], "FAILED");
        let folder = std::env::temp_dir().join(format!("aigen-runbook-{}", fresh_id()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("goals.jsonl"), Goal::new("ファイルの目標").request().to_string())
            .unwrap();
        Self { stack, user, failed, folder, _alone: alone }
    }

    /// The words with values for their placeholders.
    fn filled(&self, words: &[&str]) -> Vec<String> {
        let is_to_be_sent = words[0] == "submit";
        let file = |name: &str| self.folder.join(name).to_str().unwrap().to_owned();
        let mut filled: Vec<String> = Vec::new();
        for word in words {
            let word = match *word {
                "ID" => self.failed.clone(),
                "N" => "8".to_owned(),
                "FILE" if is_to_be_sent => file("goals.jsonl"),
                "FILE" => file("processes.jsonl"),
                _ if filled.last().is_some_and(|it| it == "--timeout") => DRAIN_SECONDS.to_owned(),
                word => word.to_owned(),
            };
            filled.push(word);
        }
        if words[0] == "drain" && !words.contains(&"--timeout") {
            filled.extend(["--timeout".to_owned(), DRAIN_SECONDS.to_owned()]);
        }
        filled
    }

    /// What comes of a command, with the user's token on its standard input.
    async fn run(&self, words: &[&str], kind: Kind) -> Output {
        let mut command = Command::new(aigen());
        command.args(self.filled(words)).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        for (name, _) in std::env::vars() {
            // Of this test's account nothing is to be known where another is asked.
            if name == "AIGEN_STACK" || (kind == Kind::OnAws && name.starts_with("AWS_")) {
                command.env_remove(name);
            }
        }
        if kind == Kind::OnAws {
            command.env("HOME", &self.folder).env("AWS_EC2_METADATA_DISABLED", "true");
        }
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // What does not read it may have ended.
        let _ = stdin.write_all(self.user.token().as_bytes()).await;
        drop(stdin);
        let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        ended.unwrap_or_else(|_| panic!("{words:?} does not end")).unwrap()
    }

    /// Runs it, and says what is wrong with how it ended.
    async fn fault(&self, command: &str) -> Option<String> {
        let words = words(command);
        let kind = kind(&words);
        let output = self.run(&words, kind).await;
        let (out, err) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code();
        let is_right = match kind {
            // The entry of trouble 48: it says what is in the way.
            Kind::OnAws => code == Some(2) && err.contains("error: "),
            _ => matches!(code, Some(0 | 1)) && !(out.trim().is_empty() && err.trim().is_empty()),
        };
        (!is_right).then(|| format!("cargo aigen {command}: {code:?}\n{out}{err}"))
    }

    async fn capacity(&self) -> Value {
        let answer = self.stack.invoke("reconciler", &json!({"action": "capacity"})).await;
        assert_eq!(answer["success"], true, "{answer}");
        answer["data"].clone()
    }

    async fn put_right(&self) {
        for order in [json!({"action": "resume"}), json!({"action": "limit", "reset": true})] {
            let answer = self.stack.invoke("reconciler", &order).await;
            assert_eq!(answer["success"], true, "{answer}");
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

#[tokio::test]
async fn every_command_of_the_runbook_runs_on_the_stack() {
    let on_duty = OnDuty::begins().await;
    let before = on_duty.capacity().await;
    assert!(before["paused"].is_null(), "somebody has paused it: {before}");
    assert_ne!(before["limit"]["reason"], "OPERATOR", "{before}");
    // What looks comes first: it finds a stack as it usually is.
    let by_kind = |command: &String| (kind(&words(command)), command.clone());
    let commands: BTreeSet<_> = commands().iter().map(by_kind).collect();
    let of_kind = |kind: Kind| commands.iter().filter(|(it, _)| *it == kind).count();
    assert!(of_kind(Kind::Looks) > 15 && of_kind(Kind::Changes) > 5, "{commands:?}");
    assert_eq!((of_kind(Kind::OnAws), of_kind(Kind::Develops)), (1, 1), "{commands:?}");
    let tried = AssertUnwindSafe(async {
        let mut faults = Vec::new();
        for (_, command) in commands.iter().filter(|(kind, _)| *kind != Kind::Develops) {
            faults.extend(on_duty.fault(command).await);
        }
        faults
    });
    let faults = tried.catch_unwind().await;
    on_duty.put_right().await;
    let faults = faults.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    let after = on_duty.capacity().await;
    assert_eq!(
        (&after["paused"], &after["limit"]["calls"]),
        (&Value::Null, &before["limit"]["calls"])
    );
}

/// A command that does not exist, or asks for what is not there, would be found.
#[tokio::test]
async fn a_command_that_cannot_run_is_a_fault() {
    let on_duty = OnDuty::begins().await;
    for command in ["health --lang fr", "process 00000000-0000-7000-8000-000000000007"] {
        assert!(on_duty.fault(command).await.is_some(), "{command}");
    }
    assert_eq!(on_duty.fault("process ID").await, None);
    fs::remove_dir_all(&on_duty.folder).unwrap();
}
