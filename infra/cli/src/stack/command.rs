//! Running a tool to its end: in a clean environment, with its output in a log whose last lines are
//! shown when it fails.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How much of a failed tool's output is worth a person's screen.
const LAST_LINES: usize = 15;

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
    use std::os::unix::process::CommandExt;

    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let output =
        File::create(log).with_context(|| format!("the log {} cannot be made", log.display()))?;
    command
        .stdin(Stdio::null())
        .stderr(output.try_clone().context("the log cannot be shared")?)
        .stdout(output)
        .process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = tokio::process::Command::from(command)
        .spawn()
        .with_context(|| format!("{program} could not be started"))?;
    let _group = GroupGuard(child.id().and_then(|id| i32::try_from(id).ok()));
    let status =
        child.wait().await.with_context(|| format!("{program} could not be waited for"))?;
    if !status.success() {
        bail!("{what} failed ({status}). The end of {}:\n{}", log.display(), last_lines(log));
    }
    Ok(())
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
    let mut bytes = Vec::new();
    if File::open(log).and_then(|mut file| file.read_to_end(&mut bytes)).is_err() {
        return "  (the log cannot be read)".to_owned();
    }
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    if last.is_empty() {
        return "  (it printed nothing)".to_owned();
    }
    last.iter().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")
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
    async fn the_persons_own_aws_account_is_out_of_reach() {
        let mut command = clean("sh");
        command.args(["-c", "env"]);
        let seen = output(command, "env").await.unwrap();
        assert!(seen.contains("AWS_SHARED_CREDENTIALS_FILE=/dev/null"));
        assert!(!seen.contains("AWS_PROFILE"));
    }
}
