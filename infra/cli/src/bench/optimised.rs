//! The benchmark optimised as what it measures: it serves Lambda's Runtime API, AWS and the model,
//! and unoptimised it took as long for that as the function for its work.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

use crate::stack::Reporter;

/// Runs this very command once more in a build that is optimised, and tells its exit code; `None`
/// where this one is, or where nobody can build it.
pub(super) fn instead(reporter: &Reporter) -> Result<Option<ExitCode>> {
    let Some(cargo) = std::env::var_os("CARGO").filter(|_| cfg!(debug_assertions)) else {
        return Ok(None);
    };
    reporter.note("the benchmark is built optimised: it must not take the time that it measures");
    let status = command(cargo, std::env::args_os().skip(1))
        .status()
        .context("cargo could not be started")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(Some(ExitCode::from(code.unwrap_or(1))))
}

fn command(cargo: OsString, options: impl Iterator<Item = OsString>) -> Command {
    let mut command = Command::new(cargo);
    command.args(["run", "--locked", "--profile", "harness", "--package", "aigen", "--"]);
    // It is no part of the database: its queries are known.
    command.args(options).env("SQLX_OFFLINE", "true");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_options_go_to_the_optimised_build() {
        let options = ["bench", "functions", "--json"].map(OsString::from);
        let command = command("cargo".into(), options.into_iter());
        let arguments: Vec<_> = command.get_args().collect();
        assert_eq!(arguments[1..4], ["--locked", "--profile", "harness"]);
        assert!(arguments.ends_with(&["--", "bench", "functions", "--json"].map(AsRef::as_ref)));
    }
}
