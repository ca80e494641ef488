//! Running a tool to its end: in a clean environment, with its output in a log whose last lines are
//! shown when it fails.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// How much of a failed tool's output is worth a person's screen.
const LAST_LINES: usize = 15;
/// How much of a compiler's complaints is.
const ERROR_LINES: usize = 60;

/// A command that sees neither the credentials and profiles of the person's real AWS account, so
/// that nothing here can ever reach it, nor what cargo set for `aigen` itself.
pub(super) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("AWS_")
            || name_text.starts_with("SAM_")
            || name_text.starts_with("CARGO_PKG_")
            || name_text.starts_with("CARGO_MANIFEST_")
            // Whose change makes cargo build ring, and all that uses it, again.
            || name_text == "OUT_DIR"
            || name_text == "PYTHONDONTWRITEBYTECODE"
            || name_text == "PYTHONHOME"
            || name_text == "PYTHONPATH"
            || name_text == "VIRTUAL_ENV"
        {
            command.env_remove(&name);
        }
    }
    command
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SAM_CLI_TELEMETRY", "0")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .env("no_proxy", "127.0.0.1,localhost");
    command
}

/// `PATH` with `first` in front of the person's own.
pub(super) fn path_with(first: &Path) -> String {
    match std::env::var("PATH") {
        Ok(rest) if !rest.is_empty() => format!("{}:{rest}", first.display()),
        _ => first.display().to_string(),
    }
}

/// Runs the command to its end; what it prints goes to `log`. A failure shows the log's last lines
/// and where it is.
pub(super) async fn run(mut command: Command, what: &str, log: &Path) -> Result<()> {
    let output = begin_log(log)?;
    command.stdout(output.try_clone().context("the log cannot be shared")?).stderr(output);
    let mut running = Running::start(command)?;
    let status = running.end().await?;
    ensure!(
        status.success(),
        "{what} failed ({status}). The end of {}:\n{}",
        log.display(),
        last_lines(log)
    );
    Ok(())
}

/// Runs a compiler to its end and gives `read` each line of its answer, while what it complains of
/// goes to `log`. A failure shows the first error and where the others are.
pub(super) async fn run_and_read(
    mut command: Command,
    what: &str,
    log: &Path,
    mut read: impl FnMut(&str),
) -> Result<()> {
    command.stdout(Stdio::piped()).stderr(begin_log(log)?);
    let mut running = Running::start(command)?;
    let answer = running.child.stdout.take().context("the answer cannot be read")?;
    let mut lines = BufReader::new(answer).lines();
    while let Some(line) = lines.next_line().await.context("the answer cannot be read")? {
        read(&line);
    }
    let status = running.end().await?;
    ensure!(status.success(), "{what} failed ({status}). From {}:\n{}", log.display(), errors(log));
    Ok(())
}

fn begin_log(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    File::create(log).with_context(|| format!("the log {} cannot be made", log.display()))
}

/// A tool that runs, in a group of its own with what it starts.
struct Running {
    program: String,
    child: Child,
    _group: GroupGuard,
}

impl Running {
    fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = tokio::process::Command::from(command)
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        let group = GroupGuard(child.id().and_then(|id| i32::try_from(id).ok()));
        Ok(Self { program, child, _group: group })
    }

    async fn end(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await;
        status.with_context(|| format!("{} could not be waited for", self.program))
    }
}

/// Runs the command to its end and gives what it prints; a failure shows what it complained of.
pub(super) async fn output(mut command: Command, what: &str) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null());
    let output = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{program} could not be started"))?;
    if !output.status.success() {
        bail!(
            "{what} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed what is not UTF-8"))
}

/// The end of a log, indented.
pub(super) fn last_lines(log: &Path) -> String {
    let Ok(bytes) = std::fs::read(log) else {
        return "  (the log cannot be read)".to_owned();
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    if last.is_empty() {
        return "  (it printed nothing)".to_owned();
    }
    indented(last)
}

/// What a compiler's log holds from its first error on; its end, where it holds none.
fn errors(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("error")).collect();
    if lines.is_empty() {
        return last_lines(log);
    }
    indented(&lines[..lines.len().min(ERROR_LINES)])
}

fn indented(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
}

/// Ends the tool and what it started when the wait for it is given up (Ctrl-C, or another step
/// failed). After a normal end the group is empty and nothing happens.
struct GroupGuard(Option<i32>);

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_names_the_log_and_shows_its_last_lines() {
        let log = std::env::temp_dir().join(format!("aigen-command-{}.log", std::process::id()));
        let mut command = clean("sh");
        command.args(["-c", "seq 1 100; echo broken >&2; exit 3"]);
        let error = run(command, "the build", &log).await.unwrap_err().to_string();
        assert!(error.starts_with("the build failed"), "{error}");
        assert!(error.contains(&log.display().to_string()), "{error}");
        assert!(error.ends_with("| 100\n  | broken"), "{error}");
        assert!(!error.contains("| 80\n"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn a_failed_compiler_shows_its_first_error() {
        let log = std::env::temp_dir().join(format!("aigen-compiler-{}.log", std::process::id()));
        let mut command = clean("sh");
        command.args(["-c", "echo one; seq 1 100 >&2; echo 'error: x' >&2; seq 1 100 >&2; exit 1"]);
        let mut seen = Vec::new();
        let outcome = run_and_read(command, "cargo", &log, |line| seen.push(line.to_owned()));
        let error = outcome.await.unwrap_err().to_string();
        assert_eq!(seen, ["one"]);
        assert!(error.contains(":\n  | error: x\n  | 1\n"), "{error}");
        assert!(!error.contains("| 100"), "{error}");
        std::fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn the_persons_own_aws_account_is_out_of_reach() {
        let mut command = clean("sh");
        command.args(["-c", "env"]);
        let seen = output(command, "env").await.unwrap();
        assert!(seen.contains("AWS_SHARED_CREDENTIALS_FILE=/dev/null"));
        assert!(!seen.contains("AWS_PROFILE"));
    }
}
